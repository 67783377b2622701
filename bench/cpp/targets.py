"""What Forklore's calls from C++ are to cost beside what else a worker could call, and whether a run shows that."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from results import FLOOR, OURS, Results, Row, ratios

KEYS = {"get-hot": 1000, "overwrite-hot": 1000, "get-one": 1}  # a million elsewhere


def row(workload: str, processes: int = 1) -> Row:
    """Of values of 100 bytes, which all targets are about."""
    return Row(workload, 100, KEYS.get(workload, 1_000_000), processes, 1)


@dataclass(frozen=True)
class AtMost:
    bar: float
    aim: float | None = None

    def __str__(self) -> str:
        return f"at most {self.bar:g}" + (f" (aim {self.aim:g})" if self.aim else "")

    def met(self, measured: float) -> bool:
        return measured <= self.bar


@dataclass(frozen=True)
class AtLeast:
    bar: float

    def __str__(self) -> str:
        return f"at least {self.bar:g}"

    def met(self, measured: float) -> bool:
        return measured >= self.bar


@dataclass(frozen=True)
class Target:
    """The median of the rounds' figures is to be at most or at least so much."""

    name: str
    limit: AtMost | AtLeast
    figures: list[float]  # empty if the run did not measure it
    rounds: int = 1  # it takes at least so many

    @property
    def missed(self) -> bool:
        return bool(self.figures) and not self.limit.met(median(self.figures))

    @property
    def verdict(self) -> str:
        if not self.figures:
            return "not measured"
        verdict = "missed" if self.missed else "met"
        few = len(self.figures) < self.rounds
        return f"{verdict}, in {len(self.figures)} rounds of {self.rounds}" if few else verdict

    @property
    def cells(self) -> list[str]:
        if not self.figures:
            return [self.name, str(self.limit), "", self.verdict]
        measured = f"{median(self.figures):.3g} ({min(self.figures):.3g} to {max(self.figures):.3g})"
        return [self.name, str(self.limit), measured, self.verdict]


def targets(run: Results) -> list[Target]:
    def no_slower(workload: str, limit: AtMost) -> Target:
        took = ratios(run.times(row(workload), OURS), run.times(row(workload), FLOOR))
        return Target(f"{workload}: Forklore's time / {FLOOR}'s", limit, took)

    def faster(workload: str, times: dict[str, float]) -> list[Target]:
        took = {rival: ratios(run.times(row(workload), rival), run.times(row(workload), OURS)) for rival in times}
        return [
            Target(f"{workload}: {rival}'s time / Forklore's", AtLeast(least), took[rival])
            for rival, least in times.items()
        ]

    def gains(workload: str, least: float) -> Target:
        of_that = run.gains(row(workload, processes=2))[2]
        return Target(f"{workload}, two processes: Forklore's gain / private maps'", AtLeast(least), of_that, rounds=9)

    attach = run.about.get("attach", {}).get("milliseconds", [])
    many = ratios(run.times(row("get-many-100"), OURS), run.times(row("get-random"), OURS))
    servers = ("memcached", "Redis")
    return [
        no_slower("get-hot", AtMost(1.6, aim=1.4)),
        no_slower("get-random", AtMost(1.1, aim=1.0)),
        Target("get-many-100: Forklore's time a key / get-random's", AtMost(0.5), many),
        *faster("get-hot", {"LMDB": 3, "Boost map": 8} | dict.fromkeys(servers, 80)),
        *faster("get-random", {"LMDB": 3, "Boost map": 3} | dict.fromkeys(servers, 12)),
        *faster("overwrite-hot", {"LMDB": 5, "Boost map": 5}),
        *faster("overwrite-random", {"LMDB": 4, "Boost map": 1.5}),
        *(gains(workload, 0.9) for workload in ("get-hot", "get-one", "get-random")),
        *(gains(workload, 0.85) for workload in ("overwrite-hot", "overwrite-random")),
        Target("attach to 1 GiB, with the first read: ms", AtMost(1), attach),
    ]

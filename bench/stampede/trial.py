"""One contender under load: a real gunicorn, the load beside it, and what the log of computations and the clients'
records say afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Contender, waits_of
from load import FIELDS

HERE = Path(__file__).resolve().parent
WORKERS = 8
START_SECONDS = 60


@dataclass(frozen=True)
class Plan:
    clients: int
    expiries: int
    ttl: int
    cost: float
    work: str

    @property
    def patience(self) -> float:
        """Seconds after which an expiry is no longer to be hoped for: if all threads computed, one after the other."""
        return self.ttl + 30 + 100 * self.cost


@dataclass(frozen=True)
class Computation:
    pid: int
    begun: float
    ended: float | None
    """None if it never ended: its worker was killed."""


class Log:
    """The file to which the site writes each computation, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._file = path.open()
        self._begun: dict[tuple[int, int], float] = {}
        self.ready = 0
        self.ended: list[Computation] = []

    def read(self) -> None:
        for line in self._file:
            what, pid, thread, nanoseconds = line.split()
            key, now = (int(pid), int(thread)), int(nanoseconds) / 1e9
            if what == "ready":
                self.ready += 1
            elif what == "begin":
                self._begun[key] = now
            else:
                self.ended.append(Computation(key[0], self._begun.pop(key), now))

    def all(self) -> list[Computation]:
        """By the time at which they began, those in flight and those killed too."""
        self.read()
        flying = [Computation(pid, begun, None) for (pid, _), begun in self._begun.items()]
        return sorted([*self.ended, *flying], key=lambda one: one.begun)

    def close(self) -> None:
        self._file.close()


def generations(computations: Iterable[Computation], fresh: float) -> list[list[Computation]]:
    """Those of one copy of the value, parted by expiry: what begins well after a first one has ended is of the next.
    fresh: seconds that a value is served, or half of that, as memcached counts whole seconds."""
    parts: list[list[Computation]] = []
    for one in computations:
        ended = [done.ended for done in parts[-1] if done.ended is not None] if parts else []
        if not parts or (ended and one.begun > min(ended) + fresh / 4):
            parts.append([])
        parts[-1].append(one)
    return parts


def by_copy(contender: Contender, computations: list[Computation], fresh: float) -> list[list[list[Computation]]]:
    """The generations of each copy: of one for all workers, or of each worker's own."""
    if contender.shared:
        return [generations(computations, fresh)]
    own = defaultdict(list)
    for one in computations:
        own[one.pid].append(one)
    return [generations(mine, fresh) for mine in own.values()]


class Site:
    """gunicorn with its workers."""

    def __init__(self, contender: Contender, plan: Plan, folder: Path, name: str) -> None:
        self.log = Log(folder / f"{name}-computations")
        self.socket, self.errors = folder / f"{name}.sock", folder / f"{name}-gunicorn.log"
        told = {"cache": contender.cache(folder, name), "ttl": plan.ttl, "cost": plan.cost, "work": plan.work,
                "more": contender.more}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(HERE / "gunicorn_conf.py"), "--chdir", str(HERE),
             "--bind", f"unix:{self.socket}", "--worker-tmp-dir", str(folder), "--error-logfile", str(self.errors),
             "stampede_site:application"],
            env={**os.environ, "STAMPEDE_PLAN": json.dumps(told), "STAMPEDE_LOG": str(self.log.path)},
            start_new_session=True,
        )  # fmt: skip

    def wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while self.log.ready < WORKERS:
            self.log.read()
            if time.monotonic() > end or self.process.poll() is not None:
                words = self.errors.read_text()[-2000:] if self.errors.exists() else "it wrote no log"
                raise RuntimeError(f"gunicorn did not start {WORKERS} workers: {words}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # a group of its own
            self.process.wait()
        self.log.close()


@contextmanager
def loaded(site: Site, clients: int, file: Path) -> Iterator[None]:
    """With so many clients asking all the time."""
    command = [sys.executable, str(HERE / "load.py"), str(site.socket), str(clients), str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


class Records:
    """What the clients saw, a column for each of FIELDS."""

    def __init__(self, file: Path) -> None:
        rows = np.fromfile(file).reshape(-1, len(FIELDS))
        self.rows = rows[np.argsort(rows[:, 0])]

    def __getattr__(self, field: str) -> Any:
        return self.rows[:, FIELDS.index(field)]


def wait_for(site: Site, enough: Callable[[], bool], patience: float, pause: float = 0.02) -> bool:
    end = time.monotonic() + patience
    while not enough():
        if time.monotonic() > end or site.process.poll() is not None:
            return False
        time.sleep(pause)
    return True


def expire(
    contender: Contender, plan: Plan, folder: Path, name: str, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Lets the key expire under load, plan.expiries times after it was first computed; what came of it."""
    site, file = Site(contender, plan, folder, name), folder / f"{name}-records"
    before = 0
    try:
        site.wait_until_ready()
        with loaded(site, plan.clients, file):
            for number in range(1, plan.expiries + 2):

                def over(number: int = number) -> bool:
                    """Whether every copy has been computed so often, and nobody computes any more."""
                    everything = site.log.all()
                    copies = by_copy(contender, everything, plan.ttl)
                    return (
                        len(copies) >= (1 if contender.shared else WORKERS)
                        and all(len(parts) >= number for parts in copies)
                        and all(one.ended is not None for one in everything)
                    )

                if not wait_for(site, over, plan.patience, 0.1):
                    raise RuntimeError(f"{contender.title}: expiry {number - 1} did not come")
                if contender.elects and number == 1:
                    before = waits_of(name)
                progress(number - 1)
            time.sleep(min(0.5, plan.ttl / 4))  # the answers of who waited
        waited = waits_of(name) - before if contender.elects else None
        copies = by_copy(contender, site.log.all(), plan.ttl)
    finally:
        site.stop()
    return {**summary(plan, copies, Records(file)), "waited": waited}


def summary(plan: Plan, copies: list[list[list[Computation]]], records: Records) -> dict[str, Any]:
    """The first computation was of an empty cache and is no expiry."""
    each = [sum(len(parts[number]) for parts in copies) for number in range(1, plan.expiries + 1)]
    begins = [min(one.begun for parts in copies for one in parts[number]) for number in range(1, plan.expiries + 1)]
    seen = records.sent > begins[0] - plan.ttl / 2
    answered = seen & (records.answered == 1)
    took, computed = records.took[answered], records.computed[answered] == 1
    latency = records.latency[answered]
    span = float(records.sent[seen].max() - records.sent[seen].min())
    near = np.zeros(int(answered.sum()), dtype=bool)  # sent while a value was computed, or just before
    for begin in begins:
        near |= np.abs(records.sent[answered] - begin) < plan.cost
    return {
        "computations": each,
        "requests": int(answered.sum()),
        "failed": int((seen & (records.answered == 0)).sum()),
        "rate": float(answered.sum() / span),
        "cache_ms": quantiles(took[~computed] * 1000),
        "latency_ms": quantiles(latency * 1000),
        "latency_near_ms": quantiles(latency[near] * 1000),
        "begins": begins,
        "copies": [[[asdict(one) for one in part] for part in parts] for parts in copies],
    }


def overtaken(records: Records, copies: list[list[list[Computation]]], plan: Plan) -> Any:
    """Which requests got what another computed after they had asked, and were more than half of a computation about it:
    they waited for it, or got no processor until it was there."""
    ended = {one.begun: one.ended for parts in copies for part in parts for one in part if one.ended is not None}
    there = np.array([ended.get(made, 0.0) for made in records.made])
    return (records.computed == 0) & (records.asked < there) & (records.took > plan.cost / 2)


def quantiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {}
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99)),
            "p999": float(np.percentile(values, 99.9)), "max": float(values.max())}  # fmt: skip


def kill(contender: Contender, plan: Plan, folder: Path, name: str, progress: Callable[[int], None]) -> list[float]:
    """Kills the computing worker amid each of plan.expiries computations; the seconds until the next one began."""
    site, file = Site(contender, plan, folder, name), folder / f"{name}-records"
    gaps: list[float] = []
    try:
        site.wait_until_ready()
        with loaded(site, plan.clients, file):
            dead: set[int] = set()
            while len(gaps) < plan.expiries:
                victim = wait_for_flying(site, dead, plan)
                while time.monotonic() < victim.begun + plan.cost / 2:
                    time.sleep(0.001)
                killed = time.monotonic()  # before it is: the next may begin before this process runs again
                os.kill(victim.pid, signal.SIGKILL)
                dead.add(victim.pid)
                gaps.append(wait_for_next(site, killed, dead, plan) - killed)
                progress(len(gaps))
                wait_for(site, lambda: all(one.ended or one.pid in dead for one in site.log.all()), plan.patience)
    finally:
        site.stop()
    return gaps


def wait_for_flying(site: Site, dead: set[int], plan: Plan) -> Computation:
    found: list[Computation] = []

    def flying() -> bool:
        found[:] = [one for one in site.log.all() if one.ended is None and one.pid not in dead]
        return bool(found) and time.monotonic() < found[0].begun + plan.cost / 2

    if not wait_for(site, flying, plan.patience):
        raise RuntimeError("nobody computed, so nobody could be killed")
    return found[0]


def wait_for_next(site: Site, killed: float, dead: set[int], plan: Plan) -> float:
    found: list[Computation] = []

    def begun() -> bool:
        found[:] = [one for one in site.log.all() if one.begun > killed and one.pid not in dead]
        return bool(found)

    if not wait_for(site, begun, plan.patience):
        raise RuntimeError(f"nobody began within {plan.patience:.0f} s of a kill")
    return found[0].begun

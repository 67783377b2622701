"""What cache_bench measured, out of its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

OURS = "Forklore"
FLOOR = "unordered_map"  # private to each worker, so what several of them gain is what the machine gives


class Row(NamedTuple):
    workload: str
    value_bytes: int
    keys: int
    processes: int
    threads: int

    @property
    def workers(self) -> int:
        return self.processes * self.threads

    @property
    def alone(self) -> Row:
        return self._replace(processes=1, threads=1)


class Results:
    """Of several files, put together as if they were of one run."""

    def __init__(self, paths: list[Path]) -> None:
        self.about: dict = {}  # what the last file says of its run
        self.rows: dict[Row, dict[str, list[float]]] = {}  # of each rival the nanoseconds, round by round
        self.line: dict[tuple[str, int], list[float]] = {}  # likewise of handing a line over, of workload and size
        for path in paths:
            self.about |= (run := json.loads(path.read_text()))
            for one in run["results"]:
                self.rows.setdefault(Row(*(one[name] for name in Row._fields)), {})[one["rival"]] = one["nanoseconds"]
            for one in run.get("line", ()):
                self.line[one["workload"], one["value_bytes"]] = one["nanoseconds"]

    def times(self, row: Row, rival: str) -> list[float]:
        """Empty if it was not measured."""
        return self.rows.get(row, {}).get(rival, [])

    def gains(self, row: Row) -> tuple[list[float], list[float], list[float]]:
        """How many times as much as one worker the row's get through, round by round: on Forklore, on private maps,
        and the one beside the other. Empty where one of them was not measured."""
        ours = ratios(self.times(row.alone, OURS), self.times(row, OURS))
        floor = ratios(self.times(row.alone, FLOOR), self.times(row, FLOOR))
        return ours, floor, ratios(ours, floor)


def ratios(these: list[float], those: list[float]) -> list[float]:
    """Round by round; empty where either is."""
    return [a / b for a, b in zip(these, those, strict=True)] if these and those else []

"""What a hit of forklore.memoize costs beside Cache.get of the same value, in turns. Exit 0 if the bars
are met, 2 if not.

usage: python bench/python/memoized.py [--seconds S]
"""

from __future__ import annotations

import argparse
import datetime
import functools
import os
import statistics
import sys
import time
from typing import Any

from bars import Bar, as_table, digits, verdicts
from rich.console import Console
from rounds import BURST, Clock, loop_of

import forklore

# A call, its statement, its bar: at most so many times Cache.get.
CALLS = [
    ("Cache.get", "cache.get('value')", None),
    ("memoize, one int", "one(5)", 3.1),
    ("memoize, one str", "one('ada@example.com')", 3.1),
    ("memoize, one str with spaces", "one('ada of the lakes')", 3.1),
    ("memoize, one str, not ASCII", "one('żółć')", None),
    ("memoize, one str of 300", "one(long)", None),
    ("memoize, three: int, str, bool", "three(5, 'ada@example.com', True)", 4.6),
    ("memoize, three, two by name", "three(5, b='ada@example.com', c=None)", 4.6),
    ("memoize, one float", "one(2.5)", None),
    ("memoize of a method, with a key", "row.get(5)", None),
    ("memoize, one date (words by Python)", "one(date)", None),
    ("functools.lru_cache, one int", "lru(5)", None),
]


def calls(cache: forklore.Cache) -> dict[str, Any]:
    cache.set("value", 7)

    @forklore.memoize(600, cache=cache, name="bench.one")
    def one(x: Any) -> int:
        return 7

    @forklore.memoize(600, cache=cache, name="bench.three")
    def three(a: Any, b: Any = None, c: Any = None) -> int:
        return 7

    class Row:
        id = 1

        @forklore.memoize(600, cache=cache, name="bench.row", key=lambda self, x: (self.id, x))
        def get(self, x: Any) -> int:
            return 7

    return {
        "cache": cache,
        "one": one,
        "three": three,
        "row": Row(),
        "long": "x" * 300,
        "date": datetime.date(2026, 1, 2),
        "lru": functools.lru_cache(lambda x: 7),
    }


def measure(scope: dict[str, Any], seconds: float) -> list[list[float]]:
    """Nanoseconds of each call in each round."""
    loops = [loop_of(statement, scope) for _, statement, _ in CALLS]
    clock: Clock = time.perf_counter_ns
    counts = []
    for loop in loops:
        loop([None], clock)  # a miss
        counts.append(max(int(100 * BURST / max(loop([None] * 100, clock), 1)), 1))
    taken: list[list[float]] = [[] for _ in loops]
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(taken[0]) < 5:
        for loop, count, times in zip(loops, counts, taken, strict=True):
            times.append(loop([None] * count, clock) / count)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long to measure (default 10)")
    seconds = parser.parse_args().seconds
    name = f"bench-memoized-{os.getpid()}"
    try:
        with forklore.Cache(name, "32MB") as cache:
            taken = [statistics.median(times) for times in measure(calls(cache), seconds)]
    finally:
        forklore.remove(name)
    table, found = [], []
    for (call, statement, most), ns in zip(CALLS, taken, strict=True):
        table.append([call, statement, digits(ns), digits(ns / taken[0])])
        if most is not None:
            found.append(Bar(f"{call}: times Cache.get's", ns / taken[0], most=most))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(as_table("a hit", ["call", "statement", "ns", "times Cache.get's"], table))
    console.print(as_table("bars", *verdicts(found)))
    return 0 if all(bar.met for bar in found) else 2


if __name__ == "__main__":
    sys.exit(main())

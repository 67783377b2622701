"""What a call costs from Python, beside Django's LocMemCache. Ratios first; run it on a quiet machine.

    python bench/python/quick.py [--seconds 3]

All cases take turns in short rounds, so that a slow spell of the machine meets all of them alike; a figure is the
median over the rounds. Bars: get of a 100-byte value on caches["default"] at least 3x as fast as LocMemCache's, and
forklore.Cache.get at most 0.4 microseconds. Exit 1 if one is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import django
from django.conf import settings
from django.core.cache import caches

import forklore

NAME = f"bench-quick-{os.getpid()}"
KEY = "user:profile:123456"
VALUE = "x" * 100
CALLS = 200  # keys a round: well below a time slice of the scheduler, so that few rounds are interrupted


def cases() -> dict[str, str]:
    """Label to statement, each one call."""
    return {
        "forklore.Cache get": "direct.get(key)",
        "forklore.Cache set": "direct.set(key, value)",
        "forklore.Cache incr": "direct.incr('n')",
        "forklore.Cache get_many of 10, each": "direct.get_many(ten)",
        "backend forklore get": "shared.get(key)",
        "backend locmem get": "local.get(key)",
        "backend forklore set": "shared.set(key, value)",
        "backend locmem set": "local.set(key, value)",
        "backend forklore incr": "shared.incr('n')",
        "backend locmem incr": "local.incr('n')",
        "backend forklore get_many of 10, each": "shared.get_many(ten)",
        "backend locmem get_many of 10, each": "local.get_many(ten)",
    }


def measure(seconds: float) -> dict[str, float]:
    """Median nanoseconds a call (a key, for the many-calls) by label."""
    names = {
        "direct": forklore.Cache(NAME, "8MB"),
        "shared": caches["default"],
        "local": caches["local"],
        "key": KEY,
        "value": VALUE,
        "ten": [f"user:profile:{i}" for i in range(10)],
    }
    for cache in (names["direct"], names["shared"], names["local"]):
        cache.set(KEY, VALUE)
        cache.set("n", 0)
        cache.set_many(dict.fromkeys(names["ten"], VALUE))
    loops = {}
    for label, statement in cases().items():
        calls = CALLS // 10 if "of 10" in label else CALLS
        source = (
            f"def loop(clock):\n start = clock()\n for _ in range({calls}):\n  {statement}\n return clock() - start"
        )
        scope = dict(names)
        exec(source, scope)
        loops[label] = scope["loop"]
    taken: dict[str, list[float]] = {label: [] for label in loops}
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(taken["backend locmem get"]) < 5:
        for label, loop in loops.items():
            taken[label].append(loop(time.perf_counter_ns) / CALLS)
    return {label: statistics.median(times) for label, times in taken.items()}


def report(figures: dict[str, float]) -> bool:
    """Prints them; whether the bars are met."""
    ratio = figures["backend locmem get"] / figures["backend forklore get"]
    direct = figures["forklore.Cache get"] / 1000
    for word in ("get", "set", "incr", "get_many of 10, each"):
        times = figures[f"backend locmem {word}"] / figures[f"backend forklore {word}"]
        print(f"{times:6.1f} x as fast as LocMemCache: {word}" + (" (bar: 3)" if word == "get" else ""))
    print(f"{direct:6.3f} microseconds: forklore.Cache.get (bar: 0.4)\n")
    for label, nanoseconds in figures.items():
        print(f"{nanoseconds:8.0f} ns  {label}")
    print(f"\nPython {sys.version.split()[0]}, Django {django.get_version()}, values of {len(VALUE)} bytes")
    return ratio >= 3 and direct <= 0.4


def main() -> int:
    parser = argparse.ArgumentParser(description="What a call costs from Python, beside Django's LocMemCache.")
    parser.add_argument("--seconds", type=float, default=3, help="how long to measure")
    seconds = parser.parse_args().seconds
    settings.configure(
        CACHES={
            "default": {"BACKEND": "forklore.django.ForkloreCache", "LOCATION": NAME},
            "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        }
    )
    django.setup()
    try:
        return 0 if report(measure(seconds)) else 1
    finally:
        forklore.remove(NAME)


if __name__ == "__main__":
    sys.exit(main())

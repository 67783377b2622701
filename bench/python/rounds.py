"""Timing: all cases take turns in short bursts, so that a slow spell of the machine meets all of them alike. A figure
is the median over the rounds, less what the empty loop takes."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rivals import Rival
from values import Kind

BURST = 1_000_000  # nanoseconds: well below a time slice of the scheduler, so that few bursts are interrupted
MOST = 2_000  # calls in a burst
LEAST_ROUNDS = 5
MANY = (10, 100)  # keys of a get_many

Clock = Callable[[], int]


@dataclass
class Case:
    """One call of one rival with one kind of value."""

    rival: str
    kind: str
    call: str
    statement: str
    loop: Callable[[list[Any], Clock], int] = field(repr=False)
    keys: list[Any] = field(repr=False)
    taken: list[float] = field(default_factory=list, repr=False)

    def burst(self) -> None:
        self.taken.append(self.loop(self.keys, time.perf_counter_ns) / len(self.keys))

    def summary(self, empty: float) -> dict[str, Any]:
        low, middle, high = statistics.quantiles(self.taken, n=4)
        return {
            "rival": self.rival,
            "kind": self.kind,
            "call": self.call,
            "statement": self.statement,
            "ns": max(middle - empty, 0.1),
            "quartiles": [max(low - empty, 0.1), max(high - empty, 0.1)],
            "rounds": len(self.taken),
        }


def loop_of(statement: str, scope: dict[str, Any]) -> Callable[[list[Any], Clock], int]:
    """A function that runs the statement for each of some keys and answers the nanoseconds."""
    source = f"def loop(keys, clock):\n start = clock()\n for key in keys:\n  {statement}\n return clock() - start"
    # The names are locals, as they would be in a loop that somebody cares about.
    given = ", ".join(f"{name}={name}" for name in scope)
    source = source.replace("(keys, clock)", f"(keys, clock, {given})" if given else "(keys, clock)")
    made = dict(scope)
    exec(source, made)
    return made["loop"]


def calls_of(rival: Rival, kind: Kind) -> Iterator[tuple[str, str, int]]:
    """A call's name, its statement, and how many keys are in "some" for it."""
    yield "get", rival.get(kind), 0
    yield "set", rival.set(kind), 0
    if kind.name == "str":
        if rival.miss is not None:
            yield "miss", rival.miss, 0
        if rival.many is not None:
            yield from many_of(rival, kind)
        if rival.proxy is not None:
            yield "proxy get", rival.proxy, 0
        if rival.hit is not None:
            yield *rival.hit, 0
    if kind.name == "int" and rival.incr is not None:
        yield "incr", rival.incr, 0


def many_of(rival: Rival, kind: Kind) -> Iterator[tuple[str, str, int]]:
    """A get_many, and as many gets that make the same dict of what they read."""
    if not rival.one_call:
        yield f"get_many of {MANY[0]}", rival.many, MANY[0]
        return
    head, colon, expression = rival.get(kind).rpartition(": ")
    gets = f"made = {{}}\n  for key in some:\n   {head}{colon}made[key] = {expression}"
    for count in MANY:
        yield f"get_many of {count}", rival.many, count
        yield f"{count} gets", gets, count


def cases_of(rival: Rival, kinds: list[Kind]) -> Iterator[Case]:
    """The rival's cases, its values stored. Each statement runs until it is known how many calls make a burst."""
    for kind in kinds:
        names, some = ([name.encode() if rival.bytes_keys else name for name in kind.names(n)] for n in (0, max(MANY)))
        scope = {**rival.scope, "value": kind.value}
        store = loop_of(rival.set(kind), scope)
        store(names, time.perf_counter_ns)
        for call, statement, count in calls_of(rival, kind):
            store(some[:count], time.perf_counter_ns)
            loop = loop_of(statement, {**scope, "some": some[:count]})
            loop(names, time.perf_counter_ns)
            once = min(loop(names, time.perf_counter_ns) for _ in range(3)) / len(names)
            calls = max(1, min(MOST, int(BURST / max(once, 1))))
            keys = list(itertools.islice(itertools.cycle(names), calls))
            yield Case(rival.name, kind.name, call, statement, loop, keys)


def check(rival: Rival, kinds: list[Kind]) -> None:
    """Raises AssertionError unless what was stored is read back: a figure of a call that fails is worth nothing."""
    for kind in kinds:
        name = kind.names()[0]
        scope = {**rival.scope, "key": name.encode() if rival.bytes_keys else name, "value": kind.value}
        exec(rival.set(kind), scope)
        statement = rival.get(kind)
        head, colon, expression = statement.rpartition(": ")
        exec(f"{head}{colon}read = {expression}", scope)
        assert scope["read"] == kind.value, f"{rival.name} does not give back what was stored: {kind.title}"


def run(cases: list[Case], seconds: float, progress: Callable[[float, int], None]) -> list[dict[str, Any]]:
    """Runs rounds for that long, at least a few, and answers the summaries. progress is told the seconds gone by and
    the rounds."""
    keys = ["key"] * MOST
    empty = Case("", "", "", "pass", loop_of("pass", {}), keys)
    begin = time.monotonic()
    gc.collect()
    gc.disable()
    try:
        for number in itertools.count(1):
            empty.burst()
            # From another one each time: who comes after a slow neighbour does not always do so.
            first = number * 7 % len(cases)
            for case in cases[first:] + cases[:first]:
                case.burst()
            gc.collect()
            gone = time.monotonic() - begin
            progress(min(gone, seconds), number)
            if gone >= seconds and number >= LEAST_ROUNDS:
                break
    finally:
        gc.enable()
    nothing = statistics.median(empty.taken)
    return [case.summary(nothing) for case in cases]

"""The clock of waits and deadlines. Tests that stop or move the time (freezegun, time-machine) replace time.monotonic,
and a wait by that clock would never end; this one they leave alone."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds of a clock that starts anywhere: only differences mean something."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)

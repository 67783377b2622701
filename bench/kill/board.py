"""What the table's driver and the workers of all peers and languages share: a small file that each of them maps.

    8 words of header: phase, workers, keys
    8 words for each worker, and for the checker behind them, in the order of the constants below
    a word for each key: the counter of the last value whose storing returned

calls are those that returned and did not fail, deaths those of a worker's predecessors in a call. Words are 64 bits, of
this machine's order. A worker's words are written by itself alone, a key's by the one worker that stores it (its number
modulo the workers), and the phase by the checker (storm) and the driver (check).
"""

from __future__ import annotations

import mmap
from pathlib import Path

FILLING, STORM, CHECK = range(3)  # phases
PID, CALLS, MISSING, WRONG, OLDER, REFUSED, IN_CALL, DEATHS = range(8)  # a worker's words
WORDS = 8


class Board:
    """workers: how many there are, not counting the checker, whose number this is."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        self.workers, self.keys = self._words[1], self._words[2]
        self._acked = WORDS * (2 + self.workers)

    @classmethod
    def create(cls, path: Path, workers: int, keys: int) -> Board:
        path.write_bytes(bytes(8 * (WORDS * (2 + workers) + keys)))
        with path.open("r+b") as file:
            words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
            words[1], words[2] = workers, keys
        return cls(path)

    @property
    def phase(self) -> int:
        return self._words[0]

    @phase.setter
    def phase(self, phase: int) -> None:
        self._words[0] = phase

    def line(self, number: int) -> memoryview:
        """A worker's words."""
        start = WORDS * (1 + number)
        return self._words[start : start + WORDS]

    @property
    def acked(self) -> memoryview:
        """The keys' words."""
        return self._words[self._acked :]

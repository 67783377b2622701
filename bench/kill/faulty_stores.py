"""Stores for the kill table's storm: an honest one, and one for each thing that it must notice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from board import STORM, Board


class Honest:
    """A file for each key, replaced by rename: a death leaves the old value or the new."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        pass

    def get(self, key: str) -> bytes | None:
        try:
            return (self._directory / key).read_bytes()
        except FileNotFoundError:
            return None

    def set(self, key: str, value: bytes) -> bool:
        beside = self._directory / f"{key}.{os.getpid()}"
        beside.write_bytes(value)
        beside.rename(self._directory / key)
        return True


class Torn(Honest):
    """Writes over the old value, in two parts, and is long between them."""

    def set(self, key: str, value: bytes) -> bool:
        with (self._directory / key).open("r+b" if (self._directory / key).exists() else "wb", buffering=0) as file:
            file.write(value[:40])
            time.sleep(0.0005)
            file.write(value[40:])
            file.truncate()
        return True


class Locked(Honest):
    """A lock that a dead owner keeps."""

    patience = float("inf")

    def _lock(self) -> Path:
        lock = self._directory / "lock"
        end = time.monotonic() + self.patience
        while True:
            try:
                lock.touch(exist_ok=False)
                return lock
            except FileExistsError:
                time.sleep(0.0001)
            if time.monotonic() > end:
                raise TimeoutError

    def get(self, key: str) -> bytes | None:
        lock = self._lock()
        try:
            time.sleep(0.0005)
            return super().get(key)
        finally:
            lock.unlink()

    def set(self, key: str, value: bytes) -> bool:
        lock = self._lock()
        try:
            time.sleep(0.0005)
            return super().set(key, value)
        finally:
            lock.unlink()


class Unrecoverable(Locked):
    """The same, which is given up after a while."""

    patience = 0.5


class Forgetful(Honest):
    """A successor drops some of what is there."""

    def open(self) -> None:
        for key in list(self._directory.glob("key:*7")):
            key.unlink(missing_ok=True)


class Late(Honest):
    """Answers before it has stored."""

    def open(self) -> None:
        self._pending: dict[str, bytes] = {}

    def set(self, key: str, value: bytes) -> bool:
        self._pending[key] = value
        if len(self._pending) >= 5:
            for name, late in self._pending.items():
                super().set(name, late)
            self._pending.clear()
        return True


class Crashing(Honest):
    """Ends a worker now and then."""

    def get(self, key: str) -> bytes | None:
        if random.random() < 0.01:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().get(key)


class Refusing(Honest):
    """Says no at times."""

    def set(self, key: str, value: bytes) -> bool:
        return random.random() < 0.5 and super().set(key, value)


class Starving(Honest):
    """A third of the workers come to nothing while others call."""

    def open(self) -> None:
        self._board = Board(Path(os.environ["KILL_TABLE_BOARD"]))
        self._patience = 100

    def get(self, key: str) -> bytes | None:
        self._patience -= 1
        while self._patience < 0 and self._board.phase == STORM and os.getpid() % 3 == 0:
            time.sleep(0.001)
        return super().get(key)

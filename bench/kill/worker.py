"""The workers of the peers that are called from Python.

    worker.py MODULE:CLASS BOARD DIRECTORY

is a server that forks its workers, and forks them again when they die. CLASS(DIRECTORY) is the peer, made in the
parent; its open() is called in each worker, then get(key) -> bytes | None and set(key, value) -> bool.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

import board
from board import Board


class Peer(Protocol):
    def open(self) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> bool: ...


def name(key: int) -> str:
    return f"key:{key}"


def make_value(key: int, counter: int) -> bytes:
    """Every byte follows from key and counter: 64 to 2,063 bytes."""
    head = struct.pack("<II", key, counter)
    size = 64 + (key * 101 + counter * 37) % 2000
    return (head + hashlib.sha256(head).digest() * 64)[:size]


def read_value(key: int, value: bytes) -> int | None:
    """The counter of a value made for this key; None if any byte is not what it should be."""
    if len(value) < 64:
        return None
    counter = struct.unpack_from("<I", value, 4)[0]
    return counter if value == make_value(key, counter) else None


class Worker:
    """number: the board's workers for the checker."""

    def __init__(self, path: Path, number: int, peer: Peer) -> None:
        self.board = Board(path)
        self.number = number
        self.peer = peer
        self.line = self.board.line(number)
        self.acked = self.board.acked
        self.complained = False

    def run(self) -> None:
        """Until it is killed or there has been enough; the checker until it has checked."""
        self.line[board.DEATHS] += self.line[board.IN_CALL]
        self.line[board.IN_CALL] = 0
        self.peer.open()
        self.line[board.PID] = os.getpid()
        if self.number == self.board.workers:
            self.fill_and_check()
            return
        while self.board.phase == board.FILLING:
            time.sleep(0.001)
        chance = random.Random()
        while self.board.phase == board.STORM:
            if chance.random() < 0.5:
                self.read(chance.randrange(self.board.keys))
            else:
                own = chance.randrange(self.board.keys // self.board.workers)
                self.store(own * self.board.workers + self.number)
        threading.Event().wait()  # who ends would be forked again

    def fill_and_check(self) -> None:
        """Fills the store unless a predecessor has; looks at every key when it is told to, and counts that alone."""
        if self.board.phase == board.FILLING:
            for key in range(self.board.keys):
                while self.acked[key] == 0:
                    self.store(key)
        for word in (board.CALLS, board.MISSING, board.WRONG, board.OLDER, board.REFUSED):
            self.line[word] = 0
        if self.board.phase == board.FILLING:
            self.board.phase = board.STORM
        while self.board.phase != board.CHECK:
            time.sleep(0.001)
        for key in range(self.board.keys):
            self.read(key)

    def read(self, key: int) -> None:
        least = self.acked[key]
        self.line[board.IN_CALL] = 1
        try:
            value = self.peer.get(name(key))
        except Exception as error:
            return self.refuse(error)
        finally:
            self.line[board.IN_CALL] = 0
        if value is None:
            self.line[board.MISSING] += 1
        elif (counter := read_value(key, value)) is None:
            self.line[board.WRONG] += 1
        elif counter < least:
            self.line[board.OLDER] += 1
        self.line[board.CALLS] += 1

    def store(self, key: int) -> None:
        counter = self.acked[key] + 1
        value = make_value(key, counter)
        self.line[board.IN_CALL] = 1
        try:
            stored = self.peer.set(name(key), value)
        except Exception as error:
            return self.refuse(error)
        finally:
            self.line[board.IN_CALL] = 0
        if not stored:
            return self.refuse("a store answered no")
        self.acked[key] = counter
        self.line[board.CALLS] += 1

    def refuse(self, why: object) -> None:
        self.line[board.REFUSED] += 1
        if not self.complained:
            print(f"worker {self.number}: {why!r}", file=sys.stderr, flush=True)
        self.complained = True


def serve(path: Path, peer: Peer) -> int:
    """Forks the workers and the checker, and again those that a signal ends; 1 if one ends by itself."""

    def fork(number: int) -> int:
        if (pid := os.fork()) != 0:
            return pid
        status = 1
        try:
            Worker(path, number, peer).run()
            status = 0
        except BaseException as error:
            print(f"worker {number}: {error!r}", file=sys.stderr, flush=True)
        os._exit(status)

    running = {fork(number): number for number in range(Board(path).workers + 1)}
    while running:
        pid, status = os.wait()
        number = running.pop(pid)
        if os.WIFSIGNALED(status):
            running[fork(number)] = number
        elif status != 0:
            return 1
    return 0


if __name__ == "__main__":
    module, _, kind = sys.argv[1].partition(":")
    sys.exit(serve(Path(sys.argv[2]), getattr(importlib.import_module(module), kind)(Path(sys.argv[3]))))

"""A round of the storm: one server with its workers, of which one at a time is killed, until enough were or somebody
does not go on; then what the store still holds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import board
from board import Board

SHARED = Path("/dev/shm")
PREFIX = "kill-table-"


@dataclass(frozen=True)
class Plan:
    """seconds: of a round's storm at most. patience: how many seconds without a call that succeeds are a hang."""

    kills: int
    seconds: float
    workers: int = 4
    keys: int = 1000
    patience: float = 5


@dataclass
class Outcome:
    """What a round came to.

    kills: after which every worker made a call. in_call: of all deaths, those in a call.
    stopped: why it did not go on; "n of m hang", "n of m only fail", or what became of the server. Who goes on when the
    others have stopped calling did not hang: "n of m starve".
    kept: of the keys, how many the checker found whole and up to date; None if it got no answer.
    older and wrong are of the storm and the check together, missing of the storm alone.
    waiting_in: the kernel's functions that the threads of those who are stuck were in.
    """

    kills: int = 0
    in_call: int = 0
    calls: int = 0
    refused: int = 0
    missing: int = 0
    older: int = 0
    wrong: int = 0
    crashes: int = 0  # workers that died unasked
    timed_out: bool = False  # there was no time for all kills
    stopped: str = ""
    waiting_in: list[str] = field(default_factory=list)
    keys: int = 0
    kept: int | None = None
    log: str = ""

    @property
    def lost(self) -> int | None:
        return None if self.kept is None else self.keys - self.kept

    @property
    def unhurt(self) -> bool:
        return not (
            self.stopped or self.refused or self.missing or self.older or self.wrong or self.crashes or self.lost
        )


class NotStartedError(Exception):
    """The server did not come to serve."""


class Round:
    """command: the server's, given the board's path and the directory of this run, to which the environment's
    KILL_TABLE_BOARD leads too. farewell: a signal to which the server ends by itself, where it has more to clean up
    than processes and files."""

    def __init__(
        self, command: Callable[[Path, Path], list[str]], plan: Plan, farewell: signal.Signals | None = None
    ) -> None:
        self._command = command
        self._plan = plan
        self._farewell = farewell
        self._chance = random.Random()
        self.name = ""  # of the directory, once it runs

    def run(self, progress: Callable[[int], None] = lambda kills: None) -> Outcome:
        """progress is told the kills so far. Leaves no process, file or segment behind."""
        self._outcome = Outcome(keys=self._plan.keys)
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=SHARED, ignore_cleanup_errors=True) as made:
            directory = Path(made)
            self.name = directory.name
            path = directory / "board"
            self._board = Board.create(path, self._plan.workers, self._plan.keys)
            log = directory / "log"
            with log.open("wb") as output:
                self._server = subprocess.Popen(
                    self._command(path, directory),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    env={**os.environ, "KILL_TABLE_BOARD": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
                )
            try:
                self._start()
                self._storm(progress)
                self._check()
            except NotStartedError as error:
                self._outcome.stopped = str(error)
            finally:
                self._end()
                self._outcome.log = log.read_text(errors="replace")[-4000:]
                for left in SHARED.glob(f"*{self.name}?*"):
                    left.unlink(missing_ok=True)  # a segment of shared memory that is named after the directory
        return self._outcome

    def _start(self) -> None:
        end = time.monotonic() + 4 * self._plan.patience
        lines = [self._board.line(number) for number in range(self._plan.workers)]
        while not all(line[board.CALLS] for line in lines):
            if self._server.poll() is not None:
                raise NotStartedError(f"the server ended with {self._server.returncode}")
            if time.monotonic() > end:
                raise NotStartedError("the workers did not begin")
            time.sleep(0.005)

    def _storm(self, progress: Callable[[int], None]) -> None:
        plan, outcome = self._plan, self._outcome
        lines = [self._board.line(number) for number in range(plan.workers)]
        watch = Watch(lines, plan.patience)
        end = time.monotonic() + plan.seconds
        kills = 0
        while kills < plan.kills and not outcome.stopped and not outcome.timed_out:
            self._pause(watch, self._chance.uniform(0.001, 0.02))
            pid = self._chance.choice(lines)[board.PID]
            if outcome.stopped or not self._kill(pid):
                continue
            kills += 1
            watch.killed.add(pid)
            progress(kills)
            self._wait_for_all(watch, pid, lines)
            if not outcome.stopped:
                outcome.kills = kills
                outcome.timed_out = kills < plan.kills and time.monotonic() > end
        outcome.waiting_in = [waiting_in(lines[number][board.PID]) for number in watch.stuck]
        self._stuck = [(lines[number], lines[number][board.CALLS]) for number in watch.stuck]
        outcome.calls = sum(line[board.CALLS] for line in lines)
        outcome.missing = sum(line[board.MISSING] for line in lines)
        outcome.refused = sum(line[board.REFUSED] for line in lines)
        outcome.in_call = sum(line[board.DEATHS] for line in lines)
        outcome.crashes = watch.crashes

    def _wait_for_all(self, watch: Watch, killed: int, lines: list[memoryview]) -> None:
        """Until each worker has made a call, the killed one's successor among them."""
        while not self._outcome.stopped and any(line[board.PID] == killed for line in lines):
            self._pause(watch, 0.001)
        before = [line[board.CALLS] for line in lines]
        while not self._outcome.stopped and any(
            line[board.CALLS] == calls for line, calls in zip(lines, before, strict=True)
        ):
            self._pause(watch, 0.001)

    def _pause(self, watch: Watch, seconds: float) -> None:
        time.sleep(seconds)
        self._outcome.stopped = watch.look()
        if self._server.poll() is not None:
            self._outcome.stopped = f"the server ended with {self._server.returncode}"

    def _kill(self, pid: int) -> bool:
        """Whether it was a worker of the server's, and so was killed."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if parent_of(pid) != self._server.pid:
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def _check(self) -> None:
        """The checker, who was never killed, reads every key."""
        if self._server.poll() is not None:
            return
        self._board.phase = board.CHECK
        line = self._board.line(self._plan.workers)
        looked_at, since = 0, time.monotonic()
        end = since + 4 * self._plan.patience
        while looked_at < self._plan.keys and time.monotonic() < min(end, since + self._plan.patience):
            if (now := line[board.CALLS] + line[board.REFUSED]) != looked_at:
                looked_at, since = now, time.monotonic()
            time.sleep(0.005)
        outcome = self._outcome
        if line[board.CALLS] == self._plan.keys:
            outcome.kept = self._plan.keys - line[board.MISSING] - line[board.WRONG] - line[board.OLDER]
        if outcome.stopped.endswith("hang"):
            while not (moved := self._all_have_moved()) and time.monotonic() < since + self._plan.patience:
                time.sleep(0.005)
            if moved:
                outcome.stopped = outcome.stopped.replace("hang", "starve")
        lines = [self._board.line(number) for number in range(self._plan.workers + 1)]
        outcome.wrong = sum(line[board.WRONG] for line in lines)
        outcome.older = sum(line[board.OLDER] for line in lines)

    def _all_have_moved(self) -> bool:
        """Whether each that was stuck has made a call since, as nobody stands in its way any more."""
        return all(line[board.CALLS] != calls for line, calls in self._stuck)

    def _end(self) -> None:
        """Of the server and all that it has forked: they are its process group, and nobody else is in it."""
        if self._farewell is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.send_signal(self._farewell)
                self._server.wait(2 * self._plan.patience)
        end = time.monotonic() + 5
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < end:
                os.killpg(self._server.pid, signal.SIGKILL)
                self._server.wait()
                time.sleep(0.002)


class Watch:
    """Who goes on: each worker must make a call that succeeds every so often."""

    def __init__(self, lines: list[memoryview], patience: float) -> None:
        self._lines = lines
        self._patience = patience
        self._seen = [(line[board.CALLS], line[board.REFUSED], time.monotonic()) for line in lines]
        self._pids = [line[board.PID] for line in lines]
        self.killed: set[int] = set()
        self.crashes = 0  # workers that died and had not been killed
        self.stuck: list[int] = []

    def look(self) -> str:
        """Why it cannot go on; empty if it can."""
        now = time.monotonic()
        for number, line in enumerate(self._lines):
            if (pid := line[board.PID]) != self._pids[number]:
                self.crashes += self._pids[number] not in self.killed
                self._pids[number] = pid
            if line[board.CALLS] != self._seen[number][0]:
                self._seen[number] = (line[board.CALLS], line[board.REFUSED], now)
        waited = [now - since for _, _, since in self._seen]
        if max(waited) < self._patience:
            return ""
        self.stuck = [number for number, seconds in enumerate(waited) if seconds > self._patience / 2]
        failing = [number for number in self.stuck if self._lines[number][board.REFUSED] > self._seen[number][1]]
        how = "only fail" if len(failing) == len(self.stuck) else "hang"
        return f"{len(self.stuck)} of {len(self._lines)} {how}"


def parent_of(pid: int) -> int:
    """0 if there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def waiting_in(pid: int) -> str:
    """Where in the kernel each thread of a process waits, as far as one may know."""
    found = []
    for file in sorted(Path(f"/proc/{pid}/task").glob("*/wchan")):
        with contextlib.suppress(OSError):
            found.append(file.read_text() or "0")
    return " ".join(found)

"""Fixtures of all Python tests: segments under names of their own, which are gone afterwards."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import forklore

SHM = Path("/dev/shm")
RUN = os.environ.get("FORKLORE_TEST_RUN", "")  # the mark by which scripts/test.sh finds what its tests leave
_numbers = itertools.count()


def segment_files(name: str) -> list[Path]:
    return sorted(SHM.glob(f"forklore-*-{name}-v*"))


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come to be in time"
        time.sleep(0.02)


@pytest.fixture
def name() -> Iterator[str]:
    """A name that no other test or run uses. Its segment is removed."""
    unique = f"{RUN}pytest-{os.getpid()}-{next(_numbers)}"
    yield unique
    forklore.remove(unique)
    assert segment_files(unique) == []


@pytest.fixture
def cache(name: str) -> Iterator[forklore.Cache]:
    """An empty cache of 4 MB. Its structures are sound afterwards."""
    with forklore.Cache(name, "4MB") as opened:
        yield opened
        if not opened.closed:
            assert opened.verify() == []


class Child:
    """A forked process that runs a function and leaves with 0, or with 1 if that raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                work()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code; minus the signal if that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def fork() -> Callable[[Callable[[], object]], Child]:
    return Child

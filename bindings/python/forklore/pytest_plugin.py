# mypy: disable-error-code="import-not-found,misc"
"""A pytest plugin, found by pytest by itself: what tests do to a cache, they do not do to the site that runs.

While pytest runs, FORKLORE_TEST_PREFIX in the environment is a prefix of this run's own. All names that tests open,
remove or list begin with it, also in processes that tests start. So none of them is a name outside the run. What the
tests have made is removed at the end. What a killed run has left is removed when the next one begins. `-p no:forklore`
switches the plugin off. A prefix that is set already is kept, and then nothing is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import forklore

VARIABLE = "FORKLORE_TEST_PREFIX"

_SHM = Path("/dev/shm")
_numbers = itertools.count()
_began = pytest.StashKey[tuple[int, str | None]]()  # of the run that set it: its process, and what was there before


def _namespace() -> int:
    """Of process ids: those of another container say nothing here."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _prefix(pid: int) -> str:
    return f"pytest{pid}-{_namespace()}-"


def _mapped() -> str:
    """The segments of a name in shared memory, and not of tests, that this process has open."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/dev/shm/forklore-" in line}
    of_tests = re.compile(r"/forklore-\d+-pytest\d+-\d+-|\(deleted\)$")
    return ", ".join(sorted(path for path in paths if not of_tests.search(path)))


def _remove(pid: int, even_attached: bool = False) -> None:
    for path in _SHM.glob(f"forklore-*-{_prefix(pid)}*"):
        with contextlib.suppress(OSError), open(path) as file:
            if not even_attached:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while a process is attached
            path.unlink()


def _remove_those_of_the_dead() -> None:
    mine = re.compile(rf"forklore-\d+-pytest(\d+)-{_namespace()}-")
    for pid in {int(found[1]) for path in _SHM.glob("forklore-*-pytest*") if (found := mine.match(path.name))}:
        if not os.path.exists(f"/proc/{pid}"):
            _remove(pid)


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: Any) -> Iterator[None]:
    """Before any conftest, and before pytest-django loads the settings."""
    pid, given = os.getpid(), os.environ.get(VARIABLE)
    # One of another pytest process is not kept: a worker of xdist, or a run that a test has started, has its own. A run
    # within the run of this process changes nothing.
    if not given or (re.fullmatch(r"pytest\d+-\d+-", given) and given != _prefix(pid)):
        if open_already := _mapped():
            raise pytest.UsageError(
                f"forklore: this process has opened {open_already} before pytest began, so tests would change what the "
                f"site has there. Start pytest as a process of its own, or set {VARIABLE} before anything is opened. "
                "`-p no:forklore` lets the tests have it."
            )
        early_config.stash[_began] = pid, given
        _remove_those_of_the_dead()
        _remove(pid, even_attached=True)  # of another process that had this id
        os.environ[VARIABLE] = _prefix(pid)
    yield


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: Any) -> None:
    pid, before = config.stash.get(_began, (0, None))
    if pid != os.getpid():  # of a run around this one, or of the process that forked this one
        return
    _remove(pid, even_attached=True)
    if before is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = before


@pytest.fixture
def forklore_cache() -> Iterator[forklore.Cache]:
    """An empty cache of 8 MB, for one test alone."""
    name = f"forklore_cache-{os.getpid()}-{next(_numbers)}"
    with forklore.Cache(name, "8MB") as cache:
        yield cache
    forklore.remove(name)

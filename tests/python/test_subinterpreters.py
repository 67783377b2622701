"""Several interpreters in one process, as Apache's mod_wsgi and uWSGI have them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import forklore

from . import interpreters

OWN_GIL = sys.version_info >= (3, 12)  # before, all interpreters share it
SCENARIOS = [one for one in interpreters.SCENARIOS if OWN_GIL or one is not interpreters.own_gil]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__name__)
def test_in(scenario: Callable[[str], None], name: str) -> None:
    script = Path(interpreters.__file__)
    # Not from its folder, whose name would be first in sys.path.
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", script, scenario.__name__, name],
        timeout=100, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_native_asks_which_interpreter_is_the_main_one() -> None:
    """PyGILState_Ensure in a subinterpreter waits for ever."""
    native = Path(forklore._core.__file__).read_bytes()
    assert b"PyGILState" not in native and b"PyEval_SaveThread" in native

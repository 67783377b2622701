"""The program as a user has it: a process with words, an answer and an exit code. FORKLORE_PROGRAM says
which is tested."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import forklore

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FORKLORE_PROGRAM") or str(ROOT / "build/test/src/cli/forklore")
RUN = os.environ.get("FORKLORE_TEST_RUN", "")  # the mark by which scripts/test.sh finds what its tests leave
SCHEMAS = json.loads((Path(__file__).parent / "schemas.json").read_text())
VALIDATORS = {
    command: jsonschema.Draft202012Validator({**schema, "$defs": SCHEMAS["$defs"]})
    for command, schema in SCHEMAS.items()
    if command != "$defs"
}
_numbers = itertools.count()


@dataclass
class Answer:
    exit: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def call(*words: str | bytes, **options: Any) -> Answer:
    """What nobody has asked for is not on stderr, and all that is there is one line."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, timeout=30, check=False, **options)
    answer = Answer(done.returncode, done.stdout, done.stderr.decode())
    assert answer.error.count("\n") == (1 if answer.error else 0), answer
    return answer


def done(*words: str | bytes, **options: Any) -> Answer:
    answer = call(*words, **options)
    assert (answer.exit, answer.error) == (0, ""), answer
    return answer


def objects(command: str, *words: str | bytes, exit: int = 0) -> list[Any]:
    """The answers of a command with --json, each of which its schema allows."""
    answer = call(command, "--json", *words)
    assert (answer.exit, answer.error) == (exit, ""), answer
    assert answer.out.isascii()
    found = [json.loads(line) for line in answer.lines]
    for one in found:
        VALIDATORS[command].validate(one)
    return found


@pytest.fixture
def name() -> Iterator[str]:
    """A name that no other test or run uses. Its segment is removed."""
    unique = f"{RUN}cli-{os.getpid()}-{next(_numbers)}"
    yield unique
    forklore.remove(unique)
    assert list(Path("/dev/shm").glob(f"forklore-*-{unique}-v*")) == []


@pytest.fixture
def cache(name: str) -> Iterator[forklore.Cache]:
    with forklore.Cache(name, "4MB") as opened:
        yield opened


def pytest_configure() -> None:
    if shutil.which(PROGRAM) is None:
        pytest.exit(f"there is no {PROGRAM}: build the target forklore_cli, or give FORKLORE_PROGRAM", 1)

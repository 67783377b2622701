"""The example of docs/operations.md, run."""

from __future__ import annotations

import re
import shlex
import subprocess

import forklore

from .conftest import PROGRAM, ROOT, call

PAGE = (ROOT / "docs/operations.md").read_text()


def test_the_example(cache: forklore.Cache, name: str) -> None:
    cache.set("user:1", "Ada")
    cache.set("user:2", "Grace")
    cache.set("visits", 41)
    [example] = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for command, said in re.findall(r"^\$ forklore (.*)\n((?:[^$].*\n)*)", example, re.MULTILINE):
        answer = call(*[word.replace("mysite", name) for word in shlex.split(command)])
        assert sorted(answer.lines) == sorted(said.splitlines()), command
        assert answer.exit == (1 if "not there" in said else 0)


def test_keys_to_delete(cache: forklore.Cache, name: str) -> None:
    for key in ("page:1", "page:\x1b[31m\n", "page:'quoted' \\ \"", "-page:", "other"):
        cache.set(key, "v")
    [line] = re.findall(r"^  ```sh\n  (.*)\n", PAGE, re.MULTILINE)
    line = line.replace("mysite", name).replace("forklore", shlex.quote(PROGRAM))
    subprocess.run(["bash", "-o", "pipefail", "-c", line], timeout=30, check=True)
    assert sorted(cache.keys()) == ["-page:", "other"]


def test_every_command_has_a_row() -> None:
    rows = re.findall(r"^\| `forklore (\w+)", PAGE, re.MULTILINE)
    shown = re.findall(r"^  (\w+) {2,}", call("--help").text.partition("Subcommands:")[2], re.MULTILINE)
    assert rows == shown != []

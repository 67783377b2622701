"""manage.py check --deploy: whether there is room for what CACHES asks for. And the line when opening fails."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core import checks
from django.core.cache import caches

import forklore
from forklore import _core
from forklore.django.checks import check_room

from .conftest import segment_files
from .django_site import BACKEND, configured

MB = 1 << 20


def deploy_check(name: str, options: dict[str, Any], *before: str, limit: int | None = None) -> str:
    """What `manage.py check --deploy` says of these OPTIONS, run by the command `before`."""
    script = f"""
import django, json, sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.configure(
    INSTALLED_APPS=["forklore.django"], SECRET_KEY="k" * 60,
    CACHES={{"default": {{"BACKEND": "{BACKEND}", "LOCATION": "{name}", "OPTIONS": json.loads(sys.argv.pop())}}}},
)
execute_from_command_line(["manage.py", "check", "--deploy", "--tag", "caches"])
"""
    done = subprocess.run(
        [*before, sys.executable, "-c", script, json.dumps(options)],
        capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_limit_that_the_capacity_exceeds(name: str) -> None:
    says = deploy_check(name, {"CAPACITY": "256MB"}, limit=64 * MB)
    assert "forklore.W002" in says
    assert (
        "The cache 'default' cannot be made here: 256 MiB (268435456) is asked for, and the limit on the size of"
        in says
    )
    assert "has 64 MiB (67108864) left" in says
    assert "HINT: Raise it (ulimit -f, LimitFSIZE= of a systemd unit), or lower CAPACITY." in says
    assert "W002" not in deploy_check(name, {"CAPACITY": "32MB"}, limit=64 * MB)
    assert segment_files(name) == []


def can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    command = "mount -t tmpfs -o size=64m none /dev/shm"
    return subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="only root can mount a /dev/shm of its own")
def test_64_mb_of_shared_memory_as_docker_has_it(name: str) -> None:
    """The README's 256 MB. Django answers, and the log says why nothing is kept."""
    mounted = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64m none /dev/shm && exec "$@"', "sh"]
    says = deploy_check(name, {"CAPACITY": "256MB"}, *mounted)
    assert "here: 256 MiB (268435456) is asked for, and the file system of /dev/shm has 64 MiB (67108864) left." in says
    assert "docker run --shm-size=" in says
    script = f"""
import logging, sys
logging.basicConfig(format="%(name)s: %(message)s", stream=sys.stdout)
from django.conf import settings
settings.configure(CACHES={{"default": {{
    "BACKEND": "{BACKEND}", "LOCATION": "{name}", "OPTIONS": {{"CAPACITY": "256MB"}}}}}})
from django.core.cache import cache
for i in range(100):
    cache.set("k", "v")
    assert cache.get("k") is None
"""
    done = subprocess.run([*mounted, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, lines
    for line, logger in zip(
        lines, ("forklore: forklore: cannot open a cache", "forklore.django: LOCATION"), strict=True
    ):
        assert line.startswith(logger)
        assert "256 MiB (268435456) is asked for, and the file system of /dev/shm has 64 MiB" in line
        assert "docker run --shm-size=" in line


def test_what_is_there_needs_no_room(name: str) -> None:
    with configured(name, {"CAPACITY": "4MB"}):
        assert _core._need(0, {"name": name, "capacity": "4MB"})[1] == 4 * MB
        caches["default"].set("k", "v")
        for capacity, wanted in (("4MB", 0), (None, 0), ("8MB", 8 * MB)):  # a successor is made beside it
            path, bytes_, shortage = _core._need(0, {"name": name, "capacity": capacity})
            assert (path, bytes_, shortage) == (caches["default"].handle.path, wanted, None)
    assert _core._need(0, {"name": name + "-none"})[1] == 32 * MB  # the default
    assert _core._need(0, {"name": name, "place": "anonymous", "capacity": "4MB"})[:2] == ("", 4 * MB)


def test_aliases_are_added_up(name: str) -> None:
    """A limit that one fits and two do not; an alias at the same segment is counted once."""
    asked: list[int] = []

    def need(beside: int, arguments: dict[str, Any]) -> tuple[str, int, Any]:
        asked.append(beside)
        wrong = ("4 MiB is asked for, and the memory cgroup /x has 5 MiB left",)
        short = (wrong, ("raise its memory.max, or lower ", ("capacity", None))) if beside else None
        return f"/dev/shm/{arguments['name']}", 4 * MB, short

    more = {"same": {}, "other": {"LOCATION": name + "-other"}}
    with configured(name, more=more), mock.patch.object(_core, "_need", need):
        [warning] = check_room(None)
    assert asked == [0, 0, 0, 4 * MB, 0, 4 * MB]
    assert (warning.id, warning.obj, warning.level) == ("forklore.W002", "CACHES['other']", checks.WARNING)
    assert (
        warning.msg
        == "The cache 'other' cannot be made here: 4 MiB is asked for, and the memory cgroup /x has 5 MiB left."
    )
    assert warning.hint.startswith("Raise its memory.max, or lower CAPACITY. ")


def test_it_is_a_check_for_deployment_alone(name: str) -> None:
    with configured(name), mock.patch.object(_core, "_need", side_effect=AssertionError):
        assert checks.run_checks(tags=[checks.Tags.caches]) == []
    with configured(name, params={"LOCATION": "not a name"}):
        found = checks.run_checks(tags=[checks.Tags.caches], include_deployment_checks=True)
    assert [error.id for error in found] == ["forklore.E001"]


def test_a_line_when_opening_fails(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "not there" / "cache"
    for _ in range(3):
        with pytest.raises(forklore.OpenError) as raised:
            forklore.Cache(name, place="file", path=path)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("forklore", "WARNING")
    assert record.getMessage() == f"forklore: cannot open a cache: {raised.value}"
    with pytest.raises(forklore.OpenError):
        forklore.Cache.attach(name)  # whether there is one is a question, and not said
    assert len(caplog.records) == 1

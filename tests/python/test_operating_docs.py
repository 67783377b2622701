"""What docs/servers.md, containers.md and testing.md show, run."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core import checks
from django.core.cache.backends.base import InvalidCacheBackendError
from django.test.utils import override_settings

import forklore
from forklore.django import ForkloreCache

from . import django_site  # noqa: F401 - which configures Django
from .conftest import eventually

pytest_plugins = ["pytester"]
DOCS = Path(__file__).resolve().parents[2] / "docs"
README = DOCS.parent / "README.md"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def settings_of(block: str, argv: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        exec(block, found)
    return found["CACHES"]


def test_settings_pass_the_checks() -> None:
    shown = [block for page in ("servers.md", "testing.md") for block in blocks(page, "python") if "CACHES" in block]
    assert len(shown) == 3
    for block in shown:
        for argv in (["manage.py", "test"], ["manage.py", "runserver"]):
            caches = settings_of(block, argv)
            with override_settings(CACHES=caches):
                assert {found.id for found in checks.run_checks(tags=[checks.Tags.caches])} <= {"forklore.W001"}
    assert settings_of(shown[1], ["manage.py", "test"])["default"]["OPTIONS"]["PLACE"] == "anonymous"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        assert "locmem" in settings_of(shown[2], [])["default"]["BACKEND"]


def test_the_backup(tmp_path: Path) -> None:
    [block] = [block for block in blocks("servers.md", "python") if "COPY" in block]
    exec(block, {"PATH": str(tmp_path / "cache"), "COPY": str(tmp_path / "copy")})
    with forklore.Cache("used", place="file", path=tmp_path / "copy") as used:  # in use, on the same machine
        shutil.copy(tmp_path / "copy", tmp_path / "again")
        assert used.get("k") == "v"
    with forklore.Cache("again", place="file", path=tmp_path / "again") as again:
        assert (again.get("k"), again.verify()) == ("v", [])


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_the_fixtures(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    test, conftest = (block for block in blocks("testing.md", "python") if "def " in block)
    pytester.makeconftest(f"""from django.conf import settings
settings.configure(CACHES={{"default": {{"BACKEND": "forklore.django.ForkloreCache", "LOCATION": "shop"}}}})
{conftest}""")
    pytester.makepyfile(f"""{test}
import pytest
from django.core.cache import cache
@pytest.mark.parametrize("n", range(4))
def test_emptied(n):
    assert cache.get("k") is None
    cache.set("k", n)
""")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:django", *arguments, timeout=60)
    done.assert_outcomes(passed=5)


def test_containers() -> None:
    compose, pod = (yaml.safe_load(block) for block in blocks("containers.md", "yaml"))
    web, worker = compose["services"]["web"], compose["services"]["worker"]
    assert (web["ipc"], web["shm_size"]) == ("shareable", "512m")
    assert (worker["ipc"], worker["pid"], worker["user"]) == ("service:web", "service:web", web["user"])
    assert pod["spec"]["shareProcessNamespace"] is True
    assert pod["spec"]["volumes"][0]["emptyDir"]["medium"] == "Memory"
    for container in pod["spec"]["containers"]:
        assert container["volumeMounts"] == [{"name": "shm", "mountPath": "/dev/shm"}]
    [container] = blocks("testing.md", "json")
    assert json.loads(container)["runArgs"] == ["--shm-size=512m"]


def test_the_place_that_fork_alone_shares() -> None:
    """As the table of places has it; a misspelt one is refused with the three."""
    places = re.findall(r'^\| `"(\w+)"`', (DOCS / "servers.md").read_text(), re.MULTILINE)
    assert places == ["shm", "file", "anonymous"]
    for place in places:
        ForkloreCache("x", {"OPTIONS": {"PLACE": place, **({"PATH": "/x"} if place == "file" else {})}})._usual()
    with pytest.raises(InvalidCacheBackendError, match='must be "shm", "file" or "anonymous"'):
        ForkloreCache("x", {"OPTIONS": {"PLACE": "memory"}}).get("k")


def test_uvicorn_with_workers(name: str, tmp_path: Path) -> None:
    """Processes that uvicorn starts anew, and that share no memory by fork."""
    (tmp_path / "app.py").write_text(f"""
import os, forklore
cache = forklore.Cache({name!r}, "1MB")
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({{"type": "lifespan.startup.complete"}})
        return await send({{"type": "lifespan.shutdown.complete"}})
    cache.incr(f"of {{os.getpid()}}", initial=0)
    body = str(cache.incr("all", initial=0)).encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]}})
    await send({{"type": "http.response.body", "body": body}})
""")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--workers", "2", "--fd", str(listener.fileno()), "app:app"],
            cwd=tmp_path, pass_fds=[listener.fileno()],
        )  # fmt: skip
    try:
        answers: list[int] = []

        def both_have_answered() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                answers.append(int(answer.read()))
            with forklore.Cache.attach(name) as cache:
                return len(list(cache.keys("of "))) == 2

        eventually(both_have_answered, 60)
        assert answers == list(range(1, len(answers) + 1))
    finally:
        process.terminate()
        process.wait(20)


def test_pages_are_linked() -> None:
    for page in ("servers.md", "containers.md", "testing.md"):
        assert f"(docs/{page})" in README.read_text()
        assert f"({page}" in (DOCS / "django.md").read_text()

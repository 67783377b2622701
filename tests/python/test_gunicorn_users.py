"""gunicorn that is started as root, loads the site as root (--preload) and serves it as another user (-u, -g)."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import forklore

from .conftest import eventually, segment_files
from .test_gunicorn import WORKERS, Site

USER = "nobody"
UID = pwd.getpwnam(USER).pw_uid
GID = pwd.getpwnam(USER).pw_gid

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def visit_all(site: Site) -> None:
    """All kinds of views, at all workers; any answer but 200 fails."""
    _, cookie = site.ask_with_cookie("/visit")
    assert cookie is not None
    # Not /count, which adds and then increments: a worker may move between the two.
    for path in ("/put/k/text", "/page", "/ours", "/stats"):
        site.ask(path)
    site.ask_all("/get/k")
    for _ in range(8):
        site.ask("/visit", {"Cookie": cookie.split(";")[0]})


@pytest.fixture
def clean(name: str) -> Iterator[str]:
    yield name
    for path in segment_files(name):
        path.unlink()


@contextlib.contextmanager
def become(uid: int) -> Iterator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def start(name: str, directory: Path, **environment: str) -> Site:
    environment["TEST_WARM"] = "yes"  # the user may not be let read what would be imported later
    os.environ.update(environment)
    try:
        return Site(name, directory, "shm", "--preload", "-u", USER, "-g", str(GID),
                    "--capture-output")  # fmt: skip
    finally:
        for variable in environment:
            del os.environ[variable]


def owners(name: str) -> dict[str, int]:
    return {path.name.split("-")[1]: path.stat().st_uid for path in segment_files(name)}


def test_no_view_fails_after_a_removal(clean: str, tmp_path: Path) -> None:
    uid = str(UID)
    site = start(clean, tmp_path)
    try:
        site.ask_all("/stats")
        assert owners(clean) == {"0": 0}
        site.ask("/put/k/hello")
        assert site.agree("k", "hello")
        # It is said what will come of this, and how it is mended.
        said = f"is now user {uid}. Others of user"
        eventually(lambda: (site.ask_all("/stats"), site.log.read_text().count(said) == WORKERS)[1])
        assert f"give owner={uid} (Django: OWNER) also as user 0" in site.log.read_text()

        assert forklore.remove(clean) is True
        for _ in range(5):
            visit_all(site)
        eventually(lambda: (site.ask_all("/stats"), site.log.read_text().count("has moved to") == WORKERS)[1])
        assert owners(clean) == {uid: UID}  # the workers' own
        site.ask("/put/k/after")
        assert site.agree("k", "after")
        counts = sorted(site.ask("/count")["count"] for _ in range(20))
        assert counts == list(range(counts[0], counts[0] + 20))

        old = set(site.ask_all("/stats"))
        site.process.send_signal(signal.SIGHUP)
        eventually(lambda: not old & set(site.ask_all("/stats")), 60)
        eventually(lambda: (site.ask_all("/stats"), site.log.read_text().count("has moved to") == 2 * WORKERS)[1])
        for _ in range(5):
            visit_all(site)
        assert owners(clean) == {uid: UID}
        assert site.log.read_text().count(said) == WORKERS
        site.ask("/put/k/again")
        assert site.agree("k", "again")
        # Other processes of that user, a cron job say, are with them.
        with become(UID), forklore.Cache.attach(clean, serializer="none") as cache:
            assert cache.get(":1:count") == counts[-1]
    finally:
        site.stop()


def test_owner_says_so_from_the_beginning(clean: str, tmp_path: Path) -> None:
    """With OWNER, what root makes is the user's, also anew after a removal; nothing is to be said."""
    site = start(clean, tmp_path, TEST_OWNER=USER)
    try:
        site.ask_all("/stats")
        assert owners(clean) == {str(UID): UID}
        for path in segment_files(clean):
            path.unlink()
        for _ in range(3):
            visit_all(site)
        eventually(lambda: (site.ask_all("/stats"), owners(clean) == {str(UID): UID})[1])
        visit_all(site)
        assert "is now user" not in site.log.read_text()
    finally:
        site.stop()


def test_where_no_segment_can_be_made(clean: str, tmp_path: Path) -> None:
    """The name that the workers would take is taken: what reads or sets is answered all the same, and it is logged."""
    site = start(clean, tmp_path)
    try:
        site.ask_all("/stats")
        [path] = segment_files(clean)
        own = path.with_name(path.name.replace("forklore-0-", f"forklore-{UID}-"))
        own.mkdir()
        try:
            assert forklore.remove(clean) is True
            lost = "until it can open it again"
            eventually(lambda: (site.ask_all("/get/warm"), site.log.read_text().count(lost) == WORKERS)[1])
            for _ in range(3):
                for view in ("/put/k/text", "/get/k", "/page", "/ours", "/stats"):
                    site.ask(view)
            assert "Reads miss and writes are not stored meanwhile" in site.log.read_text()
        finally:
            own.rmdir()
        eventually(lambda: (site.ask_all("/get/k"), owners(clean) == {str(UID): UID})[1], 60)
    finally:
        site.stop()

"""The backend while no segment can be had, or it cannot be written: what misses, what is dropped, what is raised."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.views.decorators.cache import cache_page as django_cache_page

import forklore
from forklore.django import ForkloreCache, cache_page, handles

from .conftest import eventually
from .django_site import configured


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A file that cannot be made, until its directory is."""
    return tmp_path / "not yet there" / "cache"


@pytest.fixture
def absent(name: str, nowhere: Path) -> Iterator[ForkloreCache]:
    with configured(name, {"PLACE": "file", "PATH": str(nowhere)}):
        yield caches["default"]


@pytest.fixture
def lost(name: str) -> Iterator[ForkloreCache]:
    """One whose segment was removed, and which cannot make it anew."""
    with configured(name):
        cache = caches["default"]
        cache.set("k", "v")
        path = Path(cache.handle.path)
        path.unlink()
        path.mkdir()
        try:
            eventually(lambda: cache.get("k") is None)
            yield cache
        finally:
            path.rmdir()


@pytest.fixture(params=["absent", "lost"])
def cache(request: pytest.FixtureRequest) -> ForkloreCache:
    return request.getfixturevalue(request.param)


ERRORS = (forklore.OpenError, forklore.ReadOnly)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "forklore.django"]


def test_reads_miss_and_sets_are_dropped(cache: ForkloreCache, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.get("k") is None
    assert cache.get("k", 5) == 5
    assert cache.get_many(["k", "l"]) == {}
    assert not cache.has_key("k")
    assert "k" not in cache
    assert cache.set("k", 1) is None
    assert cache.touch("k") is False
    assert cache.set_many({"k": 1, "l": 2}) == ["k", "l"]
    assert cache.failed_sets == 3
    [line] = lines(caplog)  # once a minute, whatever the number
    assert f"LOCATION {cache._arguments['name']!r}" in line
    assert "Reads miss and writes are not stored meanwhile" in line


def test_what_follows_a_miss_is_answered(cache: ForkloreCache) -> None:
    assert cache.get_or_set("k", lambda: "computed", 60) == "computed"
    assert cache.get_or_set("k", "plain", 60) == "plain"
    assert cache.get_or_set("k", lambda: forklore.Kept("kept", 5)) == "kept"

    async def compute() -> str:
        return "async"

    assert asyncio.run(cache.aget_or_set("k", compute, 60)) == "async"
    assert asyncio.run(cache.aget_or_set("k", lambda: "called", 60)) == "called"
    assert asyncio.run(cache.aget("k", "missed")) == "missed"

    @forklore.memoize(ttl=60)
    def double(x: int) -> int:
        return 2 * x

    @forklore.memoize(ttl=60)
    async def adouble(x: int) -> int:
        return 2 * x

    assert [double(4), double(4), asyncio.run(adouble(4))] == [8, 8, 8]


@pytest.mark.parametrize("decorator", [cache_page, django_cache_page])
def test_pages_and_fragments(cache: ForkloreCache, decorator: Callable[[float], Any]) -> None:
    calls: list[int] = []

    @decorator(60)
    def view(request: HttpRequest) -> HttpResponse:
        calls.append(1)
        return HttpResponse(f"page {len(calls)}")

    assert [view(RequestFactory().get("/a")).content for _ in range(3)] == [b"page 1", b"page 2", b"page 3"]
    template = Template("{% load cache %}{% cache 60 part %}x{% endcache %}")
    assert template.render(Context()) == "x"


def test_cached_db_sessions(cache: ForkloreCache) -> None:
    from django.contrib.sessions.backends.cached_db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    session = SessionStore()
    session["user"] = 5
    session.save(must_create=True)
    assert SessionStore(session.session_key)["user"] == 5
    again = SessionStore(session.session_key)
    again["more"] = 1
    again.save()
    assert SessionStore(session.session_key)["more"] == 1


def test_throttles_let_through(cache: ForkloreCache) -> None:
    from forklore.django.throttling import ForkloreRateThrottle

    class Throttle(ForkloreRateThrottle):
        rate = "1/day"

        def get_cache_key(self, request: Any, view: Any) -> str:
            return "key"

    throttle = Throttle()
    assert throttle.allow_request(None, None)
    assert throttle.wait() is None


def test_what_looks_finds_nothing(cache: ForkloreCache) -> None:
    assert cache.ttl("k") == cache.pttl("k") == 0
    assert cache.keys() == list(cache.iter_keys("*")) == []
    assert cache.get_with_version("k", 5) == (5, None)
    assert cache.mget(["k", "l"]) == [None, None]
    assert cache.expire("k", 5) is cache.pexpire_at("k", 5) is cache.persist("k") is cache.mset({"k": 1}) is False


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.add("k", 1),
        lambda cache: cache.incr("k"),
        lambda cache: cache.decr("k"),
        lambda cache: cache.delete("k"),
        lambda cache: cache.delete_many(["k"]),
        lambda cache: cache.delete_pattern("*"),
        lambda cache: cache.cas("k", 1, 1),
        lambda cache: cache.set("k", 1, nx=True),
        lambda cache: cache.set("k", 1, xx=True),
        lambda cache: cache.incr("k", initial=0),
        lambda cache: cache.clear(),
        lambda cache: cache.lock("l").acquire(0),
        lambda cache: cache.rate_limit("r", 1, 1),
        lambda cache: cache.count_in_window("w", 60),
    ],
)
def test_what_others_rely_on_is_raised(cache: ForkloreCache, call: Callable[[ForkloreCache], Any]) -> None:
    with pytest.raises(ERRORS):
        call(cache)


def test_the_errors_of_a_default_are_its_own(name: str, absent: ForkloreCache, tmp_path: Path) -> None:
    def default() -> None:
        forklore.Cache.attach("pytest-of-nobody")

    with pytest.raises(forklore.OpenError, match="pytest-of-nobody"):
        absent.get_or_set("k", default)
    with configured(name), pytest.raises(forklore.OpenError, match="pytest-of-nobody"):
        caches["default"].get_or_set("k", default)


def test_it_is_tried_again(absent: ForkloreCache, nowhere: Path) -> None:
    """After a second, by the clock that freezegun and time-machine leave alone."""
    opened = mock.Mock(side_effect=forklore.Cache)
    with mock.patch("forklore.handles.Cache", opened):
        for _ in range(1000):
            absent.get("k")
        assert 1 <= opened.call_count <= 20
    nowhere.parent.mkdir()
    with pytest.raises(forklore.OpenError, match="there is no directory"):
        raise absent._shared._opened._error or AssertionError
    eventually(lambda: (absent.set("k", 1), absent.get("k") == 1)[1])
    forklore.remove(str(nowhere), place="file")


def test_it_is_said_once_a_minute(absent: ForkloreCache, caplog: pytest.LogCaptureFixture) -> None:
    now = [time.monotonic()]
    with mock.patch.object(handles.clock, "now", lambda: now[0]):
        for _ in range(130):
            absent.get("k")
            now[0] += 1
    assert [line.rpartition("line: ")[2] for line in lines(caplog)] == ["1)", "60)", "60)"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert "there is no directory" in lines(caplog)[0]


def test_two_users(name: str) -> None:
    """A name that another user has is said to be so."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    forklore.Cache(name, "1MB").close()
    with pytest.raises(forklore.OpenError, match="user 0 has one of this name, which is another"):
        forklore.Cache.attach(name, owner=33)

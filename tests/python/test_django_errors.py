"""What each call of the backend answers to an error: every cell of the table in docs/django.md, "When the cache cannot
be had", for both settings of ON_ERROR."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.views.decorators.cache import cache_page as django_cache_page

import forklore
from forklore.django import ForkloreCache, cache_page, handles

from .conftest import eventually
from .django_site import configured

Call = Callable[[ForkloreCache], Any]
WHERE = ("absent", "lost", "busy")
ERRORS = (forklore.OpenError, forklore.ReadOnly, forklore.Busy)


@pytest.fixture(params=["log", "raise"])
def on_error(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def absent(name: str, tmp_path: Path, on_error: str, more: dict[str, Any]) -> Iterator[ForkloreCache]:
    """No segment can be had."""
    place = {"PLACE": "file", "PATH": str(tmp_path / "not there" / "cache")}
    with configured(name, {**place, "ON_ERROR": on_error, **more}):
        yield caches["default"]


@pytest.fixture
def lost(name: str, on_error: str, more: dict[str, Any]) -> Iterator[ForkloreCache]:
    """The segment was removed, and cannot be made anew."""
    with configured(name, {"ON_ERROR": on_error, **more}):
        cache = caches["default"]
        cache.set("there", "v")
        path = Path(cache.handle.path)
        path.unlink()
        path.mkdir()
        try:
            eventually(lambda: cache.get("there") is None)
            cache._shared.failed_calls = 0
            cache._shared._said.clear()
            yield cache
        finally:
            path.rmdir()


@pytest.fixture
def busy(name: str, on_error: str, more: dict[str, Any], fork: Any) -> Iterator[ForkloreCache]:
    """A process is stopped inside the one stripe's lock."""
    options = {"CAPACITY": "8MB", "STRIPES": 1, "LOCK_TIMEOUT": 0.02, "ON_ERROR": on_error, **more}
    with configured(name, options):
        cache = caches["default"]
        cache.set("there", "v")

        def write() -> None:
            while True:
                cache.handle.set("big", b"x" * 1_000_000)

        child = fork(write)
        try:
            eventually(lambda: stopped_in_the_lock(child.pid, cache.handle))
            yield cache
        finally:
            os.kill(child.pid, signal.SIGCONT)
            child.kill()
            child.wait()


def stopped_in_the_lock(pid: int, handle: forklore.Cache) -> bool:
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    try:
        handle.delete("nothing")
    except forklore.Busy:
        return True
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.002)
    return False


@pytest.fixture
def more() -> dict[str, Any]:
    return {}


@pytest.fixture(params=WHERE)
def cache(request: pytest.FixtureRequest, on_error: str, more: dict[str, Any]) -> ForkloreCache:
    """For each setting of ON_ERROR."""
    return request.getfixturevalue(request.param)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "forklore.django"]


# get, get_many, has_key: a miss


READS: dict[str, tuple[Call, Any]] = {
    "get": (lambda cache: cache.get("k", "missed"), "missed"),
    "aget": (lambda cache: asyncio.run(cache.aget("k", "missed")), "missed"),
    "get_many": (lambda cache: cache.get_many(["k", "l"]), {}),
    "aget_many": (lambda cache: asyncio.run(cache.aget_many(["k", "l"])), {}),
    "has_key": (lambda cache: cache.has_key("k"), False),
    "ttl": (lambda cache: cache.ttl("k"), 0),
    "get_with_version": (lambda cache: cache.get_with_version("k", "missed"), ("missed", None)),
    "in": (lambda cache: "k" in cache, False),
}


@pytest.mark.parametrize("read", READS)
def test_reads_miss(cache: ForkloreCache, read: str, caplog: pytest.LogCaptureFixture) -> None:
    call, answer = READS[read]
    before = cache.failed_calls
    assert call(cache) == call(cache) == answer
    # Where there was a segment a read is a plain miss, which takes no lock; that it is lost is the library's to say.
    assert cache.failed_calls == before + (0 if cache._shared.is_open() else 2)
    assert len(lines(caplog)) == (0 if cache._shared.is_open() else 1)


@pytest.mark.parametrize("read", READS)
def test_reads_miss_by_busy(name: str, on_error: str, read: str, caplog: pytest.LogCaptureFixture) -> None:
    """Which no read raises today: it takes no lock."""
    if read in ("ttl", "get_with_version"):
        pytest.skip("they have no native half of their own")
    with configured(name, {"ON_ERROR": on_error}):
        cache = caches["default"]
        patches = [mock.patch.object(cache, native, side_effect=forklore.Busy("held"))
                   for native in ("_get", "_get_many", "_has_key")]  # fmt: skip
        call, answer = READS[read]
        for patch in patches:
            patch.start()
        try:
            assert call(cache) == answer
        finally:
            for patch in patches:
                patch.stop()
        assert cache.failed_calls == 1
        assert len(lines(caplog)) == 1


# set, set_many, touch by the program: dropped, or raised


WRITES: dict[str, tuple[Call, Any]] = {
    "set": (lambda cache: cache.set("k", 1), None),
    "aset": (lambda cache: asyncio.run(cache.aset("k", 1)), None),
    "set_many": (lambda cache: cache.set_many({"k": 1, "l": 2}), ["k", "l"]),
    "aset_many": (lambda cache: asyncio.run(cache.aset_many({"k": 1, "l": 2})), ["k", "l"]),
    "touch": (lambda cache: cache.touch("there"), False),
    "atouch": (lambda cache: asyncio.run(cache.atouch("there")), False),
    "expire": (lambda cache: cache.expire("there", 5), False),
    "persist": (lambda cache: cache.persist("there"), False),
}


@pytest.mark.parametrize("more", [{}, {"TTL_JITTER": 10}], ids=["", "jitter"])
@pytest.mark.parametrize("write", WRITES)
def test_writes_are_dropped_or_raised(
    cache: ForkloreCache, on_error: str, write: str, more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    call, answer = WRITES[write]
    before = cache.failed_sets
    if on_error == "raise":
        with pytest.raises(ERRORS):
            call(cache)
        assert cache.failed_sets == before
        assert lines(caplog) == []
        return
    for _ in range(2):
        assert call(cache) == answer
    assert cache.failed_sets == before + {"set_many": 4, "touch": 0, "expire": 0, "persist": 0}.get(
        write.removeprefix("a"), 2
    )
    assert cache.failed_calls >= 2
    [line] = lines(caplog)
    assert "Reads miss and writes are not stored meanwhile" in line


# What follows a miss: answered


def page_of(decorator: Any) -> Call:
    def ask(cache: ForkloreCache) -> Any:
        @decorator(60)
        def view(request: HttpRequest) -> HttpResponse:
            return HttpResponse("computed")

        return view(RequestFactory().get("/a")).content.decode()

    return ask


def async_page(cache: ForkloreCache) -> Any:
    @cache_page(60)
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("computed")

    return asyncio.run(view(RequestFactory().get("/a"))).content.decode()


def fragment(cache: ForkloreCache) -> Any:
    return Template("{% load cache %}{% cache 60 part %}computed{% endcache %}").render(Context())


def memoized(cache: ForkloreCache) -> Any:
    return forklore.memoize(60, name="memoized")(lambda: "computed")()


async def computed() -> str:
    return "computed"


def session(cache: ForkloreCache) -> Any:
    """Which is read from the database and put into the cache."""
    from django.contrib.sessions.backends.cached_db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    saved = SessionStore()
    saved["user"] = "computed"
    saved.save(must_create=True)
    return SessionStore(saved.session_key)["user"]


AFTER_A_MISS: dict[str, Call] = {
    "get_or_set": lambda cache: cache.get_or_set("k", lambda: "computed"),
    "get_or_set of a value": lambda cache: cache.get_or_set("k", "computed"),
    "aget_or_set": lambda cache: asyncio.run(cache.aget_or_set("k", computed)),
    "aget_or_set of a value": lambda cache: asyncio.run(cache.aget_or_set("k", "computed")),
    "memoize": memoized,
    "cache_page": page_of(cache_page),
    "cache_page of a coroutine": async_page,
    "Django's cache_page": page_of(django_cache_page),
    "fragment": fragment,
    "cached_db": session,
}


@pytest.mark.parametrize("call", AFTER_A_MISS)
def test_what_follows_a_miss_is_answered(cache: ForkloreCache, call: str, caplog: pytest.LogCaptureFixture) -> None:
    assert AFTER_A_MISS[call](cache) == "computed"
    assert len(lines(caplog)) == 1
    assert cache.failed_calls >= 1


def test_a_subclass_and_a_wrapper_are_seen_through(
    name: str, tmp_path: Path, on_error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ForkloreCache.set
    monkeypatch.setattr(ForkloreCache, "set", lambda self, *given, **named: usual(self, *given, **named))
    place = {"PLACE": "file", "PATH": str(tmp_path / "not there" / "cache")}
    with configured(name, {**place, "ON_ERROR": on_error}):
        assert fragment(caches["default"]) == "computed"
        assert page_of(django_cache_page)(caches["default"]) == "computed"
        if on_error == "raise":
            with pytest.raises(forklore.OpenError):
                caches["default"].set("k", 1)


# delete, delete_many, clear; add, incr, cas, lock: raised


RELIED_ON: dict[str, Call] = {
    "delete": lambda cache: cache.delete("there"),
    "delete_many": lambda cache: cache.delete_many(["there"]),
    "clear": lambda cache: cache.clear(),
    "add": lambda cache: cache.add("k", 1),
    "incr": lambda cache: cache.incr("there"),
    "decr": lambda cache: cache.decr("there"),
    "cas": lambda cache: cache.handle.cas(":1:there", 1, 1),
    "lock": lambda cache: cache.lock("l", wait=0).__enter__(),
    "rate_limit": lambda cache: cache.rate_limit("r", 1, 1),
    "cas of the backend": lambda cache: cache.cas("there", 1, 1),
    "count_in_window": lambda cache: cache.count_in_window("w", 60),
    "aadd": lambda cache: asyncio.run(cache.aadd("k", 1)),
    "adelete": lambda cache: asyncio.run(cache.adelete("there")),
}


@pytest.mark.parametrize("call", RELIED_ON)
def test_what_others_rely_on_is_raised(cache: ForkloreCache, call: str) -> None:
    with pytest.raises(ERRORS):
        RELIED_ON[call](cache)


def test_a_busy_lock_that_nobody_holds_says_why(busy: ForkloreCache) -> None:
    with pytest.raises(forklore.Busy, match="LOCK_TIMEOUT"):
        busy.lock("l", wait=0).__enter__()


# Throttles: allow, or deny


@pytest.mark.parametrize("more", [{}, {"THROTTLE_WHEN_DOWN": "allow"}, {"THROTTLE_WHEN_DOWN": "deny"}],
                         ids=["default", "allow", "deny"])  # fmt: skip
def test_throttles(cache: ForkloreCache, more: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("rest_framework")
    from forklore.django.throttling import ForkloreRateThrottle

    class Throttle(ForkloreRateThrottle):
        rate = "1/day"

        def get_cache_key(self, request: Any, view: Any) -> str:
            return "key"

    throttle = Throttle()
    assert throttle.allow_request(None, None) is (more.get("THROTTLE_WHEN_DOWN") != "deny")
    assert throttle.wait() is None
    assert cache.failed_calls == 1
    assert len(lines(caplog)) == 1


# The log, and the settings


def test_it_is_said_once_a_minute(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with configured(name, {"PLACE": "file", "PATH": str(tmp_path / "not there" / "cache")}):
        cache, now = caches["default"], [time.monotonic()]
        with mock.patch.object(handles.clock, "now", lambda: now[0]):
            for _ in range(65):
                cache.get("k")
                cache.set("k", 1)
                now[0] += 1
    assert [line.rpartition("line: ")[2] for line in lines(caplog)] == ["1)", "120)"]
    assert cache.failed_calls == 130


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("ON_ERROR", '"log" or "raise"'),
        ("ON_UNREADABLE", '"miss" or "raise"'),
        ("THROTTLE_WHEN_DOWN", '"allow" or "deny"'),
    ],
)
@pytest.mark.parametrize("value", ["loud", True, None, ["log"]])
def test_wrong_words_are_refused(name: str, option: str, words: str, value: Any) -> None:
    with (
        configured(name, {option: value}),
        pytest.raises(InvalidCacheBackendError, match=f"{option} must be {words}, not"),
    ):
        caches["default"].get("k")

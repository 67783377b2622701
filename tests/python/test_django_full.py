"""A full segment with WHEN_FULL="reject": what is there stays, whatever set is asked for; and so do sessions."""

from __future__ import annotations

import logging
import types
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

import forklore
from forklore.django import ForkloreCache

from .django_site import configured

FULL = {"CAPACITY": "256KB", "WHEN_FULL": "reject"}


def login(request: HttpRequest) -> HttpResponse:
    request.session["user"] = "ada"
    return HttpResponse()


def visit(request: HttpRequest) -> HttpResponse:
    """Saves the session: the number has as many digits from visit to visit."""
    request.session["visits"] = request.session.get("visits", 100_000) + 1
    return HttpResponse(f"{request.session.get('user')} {request.session['visits']}")


def grow(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = "x" * 3000
    return HttpResponse()


urls = types.ModuleType("urls")
urls.urlpatterns = [path("login", login), path("visit", visit), path("grow", grow)]  # type: ignore[attr-defined]


@pytest.fixture
def backend(name: str) -> Iterator[ForkloreCache]:
    with configured(name, FULL):
        yield caches["default"]


def fill(backend: ForkloreCache) -> None:
    """With values of all sizes, until not even the smallest finds room."""
    for size in (3000, 300, 8):
        refused = number = 0
        while refused < 100:
            try:
                backend.handle.add(f"fill-{size}-{number}", b"x" * size)
            except forklore.Full:
                refused += 1
            number += 1


@pytest.mark.parametrize("engine", ["cache", "cached_db"])
def test_saving_a_session_logs_nobody_out(name: str, engine: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = f"django.contrib.sessions.backends.{engine}"
    middleware = ["django.contrib.sessions.middleware.SessionMiddleware"]
    with configured(name, FULL, MIDDLEWARE=middleware, ROOT_URLCONF=urls, SESSION_ENGINE=engine):
        if engine.endswith("cached_db"):
            from django.core.management import call_command

            call_command("migrate", "sessions", verbosity=0)
        client = Client()
        client.get("/login")
        assert client.get("/visit").content == b"ada 100001"
        fill(caches["default"])
        caplog.clear()
        for number in range(100_002, 101_000):
            assert client.get("/visit").content == f"ada {number}".encode()
        assert caplog.records == []  # every one of these was stored
        client.get("/grow")
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert client.get("/visit").content == b"ada 101000"  # what was there before still is


def test_overwriting_by_as_much_never_fails(backend: ForkloreCache) -> None:
    sizes = {f"mine-{size}": size for size in (1, 100, 1000, 4000, 8000)}
    for key, size in sizes.items():
        backend.set(key, b"a" * size, None)
    backend.set("count", 1, None)
    fill(backend)
    for letter, less in ((b"b", 0), (b"c", 0), (b"d", 1), (b"e", 500)):  # each by as much as the one before, or less
        for key, size in sizes.items():
            backend.set(key, letter * max(size - less, 0), 1000)
            assert backend.get(key) == letter * max(size - less, 0)
    assert backend.set_many({key: b"f" * max(size - 500, 0) for key, size in sizes.items()}) == []
    assert backend.incr("count") == 2
    assert backend.touch("count", 10)
    assert backend.failed_sets == 0
    assert all(backend.delete(key) for key in sizes)


def test_what_finds_no_room_leaves_the_old_value(
    backend: ForkloreCache, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.set("k", "old", None)
    fill(backend)
    caplog.clear()
    before = backend.failed_sets
    refused = backend.handle.stats().refused
    for _ in range(3):
        assert backend.set("k", "x" * 4000) is None
    assert backend.get("k") == "old"
    assert backend.set_many({"k": "y" * 4000, "new": "y" * 4000}) == ["k", "new"]
    assert backend.get_many(["k", "new"]) == {"k": "old"}
    assert backend.failed_sets == before + 5
    assert backend.handle.stats().refused >= refused + 5
    # Said once, with what to do; and again a minute later, with how many it was.
    [record] = caplog.records
    assert (record.name, record.levelno) == ("forklore.django", logging.ERROR)
    said = record.getMessage()
    assert repr(backend._arguments["name"]) in said and "':1:k'" in said and "CAPACITY" in said
    monkeypatch.setattr("forklore.django.handles.SAY_EVERY", 0)
    backend.set("k", "x" * 4000)
    assert "5 not stored since this was last said" in caplog.records[-1].getMessage()


def test_what_is_too_large_leaves_the_old_value(backend: ForkloreCache) -> None:
    most: Any = backend.handle.stats().max_value_bytes
    backend.set("k", "old")
    assert backend.set("k", "x" * (most + 1)) is None
    assert backend.get("k") == "old"
    assert backend.set_many({"k": "x" * (most + 1)}) == ["k"]
    assert backend.get("k") == "old"

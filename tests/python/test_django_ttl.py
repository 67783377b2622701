"""TTL_JITTER: what is stored together does not expire together."""

from __future__ import annotations

import asyncio
import datetime
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.checks import run_checks

import forklore

from .django_site import configured

Fork = Callable[[Callable[[], object]], Any]
MANY = 400


def times_to_live(prefix: str = "") -> list[float | None]:
    handle = caches["default"].handle
    return [handle.ttl(key) for key in handle.keys(f":1:{prefix}")]


STORES: dict[str, Callable[[Any], object]] = {
    "set": lambda cache: [cache.set(str(i), i, 1000) for i in range(MANY)],
    "default": lambda cache: [cache.set(str(i), i) for i in range(MANY)],
    "add": lambda cache: [cache.add(str(i), i, 1000) for i in range(MANY)],
    "aset": lambda cache: [asyncio.run(cache.aset(str(i), i, 1000)) for i in range(MANY)],
    "set_many": lambda cache: cache.set_many({str(i): i for i in range(MANY)}, 1000),
    "get_or_set": lambda cache: [cache.get_or_set(str(i), lambda: 1, 1000) for i in range(MANY)],
    "touch": lambda cache: [cache.set(str(i), i, 5) or cache.touch(str(i), 1000) for i in range(MANY)],
    "timedelta": lambda cache: [cache.set(str(i), i, datetime.timedelta(seconds=1000)) for i in range(MANY)],
}


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
def test_spread_evenly_within_the_bounds(name: str, store: Callable[[Any], object]) -> None:
    with configured(name, {"TTL_JITTER": 20}, {"TIMEOUT": 1000}):
        begin = time.monotonic()
        store(caches["default"])
        left = times_to_live()
        gone = time.monotonic() - begin
        assert len(left) == MANY
        assert all(799 - gone < each <= 1200 for each in left)
        # Even over 800 to 1200: the mean of 400 strays 5.8 from 1000, their deviation is 115.
        assert 970 < statistics.mean(left) < 1030
        assert 100 < statistics.stdev(left) < 130


def test_for_ever_and_at_once_stay_as_they_are(name: str) -> None:
    with configured(name, {"TTL_JITTER": 20}):
        cache = caches["default"]
        cache.set("for ever", 1, None)
        assert times_to_live() == [None]
        cache.set("at once", 1, 0)
        cache.set("before", 1, -1)
        assert cache.get_many(["at once", "before"]) == {}
        assert cache.touch("for ever", 0)
        assert cache.get("for ever") is None


def test_the_default_may_be_changed(name: str) -> None:
    with configured(name):
        cache = caches["default"]
        for timeout, seconds in ((1000, 1000), (datetime.timedelta(seconds=50), 50)):
            cache.default_timeout = timeout
            cache.set("a", 1)
            cache.add("b", 1)
            cache.get_or_set("c", lambda: 1)
            cache.set("d", 1, 5)
            cache.touch("d")
            assert [seconds - 20 < left <= seconds for left in times_to_live()] == [True] * 4
            cache.clear()
        cache.default_timeout = None
        cache.set("a", 1)
        assert times_to_live() == [None]


def test_without_it_nothing_is_spread(name: str) -> None:
    with configured(name):
        caches["default"].set_many({str(i): i for i in range(20)}, 1000)
        assert all(980 < each <= 1000 for each in times_to_live())


def test_workers_draw_lots_of_their_own(name: str, fork: Fork) -> None:
    with configured(name, {"TTL_JITTER": 50}):
        cache = caches["default"]
        cache.set("opened", 1, None)
        for worker in ("a", "b"):
            work = lambda worker=worker: cache.set_many({f"{worker}{i}": i for i in range(5)}, 1000)  # noqa: E731
            assert fork(work).wait() == 0
        handle = cache.handle
        assert all(abs(handle.ttl(f":1:a{i}") - handle.ttl(f":1:b{i}")) < 0.5 for i in range(5)) is False


@pytest.mark.parametrize("option", [{"TTL_JITTER": value} for value in (-1, 91, "10", True, None, float("nan"))]
                         + [{"STALE_FOR": value} for value in (-1, "10", True, float("nan"))])  # fmt: skip
def test_wrong_values_are_refused(name: str, option: dict[str, Any]) -> None:
    with configured(name, option):
        [word] = option
        [error] = run_checks(tags=["caches"])
        assert error.id == "forklore.E001"
        assert f"{word} must be" in error.msg
        # The backend itself is made by those very checks, so it may complain no sooner than at a call.
        with pytest.raises(InvalidCacheBackendError, match=f"{word} must be"):
            caches["default"].set("k", 1)
    assert forklore.remove(name) is False


@pytest.mark.parametrize("option", ["STALE_FOR", "ERROR_TTL", "COMPUTE_TIMEOUT"])
def test_a_time_of_zero_is_none(name: str, option: str) -> None:
    with configured(name, {option: 0}):
        assert run_checks(tags=["caches"]) == []
        assert caches["default"].get_or_set("k", lambda: 1) == 1

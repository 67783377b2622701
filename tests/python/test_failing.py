"""Computing that fails or takes long: stale_if_error, error_ttl, compute_timeout. From a thread, a coroutine, memoize
and Django, over processes; under gevent in test_gevent.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError

import forklore

from .conftest import eventually
from .django_site import configured

Fork = Callable[[Callable[[], object]], Any]
Compute = Callable[[], Any]
Ask = Callable[..., Any]


class DownError(Exception):
    pass


def down() -> Any:
    raise DownError("the source is down")


def never() -> Any:
    raise AssertionError("nobody is to compute")


async def adown() -> Any:
    down()


def twin(fn: Compute) -> Callable[[], Any]:
    async def coroutine() -> Any:
        return fn()

    return coroutine


def plain(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return cache.get_or_compute("k", fn, ttl, **how)


def task(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return asyncio.run(cache.aget_or_compute("k", twin(fn), ttl, **how))


def thread_of_task(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return asyncio.run(cache.aget_or_compute("k", fn, ttl, **how))


def memoized(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return forklore.memoize(ttl, cache=cache, name="k", **how)(lambda: fn())()


def amemoized(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    async def coroutine() -> Any:
        return fn()

    return asyncio.run(forklore.memoize(ttl, cache=cache, name="k", **how)(coroutine)())


def django(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return caches["default"].get_or_set("k", fn, ttl, **how)


def adjango(cache: forklore.Cache, fn: Compute, ttl: float = 60, **how: Any) -> Any:
    return asyncio.run(caches["default"].aget_or_set("k", twin(fn), ttl, **how))


WAYS = [plain, task, thread_of_task, memoized, amemoized, django, adjango]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def ask(request: pytest.FixtureRequest, name: str) -> Iterator[Ask]:
    with configured(name, {"CAPACITY": "4MB"}):
        yield request.param


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("forklore")]


# stale_if_error


def test_the_old_value_where_fn_raises(cache: forklore.Cache, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(cache, lambda: "old", 0.05, stale_for=60) == "old"
    time.sleep(0.06)
    for _ in range(3):
        assert ask(cache, down, stale_for=60) == "old"
    [line] = warnings(caplog)  # once a minute
    assert "failed, and the old value is served: DownError: the source is down" in line
    assert caplog.records[0].exc_info is not None  # with the traceback
    with pytest.raises(DownError):
        ask(cache, down, stale_for=60, stale_if_error=False)
    assert ask(cache, lambda: "new", stale_for=60) == "new"
    assert cache.stats().leases_held == 0


def test_without_an_old_value_it_raises(cache: forklore.Cache, ask: Ask) -> None:
    for _ in range(2):  # the second computes too
        with pytest.raises(DownError):
            ask(cache, down, stale_for=60)
    assert ask(cache, lambda: "value", stale_for=60) == "value"


def test_what_is_no_exception_passes(cache: forklore.Cache, ask: Ask) -> None:
    if ask in (task, thread_of_task, amemoized, adjango):
        pytest.skip("asyncio has its own way with it")

    def interrupt() -> Any:
        raise KeyboardInterrupt

    assert ask(cache, lambda: "old", 0.05, stale_for=60) == "old"
    time.sleep(0.06)
    with pytest.raises(KeyboardInterrupt):
        ask(cache, interrupt, stale_for=60, error_ttl=60)
    assert ask(cache, lambda: "new", stale_for=60) == "new"


def test_a_fresh_value_whose_early_refresh_fails(cache: forklore.Cache) -> None:
    how: dict[str, Any] = {"early": 1000, "error_ttl": 60}
    assert cache.get_or_compute("k", lambda: time.sleep(0.05) or "value", 5, **how) == "value"
    raised = []

    def fail() -> None:
        raised.append(1)
        down()

    for _ in range(50):
        assert cache.get_or_compute("k", fail, 5, **how) == "value"
    assert len(raised) == 1


# error_ttl


def test_a_failure_is_remembered_while_there_is_an_old_value(
    cache: forklore.Cache, ask: Ask, fork: Fork, caplog: pytest.LogCaptureFixture
) -> None:
    how: dict[str, Any] = {"stale_for": 60, "error_ttl": 30}
    assert ask(cache, lambda: "old", 0.05, **how) == "old"
    time.sleep(0.06)
    assert ask(cache, down, **how) == "old"

    def served() -> None:
        assert ask(cache, never, **how) == "old"
        assert warnings(caplog) == before

    before = warnings(caplog)
    served()
    child = fork(served)
    assert child.wait() == 0
    cache.delete(b"k")
    for key in list(cache.keys()):
        cache.delete(key)


def test_a_failure_is_remembered_where_there_is_none(cache: forklore.Cache, ask: Ask, fork: Fork) -> None:
    with pytest.raises(DownError):
        ask(cache, down, error_ttl=30)

    def told() -> None:
        begun = time.monotonic()
        for how in ({"error_ttl": 30}, {}):
            with pytest.raises(forklore.ComputeFailed, match="DownError: the source is down") as caught:
                ask(cache, never, **how)
            assert caught.value.error == "DownError: the source is down"
            assert "k" in repr(caught.value.key)
            assert "failed a moment ago, and is not tried again yet" in str(caught.value)
            assert isinstance(caught.value, forklore.Error)
        assert time.monotonic() - begun < 5  # nobody waits

    told()
    assert fork(told).wait() == 0
    assert list(cache.keys()) == []
    assert cache.stats().leases_held == 0


def test_it_is_tried_again_after_error_ttl(cache: forklore.Cache, ask: Ask) -> None:
    with pytest.raises(DownError):
        ask(cache, down, error_ttl=0.05)
    time.sleep(0.06)
    assert ask(cache, lambda: "old", 0.05, stale_for=60) == "old"
    time.sleep(0.06)
    assert ask(cache, down, stale_for=60, error_ttl=0.05) == "old"
    time.sleep(0.06)
    assert ask(cache, lambda: "new", stale_for=60) == "new"


@pytest.mark.parametrize("write", ["set", "delete", "clear", "add", "incr"])
def test_a_write_ends_it(cache: forklore.Cache, write: str) -> None:
    with pytest.raises(DownError):
        cache.get_or_compute("k", down, error_ttl=30)
    assert "k" not in cache
    assert cache.get("k") is None
    with pytest.raises(KeyError):
        cache.ttl("k")
    calls: dict[str, Callable[[], Any]] = {
        "set": lambda: cache.set("k", 5),
        "delete": lambda: cache.delete("k"),
        "clear": lambda: cache.clear(),
        "add": lambda: cache.add("k", 5),
        "incr": lambda: cache.incr("k", initial=4),
    }
    assert calls[write]() == {"delete": False, "add": True, "incr": 5}.get(write)
    value = None if write in ("delete", "clear") else 5
    assert cache.get("k") == value
    assert cache.get_or_compute("k", lambda: 5) == 5


def test_callers_in_several_processes_do_not_queue(cache: forklore.Cache, fork: Fork) -> None:
    """One tries in vain for as long as the source takes; the others, who wait for it meanwhile, are told with it."""

    def slow() -> Any:
        cache.incr("tried", initial=0)
        time.sleep(0.3)
        down()

    def work() -> None:
        with pytest.raises((DownError, forklore.ComputeFailed)):
            cache.get_or_compute("k", slow, error_ttl=30)

    begun = time.monotonic()
    children = [fork(work) for _ in range(8)]
    assert [child.wait() for child in children] == [0] * 8
    assert cache.get("tried") == 1
    assert time.monotonic() - begun < 8 * 0.3


def test_words_of_any_error(cache: forklore.Cache) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    for error, words in [
        (ValueError(), "ValueError"),
        (SilentError(), "SilentError"),
        (ValueError("\udc80ü" * 1000), "ValueError: ?ü?ü"),
        (KeyError("k"), "KeyError: 'k'"),
    ]:

        def fail(error: Exception = error) -> Any:
            raise error

        with pytest.raises(type(error)):
            cache.get_or_compute("k", fail, error_ttl=30)
        with pytest.raises(forklore.ComputeFailed) as caught:
            cache.get_or_compute("k", never)
        assert caught.value.error.startswith(words)
        assert len(caught.value.error) <= 500
        cache.delete("k")


def test_as_many_failures_as_there_are_keys(cache: forklore.Cache) -> None:
    """They take no line from those that compute, and no room that is lasting."""
    for i in range(2000):
        with pytest.raises(DownError):
            cache.get_or_compute(f"k{i}", down, error_ttl=30)
        assert cache.get_or_compute(f"stale{i}", lambda: "old", 0.001, stale_for=60) == "old"
    time.sleep(0.01)
    for i in range(2000):
        cache.get_or_compute(f"stale{i}", down, stale_for=60, error_ttl=30)
    made = []
    for i in range(200):
        cache.get_or_compute(f"other{i}", lambda: made.append(1) or "value", 60)
        cache.get_or_compute(f"other{i}", never, 60)
    assert len(made) == 200
    assert cache.stats().leases_lacking == 0


# compute_timeout


def test_another_takes_over_and_the_late_one_stores_nothing(cache: forklore.Cache, ask: Ask) -> None:
    begun, go, late = threading.Event(), threading.Event(), []

    def slow() -> str:
        begun.set()
        assert go.wait(20)
        return "late"

    thread = threading.Thread(target=lambda: late.append(ask(cache, slow, compute_timeout=0.1)))
    thread.start()
    assert begun.wait(20)
    at = time.monotonic()
    assert ask(cache, lambda: "value", wait=20) == "value" if ask not in (memoized, amemoized) else True
    if ask in (memoized, amemoized):
        assert ask(cache, lambda: "value") == "value"
    assert time.monotonic() - at < 10
    go.set()
    thread.join()
    assert late == ["late"]  # its caller has it
    assert ask(cache, never) == "value"
    assert cache.stats().leases_overdue == 1


def test_a_task_of_the_same_loop_takes_over_in_time(cache: forklore.Cache) -> None:
    """It looks again when the other's time is over, and not after whole seconds."""

    async def main() -> None:
        begun = asyncio.Event()

        async def hang() -> None:
            begun.set()
            await asyncio.sleep(60)

        async def other() -> str:
            return "value"

        late = asyncio.create_task(cache.aget_or_compute("k", hang, 60, compute_timeout=0.05))
        await begun.wait()
        # A wait of a whole second would end here: then this one computes alone, and stores nothing.
        assert await cache.aget_or_compute("k", other, 60, wait=0.9) == "value"
        assert cache.get("k") == "value"
        late.cancel()

    asyncio.run(main())


def test_in_time_it_is_stored(cache: forklore.Cache, ask: Ask) -> None:
    assert ask(cache, lambda: "value", compute_timeout=30) == "value"
    assert ask(cache, never) == "value"


def test_a_stopped_refresher_is_replaced(cache: forklore.Cache, fork: Fork) -> None:
    """Its old value is not all that there is for ever."""
    how: dict[str, Any] = {"stale_for": 60, "compute_timeout": 0.2}
    assert cache.get_or_compute("k", lambda: "old", 0.01, **how) == "old"
    time.sleep(0.02)

    def hang() -> None:
        cache.get_or_compute("k", lambda: cache.set("hangs", 1) or time.sleep(60), **how)

    child = fork(hang)
    try:
        eventually(lambda: cache.get("hangs"))
        eventually(lambda: cache.get_or_compute("k", lambda: "new", 60, **how) == "new")
    finally:
        child.kill()
        child.wait()


# Arguments


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"stale_if_error": 1}, TypeError, "stale_if_error is a bool or None, not int"),
        ({"error_ttl": "x"}, TypeError, "error_ttl is seconds"),
        ({"error_ttl": -1}, ValueError, "error_ttl is from 0 to 49 days, not -1"),
        ({"error_ttl": float("nan")}, ValueError, "error_ttl is from 0"),
        ({"compute_timeout": "x"}, TypeError, "compute_timeout is seconds"),
        ({"compute_timeout": 50 * 86400}, ValueError, "compute_timeout is from 0 to 49 days"),
        ({"refresh": "later"}, ValueError, 'refresh is "caller" or "background", not \'later\''),
        ({"refresh": True}, ValueError, "refresh is"),
    ],
)
def test_arguments(cache: forklore.Cache, ask: Ask, how: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        ask(cache, never, **how)


def test_none_is_not_given(cache: forklore.Cache, ask: Ask) -> None:
    assert ask(cache, lambda: 1, stale_if_error=None, error_ttl=None, compute_timeout=None, refresh=None) == 1


# Django's settings


def served_stale() -> Any:
    """A backend whose "k" is old."""
    backend = caches["default"]
    backend.get_or_set("k", lambda: "old", 0.01)
    eventually(lambda: "k" not in backend)
    return backend


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_djangos_settings(name: str, is_async: bool) -> None:
    def ask(backend: Any, fn: Compute, **how: Any) -> Any:
        return asyncio.run(backend.aget_or_set("k", twin(fn), 60, **how)) if is_async else (
            backend.get_or_set("k", fn, 60, **how)
        )  # fmt: skip

    with configured(name, {"STALE_FOR": 60}):
        assert ask(served_stale(), down) == "old"  # on by default
        with pytest.raises(DownError):
            ask(served_stale(), down, stale_if_error=False)
    with configured(name, {"STALE_FOR": 60, "STALE_IF_ERROR": False, "ERROR_TTL": 30}):
        with pytest.raises(DownError):
            ask(served_stale(), down)
        assert ask(caches["default"], never) == "old"
        caches["default"].delete("k")
        with pytest.raises(DownError):
            ask(caches["default"], down)
        with pytest.raises(forklore.ComputeFailed, match="the source is down"):
            ask(caches["default"], never)
        caches["default"].delete("k")
        with pytest.raises(DownError):
            ask(caches["default"], down, error_ttl=0)
        assert ask(caches["default"], lambda: "value") == "value"
    with configured(name, {"COMPUTE_TIMEOUT": 0.05}):
        backend = caches["default"]
        backend.delete("k")
        assert ask(backend, lambda: eventually(lambda: ask_in_thread(backend) == "other") or "late") == "late"
        assert backend.get("k") == "other"


def ask_in_thread(backend: Any) -> Any:
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(backend.get_or_set("k", lambda: "other", 60)))
    thread.start()
    thread.join()
    return got[0]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("STALE_IF_ERROR", 1, "must be True or False, not 1"),
        ("ERROR_TTL", -1, "must be seconds, from 0 to 49 days, or None, not -1"),
        ("ERROR_TTL", "5", "must be seconds"),
        ("COMPUTE_TIMEOUT", True, "must be seconds"),
        ("COMPUTE_TIMEOUT", 50 * 86400, "must be seconds"),
        ("REFRESH", "later", 'must be "caller" or "background", not \'later\''),
        ("ERROR_TLL", 5, "Did you mean ERROR_TTL"),
    ],
)
def test_wrong_settings_are_refused(name: str, option: str, value: Any, words: str) -> None:
    with configured(name, {option: value}), pytest.raises(InvalidCacheBackendError, match=words):
        caches["default"].get("k")


def test_what_is_invalidated_is_not_served_stale(cache: forklore.Cache) -> None:
    def boom() -> str:
        raise ValueError("down")

    ended = {
        "pattern": lambda key: cache.delete_pattern(key[:-1] + "?"),
        "touch": lambda key: cache.touch(key, 0),
    }
    for word, end in ended.items():
        key = f"price:{word}"
        cache.get_or_compute(key, lambda: "old", 0.001, stale_for=600)
        while key in cache:
            pass
        end(key)
        with pytest.raises(ValueError, match="down"):
            cache.get_or_compute(key, boom, 60, stale_for=600)


def test_a_pattern_ends_a_remembered_failure(cache: forklore.Cache) -> None:
    def boom() -> str:
        raise ValueError("down")

    with pytest.raises(ValueError, match="down"):
        cache.get_or_compute("price:1", boom, 60, error_ttl=600)
    assert cache.delete_pattern("price:*") == 0
    assert cache.get_or_compute("price:1", lambda: "up", 60, error_ttl=600) == "up"

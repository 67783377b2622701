"""Django's cache contract, row by row, through the methods and through their async twins."""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import pickle
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache, CacheKeyWarning
from django.utils.safestring import SafeString, mark_safe

import forklore
from forklore.django import ForkloreCache

from .django_site import configured

ABSENT = object()


class Sync:
    """Calls a backend's plain methods."""

    def __init__(self, backend: ForkloreCache) -> None:
        self.backend = backend

    def __getattr__(self, method: str) -> Any:
        return getattr(self.backend, method)


class Async(Sync):
    """Calls the a... twin of each method in an event loop."""

    def __getattr__(self, method: str) -> Any:
        twin = getattr(self.backend, "a" + method)
        assert inspect.iscoroutinefunction(twin)
        return lambda *args, **kwargs: asyncio.run(twin(*args, **kwargs))


@pytest.fixture
def backend(name: str) -> Iterator[ForkloreCache]:
    with configured(name):
        yield caches["default"]


@pytest.fixture(params=[Sync, Async])
def cache(backend: ForkloreCache, request: pytest.FixtureRequest) -> Any:
    return request.param(backend)


class Unpicklable:
    def __getstate__(self) -> object:
        raise pickle.PickleError


# Rows of the contract


def test_get_and_set(cache: Any) -> None:
    assert cache.get("k") is None
    assert cache.get("k", "default") == "default"
    assert cache.get("k", default="default") == "default"
    assert cache.set("k", "value") is None
    assert cache.get("k") == "value"
    assert cache.set("none", None) is None
    assert cache.get("none", "default") is None


@pytest.mark.parametrize(
    "value",
    ["text", "Iñtërnâtiônàlizætiøn", b"bytes", 42, 4.2, True, None, [1], {"a": {1}}, (1, 2), 2**70, len, ForkloreCache],
    ids=str,
)
def test_types(cache: Any, value: object) -> None:
    cache.set("k", value)
    assert cache.get("k") == value
    assert type(cache.get("k")) is type(value)


def test_add(cache: Any) -> None:
    assert cache.add("k", 1) is True
    assert cache.add("k", 2) is False
    assert cache.get("k") == 1
    assert cache.add("gone", 1, timeout=0) is True
    assert cache.get("gone") is None
    assert cache.add("gone", 2) is True


def test_timeouts(cache: Any, backend: ForkloreCache) -> None:
    def left(key: str) -> float | None:
        return backend.handle.ttl(backend.make_key(key))

    cache.set("default", 1)
    assert 290 < left("default") <= 300
    cache.set("none", 1, None)
    assert left("none") is None
    cache.set("float", 1, 1.5)
    assert 0 < left("float") <= 1.5
    cache.set("long", 1, timeout=60 * 60 * 24 * 31)
    assert left("long") > 60 * 60 * 24 * 30
    for past in (0, -1, -0.5):
        cache.set("k", 1)
        assert cache.set("k", 2, past) is None
        assert cache.get("k") is None
    cache.set("k", 1, 1)
    cache.set("k", 2)
    assert left("k") > 290


def test_expiry(cache: Any) -> None:
    cache.set("k", 1, 0.3)
    time.sleep(0.4)
    assert cache.get("k") is None
    assert cache.has_key("k") is False
    assert cache.add("k", 2) is True


def test_touch(cache: Any, backend: ForkloreCache) -> None:
    def left() -> float | None:
        return backend.handle.ttl(backend.make_key("k"))

    assert cache.touch("k") is False
    cache.set("k", 1, 10)
    assert cache.touch("k") is True
    assert left() > 290
    assert cache.touch("k", 20) is True
    assert 10 < left() <= 20
    assert cache.touch("k", timeout=None) is True
    assert left() is None
    assert cache.touch("k", 0) is True
    assert cache.get("k") is None
    assert cache.touch("k", 0) is False


def test_delete(cache: Any) -> None:
    cache.set("k", 1)
    assert cache.delete("k") is True
    assert cache.delete("k") is False


def test_many(cache: Any) -> None:
    assert cache.set_many({"a": 1, "b": None, 3: "c"}) == []
    assert cache.set_many({}) == []
    assert cache.get_many(["a", "b", 3, "absent"]) == {"a": 1, "b": None, 3: "c"}
    assert cache.get_many(iter(["a"])) == {"a": 1}
    assert cache.get_many([]) == {}
    assert cache.delete_many(["a", "absent"]) == 1
    assert cache.delete_many([]) == 0
    assert cache.delete_many(iter(["b"])) == 1
    assert cache.get_many(["a", "b", 3]) == {3: "c"}
    assert cache.set_many({"t": 1}, 0) == []
    assert cache.get("t") is None
    cache.set_many({"v": 1}, version=2)
    assert cache.get_many(["v"]) == {}
    assert cache.get_many(["v"], version=2) == {"v": 1}


@pytest.mark.parametrize("count", [1, 10, 24, 25, 26, 64, 300])  # from the stack to the heap
def test_many_of_any_number(cache: Any, count: int) -> None:
    values = {f"é{i}" if i % 3 else i: "é" * i for i in range(count)} | {"k" * 240: "long", "é" * 120: b"too"}
    assert cache.set_many(values) == []
    assert {key: cache.get(key) for key in values} == values
    assert cache.get_many(["absent", *values, *values]) == values
    assert cache.delete_many([*values, "absent"]) == len(values)
    assert cache.get_many(values) == {}


def test_get_or_set(cache: Any) -> None:
    assert cache.get_or_set("k", "value", 100) == "value"
    assert cache.get_or_set("k", "other") == "value"
    assert cache.get_or_set("called", lambda: "value") == "value"
    assert cache.get_or_set("called", lambda: 1 / 0) == "value"
    assert cache.get_or_set("none", None) is None
    assert cache.get("none", "default") is None
    assert cache.get_or_set("none", "other") is None
    assert cache.get_or_set("v", 1, version=2) == 1
    assert cache.get("v") is None
    with pytest.raises(TypeError):
        cache.get_or_set("k2")


def test_get_or_set_that_loses_the_race(cache: Any) -> None:
    with mock.patch("forklore.django.ForkloreCache.add") as add:
        add.return_value = False
        assert cache.get_or_set("k", "default") == "default"


def test_has_key(cache: Any, backend: ForkloreCache) -> None:
    cache.set("k", None)
    assert cache.has_key("k") is True
    assert cache.has_key("absent") is False
    assert "k" in backend
    assert "absent" not in backend

    class Odd(ForkloreCache):
        def has_key(self, key: object, version: int | None = None) -> bool:
            return True

    assert "absent" in Odd(backend.handle.name, {})


def test_incr_and_decr(cache: Any, backend: ForkloreCache) -> None:
    cache.set("n", 41, 60)
    assert cache.incr("n") == 42
    assert cache.incr("n", 10) == 52
    assert cache.incr("n", -10) == 42
    assert cache.decr("n") == 41
    assert cache.decr("n", 10) == 31
    assert cache.decr("n", -10) == 41
    assert cache.get("n") == 41
    assert 50 < backend.handle.ttl(backend.make_key("n")) <= 60
    for call in (cache.incr, cache.decr):
        with pytest.raises(ValueError, match="'absent' not found"):
            call("absent")
        with pytest.raises(ValueError, match="None"):
            call(None)


def test_incr_of_what_is_no_number(cache: Any) -> None:
    for value in ("text", None, [1], 1.5, True):
        cache.set("n", value)
        with pytest.raises(TypeError):
            cache.incr("n")
        assert cache.get("n") == value
    cache.set("n", 1)
    for delta in ("text", None, 1.5):
        with pytest.raises(TypeError):
            cache.incr("n", delta)
    assert cache.get("n") == 1


def test_incr_goes_beyond_64_bits_and_back(cache: Any, backend: ForkloreCache) -> None:
    cache.set("n", 2**63 - 1, 60)
    assert cache.incr("n") == 2**63
    assert cache.incr("n", 2**70) == 2**63 + 2**70
    assert cache.get("n") == 2**63 + 2**70
    assert cache.decr("n", 2**70 + 1) == 2**63 - 1
    assert cache.incr("n", -1) == 2**63 - 2
    assert 50 < backend.ttl("n") <= 60
    with pytest.raises(ValueError, match="'absent' not found"):
        cache.incr("absent", 2**70)


def test_incr_beyond_64_bits_loses_nothing(backend: ForkloreCache, fork: Any) -> None:
    backend.set("n", 2**63 - 200)

    def count() -> None:
        for _ in range(200):
            backend.incr("n")

    children = [fork(count) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert backend.get("n") == 2**63 + 400


def test_incr_version(cache: Any, backend: ForkloreCache) -> None:
    cache.set("k", [1], 60, version=2)
    assert cache.incr_version("k", version=2) == 3
    assert cache.get("k", version=2) is None
    assert cache.get("k", version=3) == [1]
    assert 50 < backend.handle.ttl(backend.make_key("k", 3)) <= 60
    assert cache.decr_version("k", version=3) == 2
    assert cache.get("k", version=2) == [1]
    assert cache.incr_version("k", 5, version=2) == 7
    cache.set("one", 1, None)
    assert cache.incr_version("one") == 2
    assert backend.handle.ttl(backend.make_key("one", 2)) is None
    assert cache.incr("one", version=2) == 2
    assert cache.incr_version("one", 0, version=2) == 2
    assert cache.get("one", version=2) == 2
    for call in (cache.incr_version, cache.decr_version):
        with pytest.raises(ValueError, match="not found"):
            call("absent")


def test_incr_version_loses_no_write_in_between(backend: ForkloreCache) -> None:
    backend.set("k", "first")
    real = backend.handle
    backend.__dict__["handle"] = between = mock.Mock(wraps=real)

    def set_and_be_overtaken(key: str, value: object, ttl: object) -> None:
        real.set(key, value, ttl)
        if value == "first":
            real.set(backend.make_key("k"), "second")

    between.set.side_effect = set_and_be_overtaken
    assert backend.incr_version("k") == 2
    assert backend.get("k", version=2) == "second"
    assert backend.get("k") is None


def test_versions_and_prefix(name: str) -> None:
    options = {"KEY_PREFIX": "p", "VERSION": 2}
    with configured(name, more={"other": options}):
        plain, other = caches["default"], caches["other"]
        plain.set("k", 1)
        other.set("k", 2)
        assert (plain.get("k"), other.get("k")) == (1, 2)
        assert set(plain.handle.keys()) == {":1:k", "p:2:k"}
        plain.clear()
        assert other.get("k") is None


def test_clear_empties_the_whole_location(cache: Any, backend: ForkloreCache) -> None:
    cache.set("k", 1)
    cache.set("k", 1, version=7)
    assert cache.clear() is None
    assert list(backend.handle.keys()) == []


def test_close_costs_and_loses_nothing(cache: Any, backend: ForkloreCache) -> None:
    cache.set("k", 1)
    assert cache.close() is None
    assert backend.close(signal=None, sender=None) is None
    assert cache.get("k") == 1
    assert ForkloreCache.close is BaseCache.close


def test_a_safe_string_stays_safe(cache: Any) -> None:
    cache.set("k", mark_safe("<b>"))
    assert type(cache.get("k")) is SafeString


def test_a_fresh_copy_each_time(cache: Any) -> None:
    cache.set("k", [1])
    cache.get("k").append(2)
    assert cache.get("k") == [1]


# Keys


def test_keys_need_not_be_text(cache: Any) -> None:
    for key in (1, 1.5, None, ("a", 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheKeyWarning)
            cache.set(key, "v")
            assert cache.get(key) == "v"


def calls_of_one_key(cache: Any) -> list[Callable[[str], object]]:
    return [
        lambda k: cache.add(k, 1),
        lambda k: cache.get(k),
        lambda k: cache.set(k, 1),
        lambda k: cache.incr(k),
        lambda k: cache.decr(k),
        lambda k: cache.touch(k),
        lambda k: cache.delete(k),
        lambda k: cache.get_many([k]),
        lambda k: cache.set_many({k: 1}),
        lambda k: cache.delete_many([k]),
        lambda k: cache.has_key(k),
        lambda k: cache.get_or_set(k, 1),
        lambda k: cache.incr_version(k),
    ]


@pytest.mark.parametrize("key", ["x" * 260, "with space", "tab\t", "del\x7f", "nul\0", "new\nline"])
def test_keys_that_memcached_refuses_are_warned_about(cache: Any, key: str) -> None:
    for call in calls_of_one_key(cache):
        with pytest.warns(CacheKeyWarning, match="memcached"):
            call(key)


@pytest.mark.parametrize("key", ["plain", "é世界", "\xa0", "​", "x" * 240, "\x80"])
def test_other_keys_are_not(cache: Any, key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.set(key, 1)
        for call in calls_of_one_key(cache):
            call(key)
        BaseCache.validate_key(ForkloreCache("unused", {}), f":1:{key}")


def test_key_function_and_overrides(name: str) -> None:
    class Mine(ForkloreCache):
        def make_key(self, key: object, version: int | None = None) -> str:
            return f"mine-{key}"

        def validate_key(self, key: str) -> None:
            if "bad" in key:
                raise ValueError("bad key")

    with configured(name, params={"KEY_FUNCTION": lambda key, prefix, version: f"f-{prefix}-{version}-{key}"}):
        backend = caches["default"]
        backend.set("k", 1)
        assert list(backend.handle.keys()) == ["f--1-k"]
        mine = Mine(name, {})
        mine.set("k", 2)
        assert set(backend.handle.keys()) == {"f--1-k", "mine-k"}
        with pytest.raises(ValueError, match="bad key"):
            mine.get("bad")
        backend.key_func = lambda key, *_: f"late-{key}"
        backend.set("k", 3)
        assert "late-k" in backend.handle


class Shouting(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


KEYS = ["k", "", "a:b", "x" * 245, "x" * 246, "x" * 247, "!~", "1234567 ", "é", "世界", "\udc80", " ", "\x7f", "\0",
        "tab\tand more of it", "sixteen letters:\x7f", 0, -7, 2**63 - 1, 2**63, -(2**63), True, None, 1.5, b"bytes",
        ("a", 1), Shouting("loud"), mark_safe("safe")]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "p", "pre fix", "é", "x" * 190, "x" * 230])
@pytest.mark.parametrize("version", [None, 1, 0, 12, -1, 2**63, True, "v2", "two words"])
@pytest.mark.filterwarnings("ignore::django.core.cache.CacheKeyWarning")
def test_keys_are_those_of_make_key(name: str, prefix: str, version: object) -> None:
    with configured(name, params={"KEY_PREFIX": prefix}):
        for own_version in (1, 7, "v1"):
            cache = caches["default"]
            cache.version = own_version
            names = [cache.make_key(key, version) for key in KEYS]
            for key, made in zip(KEYS, names, strict=True):
                cache.clear()
                cache.set(key, "one", version=version)
                assert cache.handle.get(made) == "one"
                assert sum(1 for _ in cache.handle.keys()) == 1
                assert cache.get(key, version=version) == "one"
                assert cache.has_key(key, version)
                assert not cache.add(key, "other", version=version)
                assert cache.touch(key, 60, version=version)
                assert cache.delete(key, version)
                cache.set(key, 1, version=version)
                assert cache.incr(key, 1, version) == 2
            assert cache.set_many(dict.fromkeys(KEYS, "many"), version=version) == []
            assert {cache.handle.get(made) for made in names} == {"many"}
            assert cache.get_many(KEYS, version) == dict.fromkeys(KEYS, "many")
            cache.delete_many(KEYS, version)
            assert list(cache.handle.keys()) == []


def test_keys_that_are_one_key_are_found_under_each(cache: Any) -> None:
    cache.set("1", "v")
    assert cache.get_many([1, "1", "2"]) == {1: "v", "1": "v"}


def test_the_prefix_the_version_and_the_timeout_may_change(backend: ForkloreCache) -> None:
    backend.set("k", "old")
    backend.key_prefix = "new"
    assert backend.get("k") is None
    backend.set("k", "prefixed")
    backend.version = 2
    assert backend.get("k") is None
    assert backend.get("k", version=1) == "prefixed"
    backend.default_timeout = None
    backend.set("k", "for ever")
    assert backend.handle.ttl("new:2:k") is None
    backend.key_prefix, backend.version = "", 1
    assert backend.get("k") == "old"


def test_what_makes_and_checks_keys_may_be_patched(backend: ForkloreCache) -> None:
    def mine(self_or_key: object, key: object = None, version: object = None) -> str:
        return "mine"

    def refuse(*_: object) -> None:
        raise ValueError("refused")

    backend.set("k", "usual")
    for owner in (backend, ForkloreCache, BaseCache):
        backend.handle.delete("mine")
        with mock.patch.object(owner, "make_key", mine):
            assert backend.get("k") is None
            backend.set("k", "patched")
            assert backend.handle.get("mine") == "patched"
            assert backend.get_many(["k"]) == {"k": "patched"}
        assert backend.get("k") == "usual"
        with mock.patch.object(owner, "validate_key", refuse), pytest.raises(ValueError, match="refused"):
            backend.get("k")
        assert backend.get("k") == "usual"
        with mock.patch.object(owner, "make_and_validate_key", mine):
            assert backend.get("k") == "patched"
        assert backend.get("k") == "usual"
    usual = backend.key_func
    backend.key_func = lambda key, *_: "mine"
    assert backend.get("k") == "patched"
    backend.key_func = usual
    assert backend.get("k") == "usual"


def test_a_key_function_may_use_the_cache(backend: ForkloreCache) -> None:
    def counted(key: object, prefix: str, version: int) -> str:
        with mock.patch.object(backend, "key_func", usual):
            return f"{backend.get_or_set('generation', 1)}-{key}"

    usual = backend.key_func
    backend.key_func = counted
    backend.set("k", 1)
    assert set(backend.handle.keys()) == {":1:generation", "1-k"}


def test_a_class_may_choose_its_handle(name: str, backend: ForkloreCache) -> None:
    tenants = {tenant: forklore.Cache(f"{name}-{tenant}", "1MB") for tenant in "ab"}
    try:

        class Tenants(ForkloreCache):
            tenant = "a"

            @property
            def handle(self) -> forklore.Cache:
                return tenants[self.tenant]

        cache = Tenants(name, {})
        cache.set("k", "of a")
        Tenants.tenant = "b"
        assert cache.get("k") is None
        cache.set("k", "of b")
        Tenants.tenant = "a"
        assert cache.get("k") == "of a"
        assert backend.get("k") is None
    finally:
        for tenant in tenants.values():
            forklore.remove(tenant.name)


def test_a_copy_is_a_backend_too(backend: ForkloreCache) -> None:
    backend.set("k", 1)
    other = copy.copy(backend)
    other.key_prefix = "other"
    assert other.get("k") is None
    assert backend.get("k") == 1


def test_backends_come_and_go(name: str, backend: ForkloreCache) -> None:
    """Each gives its handle back."""
    handle = forklore.Cache(name)
    held = sys.getrefcount(handle)
    for _ in range(10):
        one = ForkloreCache(name, {})
        vars(one)["handle"] = handle  # as cached_property does
        one.set("k", 1)
        gone = weakref.ref(one)
        del one
    assert gone() is None
    now = sys.getrefcount(handle)
    assert now == held


def test_a_key_that_is_too_long(cache: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheKeyWarning)
        with pytest.raises(ValueError, match="1024"):
            cache.get("x" * 1025)
        with pytest.raises(ValueError, match="1024"):
            cache.get_or_set("x" * 1025, lambda: 1)


# Values that cannot be stored


def test_too_large_leaves_no_old_value(cache: Any, backend: ForkloreCache, caplog: pytest.LogCaptureFixture) -> None:
    cache.set("k", "old")
    most = backend.handle.stats().max_value_bytes
    before = backend.failed_sets
    assert cache.set("k", "x" * (most + 1)) is None
    assert cache.get("k") is None
    assert backend.failed_sets == before + 1
    [record] = caplog.records
    assert (record.name, record.levelno) == ("forklore.django", logging.WARNING)
    assert ":1:k" in record.getMessage()
    assert record.getMessage().endswith("; MAX_VALUE raises it")  # as it is called in OPTIONS
    cache.set("k", "old")
    caplog.clear()
    assert cache.set_many({"k": "x" * (most + 1), "good": 1}) == ["k"]
    assert f"this segment takes values of up to {most}" in caplog.text
    assert cache.get_many(["k", "good"]) == {"good": 1}
    with pytest.raises(forklore.TooLarge, match=r"under 'max_value': .*; MAX_VALUE raises it"):
        cache.add("max_value", "x" * (most + 1))
    assert cache.get_or_set("new", "x" * (most + 1)) == "x" * (most + 1)


def test_unpicklable(cache: Any, backend: ForkloreCache, caplog: pytest.LogCaptureFixture) -> None:
    before = backend.failed_sets
    for value, error in [(Unpicklable(), pickle.PickleError), (lambda: 0, (pickle.PicklingError, AttributeError))]:
        cache.set("k", "old")
        with pytest.raises(error):
            cache.set("k", value)
        assert cache.get("k") is None
        with pytest.raises(error):
            cache.add("k", value)
        cache.set("k", "old")
        assert cache.set_many({"k": value, "good": 1}) == ["k"]
        assert cache.get_many(["k", "good"]) == {"good": 1}
    assert backend.failed_sets == before + 6
    assert len(caplog.records) == 6


def test_busy(cache: Any, backend: ForkloreCache) -> None:
    """A set is dropped, counted and logged; what must not be lost is raised."""
    before = backend.failed_sets
    with mock.patch.object(backend, "_set", side_effect=forklore.Busy):
        cache.set("k", 1)
    assert backend.failed_sets == before + 1
    for call in ("_add", "_incr", "_delete", "_delete_many"):
        with mock.patch.object(backend, call, side_effect=forklore.Busy), pytest.raises(forklore.Busy):
            {"_add": lambda: cache.add("k", 1), "_incr": lambda: cache.incr("k"), "_delete": lambda: cache.delete("k"),
             "_delete_many": lambda: cache.delete_many(["k"])}[call]()  # fmt: skip


def test_full(name: str) -> None:
    with configured(name, {"CAPACITY": "256KB", "WHEN_FULL": "reject"}):
        cache = caches["default"]
        for i in range(500):
            cache.set(f"k{i}", b"x" * 1000)
        assert cache.failed_sets > 100
        assert cache.get("k1") is not None
        with pytest.raises(forklore.Full, match=r'WHEN_FULL "reject".*CAPACITY'):
            for i in range(500):
                cache.add(f"new{i}", b"x" * 1000)


# What Django and its tests look at


def test_methods_are_python_functions_on_a_python_class() -> None:
    names = (
        "add get set touch delete get_many set_many delete_many get_or_set has_key incr decr incr_version clear close"
    )
    for method in names.split():
        assert inspect.isfunction(getattr(ForkloreCache, method))
        twin = getattr(ForkloreCache, "a" + method)
        assert inspect.iscoroutinefunction(twin)
    bound = ForkloreCache("unused", {})
    assert bound.get_many.__func__ is not BaseCache.get_many


def test_async_calls_stay_in_the_thread(backend: ForkloreCache) -> None:
    with mock.patch("asgiref.sync.SyncToAsync.__call__", side_effect=AssertionError("a thread hop")):
        cache = Async(backend)
        cache.set("k", 1)
        assert cache.get("k") == 1
        assert cache.get_many(["k"]) == {"k": 1}
        assert cache.incr("k") == 2
        assert cache.decr("k") == 1
        assert cache.incr_version("k") == 2
        assert cache.decr_version("k", version=2) == 1
        assert cache.add("k", 1) is False
        assert cache.touch("k") is True
        assert cache.has_key("k") is True
        assert cache.set_many({"m": 1}) == []
        assert cache.get_or_set("o", 5) == 5
        cache.delete_many(["m"])
        assert cache.delete("k") is True
        cache.clear()
        cache.close()

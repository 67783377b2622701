"""What each call does, answers and refuses."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import threading
import time

import pytest

import forklore


def test_add_and_replace(cache: forklore.Cache) -> None:
    assert cache.replace("k", 1) is False
    assert cache.add("k", 2) is True
    assert cache.add("k", 3) is False
    assert cache.get("k") == 2
    assert cache.replace("k", 4) is True
    assert cache.get("k") == 4


def test_delete_and_contains(cache: forklore.Cache) -> None:
    assert "k" not in cache
    cache.set("k", 1)
    assert "k" in cache
    assert b"k" in cache
    assert cache.delete("k") is True
    assert cache.delete("k") is False
    assert "k" not in cache


def test_keyword_arguments(cache: forklore.Cache) -> None:
    cache.set(key="k", value=1, ttl=60)
    assert cache.get(key="k", default=2) == 1
    assert cache.get("absent", default=2) == 2
    assert cache.incr(key="k", delta=2) == 3
    assert cache.get_many(keys=["k"]) == {"k": 3}
    assert cache.touch(key="k", ttl=None) is True
    assert cache.ttl(key="k") is None
    assert cache.delete(key="k") is True
    for wrong in (
        lambda: cache.get(),
        lambda: cache.get("a", "b", "c"),
        lambda: cache.get("a", nothing=1),
        lambda: cache.get("a", key="a"),
        lambda: cache.set("a"),
        lambda: cache.incr("a", 1, 2),
    ):
        with pytest.raises(TypeError):
            wrong()


def test_methods_show_their_signature_and_what_they_answer(cache: forklore.Cache) -> None:
    assert str(inspect.signature(forklore.Cache.get)) == "(self, /, key, default=None)"
    assert str(inspect.signature(forklore.Cache.set)) == "(self, /, key, value, ttl=forklore.DEFAULT)"
    assert "initial=None" in str(inspect.signature(forklore.Cache.incr))
    assert "mode=384" in str(inspect.signature(forklore.Cache.attach))
    assert inspect.signature(forklore.Cache).parameters["when_full"].default is None
    default = inspect.signature(forklore.Cache.set).parameters["ttl"].default
    assert default is forklore.DEFAULT
    cache.set("k", 1, default)
    for wrong in ("DEFAULT", str(default), ...):
        with pytest.raises(TypeError, match="ttl is seconds"):
            cache.set("k", 1, wrong)  # type: ignore[arg-type]
    assert "Raises TooLarge, Full or SerializerError" in (forklore.Cache.set.__doc__ or "")
    assert "or raises KeyError if initial is None" in (forklore.Cache.incr.__doc__ or "")
    assert "Raises OpenError, which names the option" in (forklore.Cache.__doc__ or "")
    for name, member in vars(forklore.Cache).items():
        assert name.startswith("_") or len(member.__doc__) > 15, name


# Time to live


@pytest.mark.parametrize("ttl", [0, -1, -0.5, 0.0, -(10**30), datetime.timedelta(seconds=-1)])
def test_an_expired_ttl_keeps_nothing(cache: forklore.Cache, ttl: float) -> None:
    cache.set("k", 1)
    cache.set("k", 2, ttl)
    assert "k" not in cache
    assert cache.add("k", 3, ttl) is True
    assert "k" not in cache
    cache.set("k", 1)
    assert cache.touch("k", ttl) is True
    assert "k" not in cache


def test_ttl_units(cache: forklore.Cache) -> None:
    for given, least, most in [
        (100, 90, 100),
        (1.5, 0, 1.5),
        (datetime.timedelta(minutes=1), 50, 60),
        (10**9, 1e9 - 10, 1e9),
    ]:
        cache.set("k", 1, given)
        left = cache.ttl("k")
        assert left is not None
        assert least < left <= most
    for never in (None, float("inf"), 10**30):
        cache.set("k", 1, never)
        assert cache.ttl("k") is None
    with pytest.raises(KeyError):
        cache.ttl("absent")
    with pytest.raises(ValueError, match="nan"):
        cache.set("k", 1, float("nan"))
    for wrong in ("5", b"5", [], object()):
        with pytest.raises(TypeError, match="ttl is seconds"):
            cache.set("k", 1, wrong)  # type: ignore[arg-type]


def test_default_ttl(name: str) -> None:
    with forklore.Cache(name, "1MB", default_ttl=50) as cache:
        for store in (
            lambda: cache.set("k", 1),
            lambda: cache.set("k", 1, forklore.DEFAULT),
            lambda: cache.touch("k", forklore.DEFAULT),
        ):
            cache.touch("k", None)
            store()
            left = cache.ttl("k")
            assert left is not None
            assert 40 < left <= 50
        cache.set("k", 1, None)
        assert cache.ttl("k") is None


def test_expiry(cache: forklore.Cache) -> None:
    begin = time.monotonic()
    cache.set("short", 1, 0.5)
    cache.set("long", 1, 60)
    got = cache.get("short")
    if time.monotonic() - begin < 0.5:
        assert got == 1
    time.sleep(0.6)
    assert cache.get("short") is None
    assert "short" not in cache
    assert cache.get_many(["short", "long"]) == {"long": 1}
    assert cache.add("short", 2) is True


# Keys


def test_str_and_bytes_are_one_space(cache: forklore.Cache) -> None:
    cache.set("Grüße", 1)
    assert cache.get("Grüße".encode()) == 1
    cache.set(b"\xff\xfe", 2)
    assert cache.get("\udcff\udcfe") == 2
    assert set(cache.keys()) == {"Grüße", "\udcff\udcfe"}
    for key in list(cache.keys()):
        assert cache.delete(key)


def test_the_bounds_of_keys(cache: forklore.Cache) -> None:
    for key in ("x", "x" * 1024, b"\x00", "é" * 512):
        cache.set(key, 1)
        assert cache.get(key) == 1
    computed: list[object] = []
    calls = [
        lambda k: cache.get(k),
        lambda k: cache.set(k, 1),
        lambda k: cache.delete(k),
        lambda k: cache.incr(k),
        lambda k: cache.get_many([k]),
        lambda k: cache.set_many({k: 1}),
        lambda k: cache.delete_many([k]),
        lambda k: k in cache,
        lambda k: cache.ttl(k),
        lambda k: cache.touch(k),
        lambda k: cache.gets(k),
        lambda k: cache.get_or_compute(k, computed.append),
        lambda k: asyncio.run(cache.aget_or_compute(k, computed.append)),
        lambda k: cache.lock(k).acquire(wait=0),
        lambda k: cache.rate_limit(k, 5, 60),
        lambda k: cache.count_in_window(k, 60),
    ]
    for call in calls:
        for key in ("", b"", "x" * 1025, "é" * 513):
            with pytest.raises(ValueError, match="1 to 1024 bytes"):
                call(key)
        for key in (1, None, 1.5, ("a",)):
            with pytest.raises(TypeError, match="str or bytes"):
                call(key)
    assert computed == []


def test_many(cache: forklore.Cache) -> None:
    values = {f"k{i}": i for i in range(500)}
    assert cache.set_many(values, ttl=60) == []
    assert cache.get_many(values) == values
    assert cache.get_many(iter([*values, "absent"])) == values
    assert cache.get_many([b"k1", "k1"]) == {b"k1": 1, "k1": 1}
    assert cache.get_many([]) == {}
    assert cache.set_many({}) == []
    assert cache.delete_many(["k1", "k2", "absent"]) == 2
    assert cache.delete_many([]) == 0
    assert len(cache.get_many(values)) == 498
    with pytest.raises(TypeError, match="not one key"):
        cache.get_many("k1")


@pytest.mark.parametrize("count", [1, 10, 29, 35, 36, 37, 38, 64, 300])  # from the stack to the heap
def test_many_of_any_number(cache: forklore.Cache, count: int) -> None:
    values = {f"é{i}" if i % 3 else b"k%d" % i: "é" * i if i % 2 else 1 << i for i in range(count)}
    longest = "k" * 1023
    values |= {longest + "1": "first", (longest + "2").encode(): b"second"}
    assert cache.set_many(values) == []
    assert {key: cache.get(key) for key in values} == values
    assert cache.get_many(["absent", *values, *values]) == values
    with pytest.raises(ValueError, match="1 to 1024 bytes"):
        cache.get_many([*values, ""])
    with pytest.raises(TypeError, match="str or bytes"):
        cache.delete_many([*values, 1])
    assert cache.delete_many([*values, "absent"]) == count + 2
    assert cache.get_many(values) == {}


def test_set_many_names_what_failed(cache: forklore.Cache) -> None:
    cache.set("big", "old")
    most = cache.stats().max_value_bytes
    assert cache.set_many({"small": 1, "big": b"x" * (most + 1), "other": 2}) == ["big"]
    assert cache.get_many(["small", "big", "other"]) == {"small": 1, "big": "old", "other": 2}
    with pytest.raises(forklore.SerializerError):
        cache.set_many({"small": 5, "bad": lambda: 0})
    assert cache.get("small") == 1


# Counters


def test_counters(cache: forklore.Cache) -> None:
    with pytest.raises(KeyError):
        cache.incr("n")
    assert cache.incr("n", initial=10) == 11
    assert cache.incr("n", 5, initial=0) == 16
    assert cache.decr("n") == 15
    assert cache.decr("n", -5) == 20
    assert cache.get("n") == 20
    assert type(cache.get("n")) is int
    assert cache.decr("m", 2, initial=10) == 8
    cache.set("n", 7, 60)
    cache.incr("n")
    left = cache.ttl("n")
    assert left is not None
    assert 50 < left <= 60
    assert cache.incr("t", initial=0, ttl=30) == 1
    left = cache.ttl("t")
    assert left is not None
    assert 20 < left <= 30


def test_a_counter_never_wraps(cache: forklore.Cache) -> None:
    for value, delta in [(2**63 - 1, 1), (-(2**63), -1), (2**62, 2**62)]:
        cache.set("n", value)
        with pytest.raises(OverflowError):
            cache.incr("n", delta)
        assert cache.get("n") == value
    with pytest.raises(OverflowError):
        cache.incr("n", 2**63)
    with pytest.raises(OverflowError):
        cache.decr("n", -(2**63))
    for value in ("5", b"12345678", 1.5, None, True, 2**70, [1]):
        cache.set("n", value)
        with pytest.raises(TypeError):
            cache.incr("n")
        assert cache.get("n") == value
    with pytest.raises(TypeError):
        cache.incr("n", 1.5)  # type: ignore[arg-type]


# Versions


def test_cas(cache: forklore.Cache) -> None:
    assert cache.cas("k", 1, 0) is None
    cache.set("k", "a")
    value, version = cache.gets("k")
    assert value == "a"
    assert version is not None
    assert cache.cas("k", "b", version, 60) is True
    assert cache.ttl("k") is not None
    assert cache.cas("k", "c", version) is False
    assert cache.get("k") == "b"
    value, version = cache.gets("k")
    assert version is not None
    cache.delete("k")
    cache.set("k", "b")
    assert cache.cas("k", "c", version) is False
    value, version = cache.gets("k")
    assert version is not None
    assert cache.cas("k", None, version, 0) is True
    assert "k" not in cache
    with pytest.raises(TypeError):
        cache.cas("k", "v", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"version must be one that gets\(\) gave, not -5"):
        cache.cas("k", "v", -5)


def test_cas_of_an_integer_is_of_its_value(cache: forklore.Cache) -> None:
    cache.set("n", 1)
    _, version = cache.gets("n")
    assert version is not None
    cache.incr("n")
    assert cache.cas("n", 10, version) is False


# The whole


def test_keys_and_scan(cache: forklore.Cache) -> None:
    wanted = {f"user:{i}" for i in range(3000)}
    cache.set_many(dict.fromkeys(wanted, 1))
    cache.set_many({f"page:{i}": 1 for i in range(50)})
    assert set(cache.keys("user:")) == wanted
    assert set(cache.keys(b"page:")) == {f"page:{i}" for i in range(50)}
    assert len(set(cache.keys())) == 3050
    assert set(cache.keys("nobody:")) == set()
    seen: list[str] = []
    steps = 0
    cursor, keys = cache.scan(prefix="user:", count=100)
    while True:
        seen += keys
        steps += 1
        if cursor == 0:
            break
        cursor, keys = cache.scan(cursor, "user:", 100)
    assert set(seen) == wanted
    assert steps >= 20
    with pytest.raises(ValueError, match="count"):
        cache.scan(count=0)
    with pytest.raises(ValueError, match=r"cursor must be one that scan\(\) gave, not -1"):
        cache.scan(-1)
    with pytest.raises(TypeError, match=r"cursor is the int that scan\(\) gave, not str"):
        cache.scan("0")  # type: ignore[arg-type]


def test_keys_may_be_deleted_while_they_are_listed(cache: forklore.Cache) -> None:
    cache.set_many({f"k{i}": i for i in range(5000)})
    for key in cache.keys():
        cache.delete(key)
    assert list(cache.keys()) == []


def test_clear_and_stats(cache: forklore.Cache) -> None:
    cache.set_many({f"k{i}": i for i in range(100)})
    cache.get("k1")
    cache.get("absent")
    stats = cache.stats()
    assert (stats.capacity_bytes, stats.entries, stats.hits, stats.misses) == (4 << 20, 100, 1, 1)
    assert stats.writes == 100
    assert stats.hit_ratio == 0.5
    assert stats.when_full == "evict"
    assert cache.clear() is None
    assert cache.stats().entries == 0
    assert cache.get("k1") is None
    assert cache.verify() == []


def test_threads(cache: forklore.Cache) -> None:
    faults: list[object] = []

    def work(number: int) -> None:
        try:
            for i in range(2000):
                cache.set(f"{number}:{i % 50}", [number, i])
                got = cache.get(f"{(number + 1) % 4}:{i % 50}")
                assert got is None or got[0] == (number + 1) % 4
                cache.incr("n", initial=0)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert cache.get("n") == 8000


def test_keys_by_pattern(cache: forklore.Cache) -> None:
    for key in ("page:1", "page:2", "page:12", "pag*", "other", b"\xff1"):
        cache.set(key, 1)
    assert sorted(cache.keys(pattern="page:?")) == ["page:1", "page:2"]
    assert sorted(cache.keys("page", pattern=b"*[1-1]*")) == ["page:1", "page:12"]
    assert list(cache.keys(pattern="pag\\*")) == ["pag*"]
    assert list(cache.keys(pattern=b"\xff?")) == list(cache.keys(pattern="\udcff?")) == ["\udcff1"]
    assert sorted(cache.keys(pattern=None)) == sorted(cache.keys(pattern="*")) == sorted(cache.keys())
    assert list(cache.keys(pattern="")) == []
    with pytest.raises(TypeError):
        cache.keys(pattern=1)


def test_delete_pattern(cache: forklore.Cache) -> None:
    cache.set_many({f"page:{i}": i for i in range(5000)})
    cache.set("kept", 1)
    assert cache.delete_pattern("page:*[02468]") == 2500
    assert cache.delete_pattern(pattern="page:*") == 2500
    assert cache.delete_pattern("page:*") == 0
    assert list(cache.keys()) == ["kept"]
    assert cache.stats().erases == 5000
    with pytest.raises(TypeError):
        cache.delete_pattern(None)


def test_delete_pattern_of_what_cannot_be_written(name: str, cache: forklore.Cache) -> None:
    with forklore.Cache(name, read_only=True) as reader, pytest.raises(forklore.ReadOnly):
        reader.delete_pattern("*")

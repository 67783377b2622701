"""A handle reads what its serializer owns, and nothing else."""

from __future__ import annotations

import pickle
import sys

import pytest

import forklore

SERIALIZERS = ("pickle", "json", "msgpack")


class Trap:
    """Unpickling it would be seen."""

    sprung = False

    def __reduce__(self) -> tuple[object, ...]:
        return (spring, ())


def spring() -> str:
    Trap.sprung = True
    return "sprung"


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_round_trip(name: str, serializer: str) -> None:
    value = {"list": [1, 2.5, None, True, "é"], "deep": {"a": "b" * 1000}, "": -1}
    with forklore.Cache(name, "1MB", serializer=serializer) as cache:
        cache.set("k", value)
        assert cache.get("k") == value
        assert cache.get_many(["k"]) == {"k": value}
        assert cache.serializer == serializer


@pytest.mark.parametrize("writer", SERIALIZERS)
@pytest.mark.parametrize("reader", [*SERIALIZERS, "none"])
def test_foreign_formats_are_refused(name: str, writer: str, reader: str) -> None:
    with (
        forklore.Cache(name, "1MB", serializer=writer) as first,
        forklore.Cache.attach(name, serializer=reader) as second,
    ):
        first.set("k", [1])
        first.set("plain", "text")
        assert second.get("plain") == "text"
        if writer == reader:
            assert second.get("k") == [1]
            return
        for call in (lambda: second.get("k"), lambda: second.gets("k"), lambda: second.get_many(["plain", "k"])):
            with pytest.raises(forklore.SerializerError, match=f'is a {writer}.*serializer="{reader}"'):
                call()
        assert "k" in second
        assert second.delete("k")


def test_only_a_pickle_handle_loads_pickles(name: str) -> None:
    with forklore.Cache(name, "1MB") as writer, forklore.Cache.attach(name, serializer="json") as reader:
        writer.set("k", Trap())
        Trap.sprung = False
        with pytest.raises(forklore.SerializerError):
            reader.get("k")
        assert not Trap.sprung
        assert writer.get("k") == "sprung"
        assert Trap.sprung


@pytest.mark.parametrize(
    ("serializer", "value"),
    [("pickle", lambda: 0), ("json", {1, 2}), ("msgpack", object()), ("none", [1]), ("none", ())],
)
def test_what_cannot_be_written(name: str, serializer: str, value: object) -> None:
    with forklore.Cache(name, "1MB", serializer=serializer) as cache:
        cache.set("k", "old")
        for call in (cache.set, cache.add, cache.replace):
            with pytest.raises(forklore.SerializerError) as caught:
                call("k", value)
            assert (caught.value.__cause__ is None) == (serializer == "none")
        assert cache.get("k") == "old"


def test_what_cannot_be_read(cache: forklore.Cache) -> None:
    module = type(sys)("vanishing")
    exec("class Gone: pass", module.__dict__)
    module.Gone.__module__ = "vanishing"
    sys.modules["vanishing"] = module
    cache.set("k", module.Gone())
    del sys.modules["vanishing"]
    with pytest.raises(forklore.SerializerError, match="deserialized") as caught:
        cache.get("k")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    cache.set("k", "fine again")
    assert cache.get("k") == "fine again"


def test_an_exception_that_is_no_error_passes(cache: forklore.Cache) -> None:
    class Interrupted:
        def __reduce__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.set("k", Interrupted())


def test_the_newest_pickle_protocol(cache: forklore.Cache) -> None:
    protocols: list[object] = []

    class Seen:
        def __reduce_ex__(self, protocol: object) -> str | tuple[object, ...]:
            protocols.append(protocol)
            return (list, ())

    cache.set("k", Seen())
    assert protocols == [pickle.HIGHEST_PROTOCOL]


def test_pickling_may_use_the_cache(cache: forklore.Cache) -> None:
    class Nested:
        def __reduce__(self) -> tuple[object, ...]:
            cache.set("inner", 1)
            return (list, ())

    cache.set("k", Nested())
    assert cache.get("k") == []
    assert cache.get("inner") == 1

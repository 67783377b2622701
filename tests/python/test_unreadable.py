"""A value that cannot be read back: what reads say of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import forklore


class Gone:
    """Stores an instance of a class, and takes the class away."""

    def __init__(self) -> None:
        self.module = ModuleType("vanishing")
        exec("class Order: pass", self.module.__dict__)
        self.module.Order.__module__ = "vanishing"

    def store(self, cache: forklore.Cache, key: str, ttl: Any = None) -> None:
        sys.modules["vanishing"] = self.module
        try:
            cache.set(key, self.module.Order(), ttl)
        finally:
            del sys.modules["vanishing"]


@pytest.fixture
def gone() -> Gone:
    return Gone()


def test_each_read_raises_and_names_the_key(cache: forklore.Cache, gone: Gone) -> None:
    gone.store(cache, "k")
    cache.set("fine", 1)
    reads: list[Callable[[], Any]] = [
        lambda: cache.get("k"),
        lambda: cache.gets("k"),
        lambda: cache.get_many(["fine", "k"]),
    ]
    for read in reads:
        with pytest.raises(forklore.Unreadable) as caught:
            read()
        assert caught.value.key == "k"
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert cache.get("fine") == 1
    assert "k" in cache


def test_it_is_a_serializer_error_and_writing_is_not_unreadable(cache: forklore.Cache) -> None:
    assert issubclass(forklore.Unreadable, forklore.SerializerError)
    assert forklore.Unreadable().key is None
    with pytest.raises(forklore.SerializerError) as caught:
        cache.set("k", lambda: 0)
    assert not isinstance(caught.value, forklore.Unreadable)


def test_an_interrupted_read_is_no_unreadable_value(cache: forklore.Cache) -> None:
    cache.set("k", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        cache.get_many(["k"])


class Interrupting:
    def __reduce__(self) -> tuple[Any, ...]:
        return (interrupt, ())


def interrupt() -> None:
    raise KeyboardInterrupt

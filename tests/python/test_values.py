"""Values come back as what they were, of the very type."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import math
import mmap
import sys

import pytest

import forklore


class Color(enum.IntEnum):
    RED = 1


class Safe(str):
    """As Django's SafeString: a str that is more than a str."""


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


TYPED = [
    b"",
    b"x",
    b"\x00\xff" * 50,
    "",
    "a",
    "é",
    "plain",
    "12345678",
    "123456789",
    "x" * 100_000,
    "Grüße, 世界 🚀",
    "Grüße an alle",
    "\x80" * 9,
    "ÿ" * 8,
    "ж",
    "жжжж",
    "Привет, мир",
    "世界" * 50,
    "ж" + "a" * 100,
    "a" * 100 + "Ā",
    "aé\u2013",
    "\u0100" * 5,
    "\ud800" * 60,
    "\uffff" * 9,
    "🚀" * 30,
    "lone \ud800 surrogate",
    "\x00\x7f",
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**64,
    -(2**200),
    10**5000,
    0.0,
    -1.5,
    math.inf,
    5e-324,
    True,
    False,
    None,
]

SERIALIZED = [
    (),
    [1, "two", [3.0]],
    {"a": {"b": None}},
    {1, 2},
    Color.RED,
    Safe("safe"),
    Point(1, 2),
    decimal.Decimal("1.10"),
    datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc),
    collections.OrderedDict(a=1),
    len,
    Point,
    "x" * 10,
    bytearray(b"abc"),
]


def ids(value: object) -> str:
    return f"{type(value).__name__}-{str(value)[:20]!a}" if not isinstance(value, int) else f"int{value.bit_length()}"


@pytest.mark.parametrize("value", TYPED, ids=ids)
@pytest.mark.parametrize("serializer", ["pickle", "none"])
def test_typed_values_need_no_serializer(name: str, value: object, serializer: str) -> None:
    with forklore.Cache(name, "4MB", serializer=serializer) as cache:
        cache.set("k", value)
        assert cache.get("k") == value
        assert type(cache.get("k")) is type(value)
        assert cache.gets("k")[0] == value
        assert cache.get_many(["k"]) == {"k": value}
        assert cache.set_many({"m": value}) == []
        assert cache.get("m") == value


def test_nan(cache: forklore.Cache) -> None:
    cache.set("k", math.nan)
    assert math.isnan(cache.get("k"))


@pytest.mark.parametrize("value", SERIALIZED, ids=ids)
def test_other_values_are_pickled(cache: forklore.Cache, value: object) -> None:
    cache.set("k", value)
    got = cache.get("k")
    assert got == value
    assert type(got) is type(value)


def test_a_fresh_copy_each_time(cache: forklore.Cache) -> None:
    stored = [1]
    cache.set("k", stored)
    stored.append(2)
    cache.get("k").append(3)
    assert cache.get("k") == [1]


def test_a_stored_none_is_a_value(cache: forklore.Cache) -> None:
    cache.set("k", None)
    assert cache.get("k", "default") is None
    assert cache.gets("k", "default")[0] is None
    assert "k" in cache
    assert cache.get("absent", "default") == "default"
    assert cache.get("absent") is None
    assert cache.gets("absent", 5) == (5, None)


def test_values_of_every_size(cache: forklore.Cache) -> None:
    for size in [*range(70), 255, 256, 4095, 4096, 65_535, 65_536, 500_000]:
        data = bytes(i % 251 for i in range(size))
        cache.set("b", data)
        assert cache.get("b") == data
        for letter in "zß\u2013世🚀":
            text = ("abcdefg" * (size // 7))[:-1] + letter * (size % 7 + 1)
            cache.set("t", text)
            assert cache.get("t") == text
            cache.set("t", letter * (size // 4))
            assert cache.get("t") == letter * (size // 4)


def test_an_application_keeps_its_singletons(cache: forklore.Cache) -> None:
    for value in (True, False, None, ""):
        cache.set("k", value)
        assert cache.get("k") is value


def test_a_str_takes_no_more_than_as_utf_8(name: str) -> None:
    with forklore.Cache(name, "4MB") as cache:
        for text in (
            "plain",
            "é" * 1000,
            "ж" * 1000,
            "世" * 1000,
            "a\u2013" * 1000,
            "a" * 1000 + "\u2013",
            "🚀" * 1000,
            "жa" * 1000,
        ):
            cache.clear()
            cache.set("k", text)
            assert cache.stats().live_bytes <= len(text.encode()) + 40


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ("x" * 40, b"x\xe9" * 20),
        ("é" * 40, b"e" * 40),
        ("ж" * 40, b"a\0" * 40),
        ("a🚀" * 20, b"\xff" * 100),
    ],
    ids=["ascii", "latin", "wide", "text"],
)
def test_a_damaged_str_is_no_str(name: str, text: str, damage: bytes) -> None:
    with forklore.Cache(name, "1MB") as cache:
        cache.set("k", text)
        stored = text.encode({"é": "latin-1", "ж": f"utf-16-{sys.byteorder[0]}e"}.get(text[0], "utf-8"))
        with open(cache.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            place = memory.find(stored)
            assert place > 0
            memory[place : place + len(stored)] = damage[: len(stored)]
        with pytest.raises(forklore.SerializerError, match="damaged"):
            cache.get("k")

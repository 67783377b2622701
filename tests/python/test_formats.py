"""The registry of value formats: its numbers, and what the docs say of them."""

from __future__ import annotations

import copy
import gc
import io
import json
import mmap
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import forklore
from forklore import _core

DOCS = Path(__file__).parents[2] / "docs" / "python.md"


class Marked(str):
    __slots__ = ()


TEXTS = [
    "",
    "a",
    "ab",
    "short",
    "x" * 100,
    "é",
    "é" * 100,
    "ж" * 3,
    "ж" * 100,
    "a" * 99 + "ж",
    "\U0001f600" * 5,
    "\ud800",
]


def rows_of_docs() -> list[tuple[str, str, str]]:
    """(type, number, bytes) of the rows of the table of values."""
    text = DOCS.read_text()
    table = text[text.index("| value | format | bytes |") :].split("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    return [(value, number, stored) for value, number, stored in lines]


def test_docs_name_each_format() -> None:
    rows = [(kind, str(number), stored) for number, _, kind, stored in sorted(_core._formats())]
    assert rows_of_docs() == rows


def test_each_number_is_one_format() -> None:
    numbers = [number for number, *_ in _core._formats()]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 128 for number in numbers)


@pytest.fixture
def marked() -> Iterator[type[Marked]]:
    """A type of the formats "safe" in this interpreter, until the next one is registered."""
    _core._register_type("safe", Marked)
    yield Marked
    try:
        from django.utils.safestring import SafeString
    except ImportError:
        return
    _core._register_type("safe", SafeString)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("serializer", ["pickle", "json", "none"])
def test_a_registered_type_comes_back(name: str, marked: type[Marked], text: str, serializer: str) -> None:
    with forklore.Cache(name, "1MB", serializer=serializer) as cache:
        cache.set("k", marked(text))
        for value in (cache.get("k"), cache.get_many(["k"])["k"], cache.gets("k")[0]):
            assert type(value) is marked
            assert value == text
            assert hash(value) == hash(text)
            assert value + "!" == text + "!"
            assert {value: 1}[text] == 1
            assert len(value) == len(text)


def test_a_subclass_of_a_registered_type_goes_through_the_serializer(name: str, marked: type[Marked]) -> None:
    class Other(marked):  # type: ignore[valid-type,misc]
        pass

    with forklore.Cache(name, "1MB", serializer="none") as cache, pytest.raises(forklore.SerializerError):
        cache.set("k", Other("text"))


def test_what_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="no format other"):
        _core._register_type("other", Marked)
    for wrong in (str, int):
        with pytest.raises(TypeError, match="subclass of str"):
            _core._register_type("safe", wrong)


class WithDict(str):
    """Has more in memory than a str: is made by calling the type."""


class WithCode(str):
    __slots__ = ()
    made: ClassVar[list[str]] = []

    def __new__(cls, text: str) -> WithCode:
        cls.made.append(text)
        return super().__new__(cls, text)


@pytest.mark.parametrize("kind", [WithDict, WithCode])
@pytest.mark.parametrize("text", TEXTS)
def test_a_type_that_is_more_than_a_str(cache: forklore.Cache, marked: object, kind: type[str], text: str) -> None:
    _core._register_type("safe", kind)
    WithCode.made.clear()
    cache.set("k", kind(text))
    assert cache.get("k") == text
    assert type(cache.get("k")) is kind
    assert WithCode.made == ([text] * 3 if kind is WithCode else [])
    if kind is WithDict:
        value = cache.get("k")
        value.own = 1
        assert vars(value) == {"own": 1}


MODULES = {"copy": copy, "io": io, "json": json, "pickle": pickle, "re": re}
OPERATIONS = (
    """
str(value); repr(value); hash(value); len(value); list(value); sorted(value); bool(value); type(value)(value)
copy.copy(value); copy.deepcopy(value); pickle.dumps(value); json.dumps(value); value.__reduce_ex__(2)[1]
value + value; value * 3; "-".join([value, value]); value[1:]; f"{value:>200}"; "{}".format(value)
value.encode(); value.encode("utf-16"); value.upper(); value.strip(); value.split("x"); value.replace("x", "yy")
value.find("x"); re.findall(".", value); value.isascii(); value.translate({120: 121}); io.StringIO(value).read()
value in {text}; {value: 1}[text]; value < text + "a"; value == text; isinstance(value, str); text.startswith(value)
""".replace("\n", ";")
    .strip(";")
    .split(";")
)


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "\ud800"])
def test_what_was_read_is_a_str_in_every_way(cache: forklore.Cache, marked: type[Marked], text: str) -> None:
    """It was not made by Python's own constructor."""
    cache.set("k", marked(text))
    usual = marked(text)
    operations = [eval(f"lambda value, text: {words}", MODULES) for words in OPERATIONS]
    for operation in operations:
        value = cache.get("k")
        assert operation(value, text) == operation(usual, text)
        assert type(operation(value, text)) is type(operation(usual, text))
        assert value == text
    assert sys.getsizeof(cache.get("k")) > 0
    assert pickle.loads(pickle.dumps(cache.get("k"))) == text


def test_those_that_were_read_are_collected(cache: forklore.Cache, marked: type[Marked]) -> None:
    cache.set("k", marked("x" * 1000))
    gc.collect()
    before = sys.getrefcount(Marked)
    kept: list[Any] = [[cache.get("k")] for _ in range(5000)]
    for one in kept:
        one.append(one)
    assert sys.getrefcount(Marked) == before + 5000
    assert {type(one[0]) for one in kept} == {Marked}
    gc.collect()
    del kept, one
    gc.collect()
    assert sys.getrefcount(Marked) == before


@pytest.mark.parametrize(
    ("text", "encoding", "damage"),
    [
        ("safe" * 30, "ascii", b"\xff"),
        ("é" * 99, "latin-1", b"x"),
        ("ж" * 99, "utf-16-le", b"\0"),
        ("short", "ascii", b"\xff"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_damaged_text_is_unreadable(
    cache: forklore.Cache, marked: type[Marked], text: str, encoding: str, damage: bytes, plain: bool
) -> None:
    """A str that says to be ASCII, or not to be, must be so: Python relies on it."""
    cache.set("k", text if plain else marked(text))
    stored = text.encode(encoding)
    with open(cache.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        at = memory.find(b"k" + stored)
        assert at > 0
        memory[at + 1 : at + 1 + len(stored)] = damage * len(stored)
    with pytest.raises(forklore.Unreadable, match=r"damaged: format \d+ \((safe|ascii|latin|wide)\)"):
        cache.get("k")


def test_under_the_debug_allocator() -> None:
    """Which finds each byte that is written beyond an object, and each object that is freed as another kind."""
    chosen = ["-q", "-p", "no:cacheprovider", __file__, "-k", "str_in or collected or comes_back or damaged"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONMALLOC": "debug"},
    )
    assert done.returncode == 0, done.stdout + done.stderr

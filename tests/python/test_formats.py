"""The registry of value formats: its numbers, and what the docs say of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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

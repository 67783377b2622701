"""What a segment may hold when its author means harm, or when it is damaged. Nothing of it reaches a terminal raw."""

from __future__ import annotations

import random
import sys
import unicodedata

import pytest

import forklore

from .conftest import call, done, objects
from .test_changing import segment_file

UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Cs", "Cn"}
HOSTILE = {
    "escape": b"\x1b[31mred\x1b]0;title\x07",
    "controls": bytes(range(32)) + b"\x7f",
    "C1 controls": "\x9b31m\x85".encode(),
    "right-to-left override": "gpj.\u202eexe.\u202c".encode(),
    "isolates": "\u2066a\u2069\u200e\u200f\u061c".encode(),
    "line separators": "a\u2028b\u2029c".encode(),
    "unseen": "a\u200bb\ufeffc\U000e0041d".encode(),
    "no UTF-8": b"\xff\xc0\x80\xed\xa0\x80\xf5\x80\x80\x80\xe2\x82",
    "longest": b"\x1b" * 1024,
    "newlines": b"one\ntwo\r\nthree",
}


def assert_harmless(text: str, kept: str = "\n") -> None:
    bad = {c for c in text if unicodedata.category(c) in UNSEEN and c not in kept}
    assert not bad, bad


@pytest.mark.parametrize("case", HOSTILE)
def test_keys_and_values(cache: forklore.Cache, name: str, case: str) -> None:
    bad = HOSTILE[case]
    cache.set(bad, bad)
    listed = done("keys", name)
    assert_harmless(listed.text)
    [line] = listed.text.split("\n")[:-1]
    value = done("get", name, "--escaped", line)
    assert_harmless(value.text, "\n\t")
    [shown] = objects("get", name, "--escaped", line)
    assert shown["key"] == shown["value"]
    if isinstance(shown["key"], str):
        assert shown["key"].encode() == bad
    assert [one["key"] for one in objects("keys", name)] == [shown["key"]]
    done("delete", name, "--escaped", line)
    answer = call("get", name, "--escaped", line)
    assert answer.exit == 1
    assert_harmless(answer.error)
    assert_harmless(call("delete", name, "--escaped", line).text)


def test_all_characters(cache: forklore.Cache, name: str) -> None:
    """Each character is printed as it is, or as an escape; each comes back."""
    keys = set()
    for first in range(0, 0x110000, 250):
        text = "".join(chr(c) for c in range(first, first + 250) if c < 0x110000 and not 0xD800 <= c <= 0xDFFF)
        if not (0x40000 <= first < 0xE0000) and text:
            keys.add(text.encode()[:1024].decode(errors="ignore"))
    for key in keys:
        cache.set(key, "")
    listed = done("keys", name).text
    assert len(listed.split("\n")) == len(keys) + 1
    bad = {c for c in listed if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} and c != "\n"}
    assert not bad
    assert not {c for c in listed if unicodedata.bidirectional(c) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI",
                                                                      "FSI", "PDI"}}  # fmt: skip
    assert {one["key"] for one in objects("keys", name)} == keys


def test_wrong_bytes_of_a_format(cache: forklore.Cache, name: str) -> None:
    """A float of three bytes, say: it is named and not shown. Entries of integers are laid out otherwise."""
    numbers = [number for number, *_ in forklore._core._formats() if number != 1] + [300]
    for number in numbers:
        cache.set(f"key {number:03}", b"\xff\x1b[")
    with segment_file(name).open("r+b") as file:
        whole = file.read()
        for number in numbers:
            at = whole.index(f"key {number:03}".encode()) - 16  # the entry's head, whose lowest 16 bits are its format
            file.seek(at)
            file.write(number.to_bytes(2, sys.byteorder))
    for number in numbers:
        answer = call("get", name, f"key {number:03}")
        [shown] = objects("get", name, f"key {number:03}")
        assert (answer.exit, "value" in shown) in ((0, True), (1, False))
        assert_harmless(answer.text)
        assert_harmless(answer.error)
        assert shown["bytes"] == 3
    assert call("get", name, "key 004").exit == call("get", name, "key 010").exit == 1
    assert objects("get", name, "key 300")[0]["format"] == "format 300"


def test_a_damaged_header(cache: forklore.Cache, name: str) -> None:
    path = segment_file(name)
    whole = path.read_bytes()
    try:
        with path.open("r+b") as file:
            file.write(b"\x1b[31m" * 20)
        for words in (["stats", name], ["keys", name], ["get", name, "k"], ["set", name, "k", "v"], ["verify", name]):
            answer = call(*words)
            assert (answer.exit, answer.out) == (1, b"")
            assert_harmless(answer.error)
        [one] = [one for one in objects("list") if one["name"] == name]
        assert "error" in one and "entries" not in one
        line = next(line for line in done("list").lines if line.startswith(f"{name} "))
        assert line.split()[4:7] == ["-", "-", "-"]
    finally:
        with path.open("r+b") as file:
            file.write(whole)


def test_damage_is_found_and_harms_nothing(name: str) -> None:
    """Random bytes all over a segment: each command ends by itself with 0 or 1, and verify finds them."""
    chance = random.Random(7)
    found = 0
    for _ in range(8):
        with forklore.Cache(name, "256KB") as cache:
            for i in range(1000):
                cache.set(f"k{i}", "x" * 40)
        path = segment_file(name)
        with path.open("r+b") as file:
            for _ in range(1000):
                file.seek(chance.randrange(4096, path.stat().st_size))
                file.write(chance.randbytes(8))
        for words in (["stats", name], ["stats", "--json", name], ["keys", name], ["keys", "--json", name]):
            answer = call(*words)
            assert answer.exit in (0, 1), answer
            assert_harmless(answer.text)
        for i in range(0, 1000, 250):
            assert call("get", name, f"k{i}").exit in (0, 1)
        answer = call("verify", name)
        assert answer.exit in (0, 1), answer
        found += answer.exit
        if answer.exit == 1:
            assert answer.out or answer.error
        forklore.remove(name)
    assert found == 8


def test_a_removed_segment_and_its_successor(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    done("remove", "--yes", name)
    with forklore.Cache(name, "1MB") as other:
        other.set("k", "new")
        assert done("get", name, "k").text == "new\n"

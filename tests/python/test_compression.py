"""compress_above: which values are compressed, who reads them, and what a damaged or hostile one comes to."""

from __future__ import annotations

import copy
import lzma
import mmap
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError
from django.utils.safestring import SafeString, mark_safe

import forklore
import forklore.django
from forklore import compression

from .django_site import configured

NAMES = ["zlib", "zstd", "lz4"]
LARGE = "<p>a template fragment</p>" * 400
HEAD = struct.Struct("=IH")


def noise(size: int) -> bytes:
    return random.Random(7).randbytes(size)


def lies_there(cache: forklore.Cache, data: bytes) -> bool:
    """Whether these bytes are in the segment."""
    return data in Path(cache.path).read_bytes()


@pytest.fixture(params=NAMES)
def how(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def packing(name: str, how: str) -> Iterator[forklore.Cache]:
    with forklore.Cache(name, "4MB", compress_above=1000, compression=how) as opened:
        yield opened
        assert opened.verify() == []


@pytest.mark.parametrize(
    "value",
    [
        LARGE,
        "é" * 5000,
        "ж" * 5000,
        "a" * 4999 + "ж",
        "\U0001f600" * 3000,
        LARGE.encode(),
        [LARGE, {"k": (1, 2)}],
        mark_safe(LARGE),
    ],
    ids=["ascii", "latin", "wide", "mixed", "text", "bytes", "pickle", "safe"],
)
def test_round_trip(name: str, packing: forklore.Cache, value: Any) -> None:
    before = packing.stats().live_bytes
    packing.set("k", value)
    assert packing.stats().live_bytes - before < 3000
    with forklore.Cache.attach(name) as plain:  # the format says how
        for cache in (packing, plain):
            for read in (
                cache.get("k"),
                cache.gets("k")[0],
                cache.get_many(["k"])["k"],
                cache.get_or_compute("k", int),
            ):
                assert read == value
                assert type(read) is type(value)


def test_each_way_to_write(packing: forklore.Cache) -> None:
    assert packing.add("add", LARGE)
    assert packing.replace("add", LARGE + "!")
    assert packing.set_many({"a": LARGE, "b": LARGE + "b", "c": 1}) == []
    _, version = packing.gets("a")
    assert packing.cas("a", LARGE + "cas", version)
    assert packing.get_or_compute("made", lambda: LARGE) == LARGE
    assert packing.get_many(["add", "a", "b", "c", "made"]) == {
        "add": LARGE + "!", "a": LARGE + "cas", "b": LARGE + "b", "c": 1, "made": LARGE}  # fmt: skip
    assert not lies_there(packing, LARGE.encode())


def test_what_is_not_compressed(packing: forklore.Cache) -> None:
    plain = {"up to the size": "x" * 1000, "noise": noise(5000)}
    for key, value in plain.items():
        packing.set(key, value)
        assert lies_there(packing, value if isinstance(value, bytes) else value.encode())
    for number in (5, 1 << 60, 1 << 40_000, 1.5, True, None):
        packing.set("n", number)
        assert packing.get("n") == number
    packing.set("counter", 1)
    assert packing.incr("counter") == 2


def test_it_is_off_unless_asked_for(cache: forklore.Cache) -> None:
    cache.set("k", LARGE)
    assert lies_there(cache, LARGE.encode())


def test_small_values_never(name: str) -> None:
    with forklore.Cache(name, "1MB", compress_above=1) as cache:
        cache.set("k", "x" * 64)
        assert lies_there(cache, b"x" * 64)
        cache.set("k", "y" * 65)
        assert not lies_there(cache, b"y" * 65)


def test_too_large_is_so_before_compression(name: str) -> None:
    """Else who reads could not bound what it takes."""
    with forklore.Cache(name, "4MB", max_value=100_000, compress_above=100) as cache:
        cache.set("k", "x" * 100_000)
        with pytest.raises(forklore.TooLarge, match="100001 bytes"):
            cache.set("k", "x" * 100_001)
        assert cache.get("k") == "x" * 100_000


def test_a_serializer_of_another_handle(name: str, packing: forklore.Cache) -> None:
    packing.set("k", [LARGE])
    with (
        forklore.Cache.attach(name, serializer="json") as reader,
        pytest.raises(forklore.Unreadable, match=r'is a pickle.*"json"'),
    ):
        reader.get("k")


def test_copies_and_children_compress_too(packing: forklore.Cache) -> None:
    for other in (copy.copy(packing), pickle.loads(pickle.dumps(packing))):
        with other:
            other.set("k", LARGE)
            assert not lies_there(packing, LARGE.encode())
            assert packing.get("k") == LARGE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compress_above": 100, "compression": "gzip"}, 'compression must be "zlib", "zstd" or "lz4"'),
        ({"compress_above": 100, "compression": 5}, "compression must be"),
        ({"compress_above": "many"}, "compress_above"),
        ({"compress_above": 0}, "compress_above must be a number of bytes from 1 to 17179869184, not 0"),
        ({"compress_above": "100GB"}, "compress_above must be a number of bytes from 1 to 17179869184"),
        ({"compression": "zstd"}, "compress_above is not given"),
    ],
)
def test_wrong_options(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(forklore.OpenError, match=words):
        forklore.Cache(name, "1MB", **options)


WITHOUT_PACKAGE = """
import sys
sys.modules[sys.argv[2]] = None
import forklore
cache = forklore.Cache.attach(sys.argv[1])
try:
    cache.get("k")
except forklore.Unreadable as error:
    print(error)
try:
    forklore.Cache.attach(sys.argv[1], compress_above=100, compression=sys.argv[3])
except forklore.OpenError as error:
    print(error)
print(cache.get_or_compute("k", lambda: "anew"))
"""


@pytest.mark.parametrize(("how", "package"), [("zstd", "zstandard"), ("lz4", "lz4")])
def test_without_the_package(name: str, how: str, package: str) -> None:
    with forklore.Cache(name, "1MB", compress_above=100, compression=how) as cache:
        cache.set("k", LARGE)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PACKAGE, name, package, how], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        reading, opening, anew = done.stdout.splitlines()
        assert reading == f"the stored value is compressed by {how}; pip install {package}"
        assert opening.endswith(f"cannot be imported; pip install {package}")
        assert anew == "anew"


# Damage. The value lies in the segment's file with its head before it.


@pytest.fixture
def damage(packing: forklore.Cache, how: str) -> Callable[[Callable[[bytes], bytes]], None]:
    """Stores a value and changes its bytes to others of the same length."""

    def change(into: Callable[[bytes], bytes]) -> None:
        packing.set("k", LARGE)
        stored = HEAD.pack(len(LARGE), 2) + compression.calls_of(how)[0](LARGE.encode())
        changed = into(stored)
        assert len(changed) == len(stored)
        with open(packing.path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            at = memory.find(stored)
            assert at > 0
            memory[at : at + len(stored)] = changed

    return change


def head_of(size: int, number: int) -> Callable[[bytes], bytes]:
    return lambda stored: HEAD.pack(size, number) + stored[HEAD.size :]


@pytest.mark.parametrize(
    "into",
    [
        head_of(0, 2),
        head_of(64, 2),
        head_of(len(LARGE) - 1, 2),
        head_of(len(LARGE) + 1, 2),
        head_of((1 << 32) - 1, 2),
        head_of(len(LARGE), 1),  # a number
        head_of(len(LARGE), 64),  # compressed twice
        head_of(len(LARGE), 65),
        head_of(len(LARGE), 99),  # no format
        head_of(len(LARGE), 9),  # ASCII that says to be Latin-1
        head_of(len(LARGE), 16),  # no pickle
        lambda stored: stored[:20] + bytes(len(stored) - 20),
        lambda stored: HEAD.pack(len(LARGE), 2) + noise(len(stored) - HEAD.size),
    ],
)
def test_damage_is_unreadable(
    packing: forklore.Cache, damage: Callable[[Callable[[bytes], bytes]], None], into: Callable[[bytes], bytes]
) -> None:
    damage(into)
    tracemalloc.start()
    try:
        with pytest.raises(forklore.Unreadable) as caught:
            packing.get("k")
        assert tracemalloc.get_traced_memory()[1] < 3 << 20  # and not what was claimed
    finally:
        tracemalloc.stop()
    assert caught.value.key == "k"
    assert packing.get_or_compute("k", lambda: "anew") == "anew"


@pytest.mark.parametrize("name_of_way", NAMES)
def test_a_bomb_takes_no_more_than_it_claims(name_of_way: str) -> None:
    pack, unpack = compression.calls_of(name_of_way)
    bomb = pack(bytes(64 << 20))
    tracemalloc.start()
    try:
        try:
            made = unpack(bomb, 1000)
        except Exception:
            made = b""
        assert len(made) != 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_follows_the_data_is_refused() -> None:
    pack, unpack = compression.calls_of("zlib")
    assert unpack(pack(b"x" * 1000), 1000) == b"x" * 1000
    for wrong in (pack(b"x" * 1000) + b"more", pack(b"x" * 1000)[:-1], lzma.compress(b"x" * 1000)):
        with pytest.raises((ValueError, zlib.error)):
            unpack(wrong, 1000)


# Django


def test_django(name: str, how: str) -> None:
    with configured(name, {"COMPRESS_ABOVE": "1KB", "COMPRESSION": how}):
        cache = caches["default"]
        cache.set("k", mark_safe(LARGE))
        assert cache.get("k") == LARGE
        assert type(cache.get("k")) is SafeString
        assert not lies_there(cache.handle, LARGE.encode())
        assert cache.get_or_set("list", lambda: [LARGE]) == [LARGE]
        assert cache.get("list") == [LARGE]
        cache.set("n", 1)
        assert cache.incr("n") == 2


def test_django_says_what_is_wrong(name: str) -> None:
    with configured(name, {"COMPRESS_ABOVE": 100, "COMPRESSION": "gzip"}):
        with pytest.raises(InvalidCacheBackendError, match="COMPRESSION must be"):
            caches["default"].get("k")
        assert [error.id for error in checks.run_checks(tags=["caches"])] == ["forklore.E001"]

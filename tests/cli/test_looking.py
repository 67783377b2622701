"""list, stats, keys and get. Looking changes nothing."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

import forklore

from .conftest import PROGRAM, ROOT, call, done, objects

VALUES: dict[str, tuple[Any, str, Any]] = {  # what is stored, what get prints, what it answers in JSON
    "ascii": ("hello", "hello", "hello"),
    "text": ("a🙂", "a🙂", "a🙂"),
    "latin": ("déjà vu", "déjà vu", "déjà vu"),
    "wide": ("żółć" * 9, "żółć" * 9, "żółć" * 9),
    "empty": ("", "", ""),
    "lines": ("a\n\tb\\", "a\n\tb\\", "a\n\tb\\"),
    "bytes": (b"plain", "plain", "plain"),
    "no text": (b"\xff\x00\xc3", r"\xff\x00\xc3", {"base64": base64.b64encode(b"\xff\x00\xc3").decode()}),
    "integer": (-(2**63), str(-(2**63)), -(2**63)),
    "real": (1.5, "1.5", 1.5),
    "infinite": (float("inf"), "inf", "inf"),
    "true": (True, "True", True),
    "false": (False, "False", False),
    "none": (None, "None", None),
    "big": (2**70, hex(2**70), hex(2**70)),
    "below": (-(2**63) - 1, hex(-(2**63) - 1), hex(-(2**63) - 1)),
    "deep": (-(2**127), hex(-(2**127)), hex(-(2**127))),
}


def test_list(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    cache.get("k")
    cache.get("absent")
    [one] = [one for one in objects("list") if one["name"] == name]
    assert (one["entries"], one["hit_ratio"], one["attached"]) == (1, 0.5, True)
    assert (one["uid"], one["bytes"]) == (os.geteuid(), 4 << 20)
    lines = done("list").lines
    assert lines[0].split() == ["NAME", "OWNER", "FORMAT", "BYTES", "FULL", "ENTRIES", "HITS", "ATTACHED"]
    assert any(re.match(rf"{name} .* 50\.0 %  yes$", line) for line in lines)


def test_stats_are_those_of_the_list_of_counts(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    cache.get("k")
    [shown] = objects("stats", name)
    counts = [info[0] for info in forklore._core._COUNTS]
    assert list(shown) == [*counts, "full", "hit_ratio"]
    stats = cache.stats()
    for count in set(counts) - {"age_seconds", "processes", "reattachments"}:
        assert shown[count] == getattr(stats, count), count
    assert (shown["processes"], shown["hit_ratio"]) == ([os.getpid()], 1)
    lines = done("stats", name).lines
    assert [line.split()[0] for line in lines] == list(shown)
    assert "hits                1              calls" in lines
    explained = done("stats", name, "--explain").text
    assert re.search(r"^hits .* Reads that found their entry\.$", explained, re.MULTILINE)


def test_keys(cache: forklore.Cache, name: str) -> None:
    for i in range(3000):
        cache.set(f"page:{i}", b"x" * (i % 7), ttl=60 if i % 2 else None)
    assert sorted(done("keys", name).lines) == sorted(cache.keys())
    assert sorted(done("keys", name, "page:299?").lines) == sorted(f"page:299{i}" for i in range(10))
    assert done("keys", name, "absent*").lines == []
    assert len(done("keys", name, "--limit", "5").lines) == 5
    entries = {one["key"]: one for one in objects("keys", name)}
    assert len(entries) == 3000
    for key, one in entries.items():
        i = int(key.partition(":")[2])
        assert (one["bytes"], one["format"]) == (i % 7, "bytes")
        assert 0 < one["ttl"] <= 60 if i % 2 else one["ttl"] is None


def test_keys_into_a_closed_pipe_and_in_little_memory(name: str) -> None:
    """100,000 keys of 300 bytes are 30 MB; the program has 10 MB of heap."""
    limited = ["bash", "-c", 'ulimit -d 10000; exec "$@"', "limited", PROGRAM]
    with forklore.Cache(name, "64MB") as cache:
        for i in range(100_000):
            cache.set(f"{i:0300}", b"")
        with subprocess.Popen([*limited, "keys", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as lister:
            assert lister.stdout is not None and lister.stderr is not None
            assert len(lister.stdout.readline()) == 301
            lister.stdout.close()
            assert lister.stderr.read() == b""
        whole = subprocess.run([*limited, "keys", name], capture_output=True, timeout=60, check=True)
        assert len(set(whole.stdout.splitlines())) == 100_000


def test_a_full_disk_is_said(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    with open("/dev/full", "wb") as full:
        failed = subprocess.run([PROGRAM, "keys", name], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert (failed.returncode, failed.stderr) == (1, b"forklore: cannot write: No space left on device\n")


@pytest.mark.parametrize("case", VALUES)
def test_get(cache: forklore.Cache, name: str, case: str) -> None:
    stored, printed, in_json = VALUES[case]
    cache.set("k", stored, ttl=60)
    assert done("get", name, "k").text == printed + "\n"
    [shown] = objects("get", name, "k")
    assert shown["value"] == in_json and type(shown["value"]) is type(in_json)
    assert 0 < shown["ttl"] <= 60
    if isinstance(stored, bytes):
        assert done("get", "--raw", name, "k").out == stored


def test_get_of_what_python_alone_reads(cache: forklore.Cache, name: str) -> None:
    cache.set("k", {1, 2})
    answer = call("get", name, "k")
    assert (answer.exit, answer.out) == (1, b"")
    [shown] = objects("get", name, "k")
    assert shown["format"] == "pickle" and "value" not in shown
    assert f"k is not shown: pickle, {shown['bytes']} bytes" in answer.error
    assert len(done("get", "--raw", name, "k").out) == shown["bytes"]
    with forklore.Cache(name, serializer="json", compression="zlib", compress_above=64) as other:
        other.set("json", {"a": [1]})
        other.set("zlib", "x" * 1000)
    [shown] = objects("get", name, "json")
    assert (shown["format"], json.loads(shown["value"])) == ("json", {"a": [1]})
    [shown] = objects("get", name, "zlib")
    assert shown["format"] == "zlib" and "value" not in shown


def test_the_formats_are_those_of_the_package() -> None:
    """Each of its formats has a row in src/cli/value.cpp, with the number and the name."""
    source = (ROOT / "src/cli/value.cpp").read_text() + (ROOT / "src/cli/value.hpp").read_text()
    numbers = {"kBytes": 0, "kInteger": 1} | {
        word: int(number) for word, number in re.findall(r"(k\w+) = (\d+)[,;]", source)
    }
    rows = re.findall(r'Format\{(\w+), "(\w+)"', source)
    assert {(numbers.get(number) if number in numbers else int(number), name) for number, name in rows} == {
        (number, name) for number, name, *_ in forklore._core._formats()
    }


def test_looking_changes_nothing(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    before = cache.stats()
    for command in (["stats", name], ["keys", name], ["get", name, "k"], ["keys", "--json", name], ["list"]):
        done(*command)
    call("get", name, "absent")
    after = cache.stats()
    for count in ("hits", "misses", "writes", "entries", "processes"):
        assert getattr(after, count) == getattr(before, count)
    assert cache.info("k").frequency == 0


def test_looking_at_a_busy_segment(cache: forklore.Cache, name: str) -> None:
    """While another process writes, each answer is one of the values that were there, or a miss: looking takes no lock,
    so it may find a writer in between each time."""
    script = f"import forklore\nc = forklore.Cache({name!r})\nwhile True:\n for i in range(50): c.set('k', str(i) * 99)"
    cache.set("k", "0" * 99)
    with subprocess.Popen([sys.executable, "-c", script]) as writer:
        try:
            for _ in range(20):
                answer = call("get", name, "k")
                assert (answer.exit, answer.out) == (1, b"") or answer.text[:-1] in {str(i) * 99 for i in range(50)}
                assert set(done("keys", name).lines) <= {"k"}  # it may come twice
        finally:
            writer.kill()

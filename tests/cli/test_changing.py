"""set, delete, remove and verify."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

import forklore

from .conftest import PROGRAM, call, done, objects

SHM = Path("/dev/shm")
STRANGE = ["[a,b]", "{}", "%%", "-5", "a b", "ż", "[]", '"', "--", "-", "/x", "@file", "a=b", "--json", "''"]


def segment_file(name: str) -> Path:
    [path] = SHM.glob(f"forklore-*-{name}-v*")
    return path


def test_set(cache: forklore.Cache, name: str) -> None:
    assert done("set", name, "k", "hello").out == b""
    done("set", name, "n", "41", "--type", "int")
    done("set", name, "b", b"\xff\xfe", "--type", "bytes")
    done("set", name, "t", "żółć")
    done("set", "--", name, "-k", "--json")
    done("set", name, "e", "")
    assert cache.get_many(["k", "t", "-k", "e"]) == {"k": "hello", "t": "żółć", "-k": "--json", "e": ""}
    assert (cache.get("b"), cache.incr("n")) == (b"\xff\xfe", 42)
    for strange in STRANGE:
        done("set", "--", name, strange, strange)
        assert cache.get(strange) == strange
        assert done("get", "--", name, strange).text == strange + "\n"
    assert cache.ttl("k") is None
    [shown] = objects("set", name, "k", "żółć", "--ttl", "1.5h")
    assert shown == {"key": "k", "format": "text", "bytes": 8, "ttl": 5400}


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1500ms", 1.5), ("5m", 300), ("7d", 604800)])
def test_times(cache: forklore.Cache, name: str, text: str, seconds: float) -> None:
    assert objects("set", name, "k", "v", "--ttl", text)[0]["ttl"] == seconds
    left = cache.ttl("k")
    assert left is None or seconds - 20 < left <= seconds  # None: a slow machine has seen it expire


@pytest.mark.parametrize("text", ["", "0", "-5", "5x", "five", "1e99", "nan", "inf", "0x10"])
def test_no_times(cache: forklore.Cache, name: str, text: str) -> None:
    assert call("set", name, "k", "v", f"--ttl={text}").exit == 2 or text == ""
    assert text == "" or cache.get("k") is None


def test_refused_values(name: str) -> None:
    with forklore.Cache(name, "1MB", when_full="reject") as cache:
        answer = call("set", name, "k", "x" * 100_000)
        assert (answer.exit, cache.get("k")) == (1, None)
        assert "larger than max_value_bytes" in answer.error
        filled = 0
        while cache.stats().refused < 2 and filled < 10_000:
            filled += 1
            if not call_set(cache, f"key {filled}"):
                break
        answer = call("set", name, "one more", "x" * 1000)
        assert (answer.exit, "when_full: reject" in answer.error) == (1, True), answer
    assert call("set", name, "k", b"\xff").exit == 2
    assert call("set", name, "k", "1.5", "--type", "int").exit == 2
    assert call("set", name, "k", str(2**63), "--type", "int").exit == 2
    assert call("set", name, "k", "v", "--type", "float").exit == 2


def call_set(cache: forklore.Cache, key: str) -> bool:
    try:
        cache.set(key, b"x" * 1000)
    except forklore.Error:
        return False
    return True


def test_set_never_creates(name: str) -> None:
    answer = call("set", name, "k", "v")
    assert (answer.exit, "there is no such segment" in answer.error) == (1, True)
    assert list(SHM.glob(f"forklore-*-{name}-*")) == []


def test_delete(cache: forklore.Cache, name: str) -> None:
    for key in ["a", "b", *STRANGE]:
        cache.set(key, "v")
    assert done("delete", name, "a").out == b""
    answer = call("delete", name, "a", "b")
    assert (answer.exit, answer.text, answer.error) == (1, "not there: key a\n", "")
    assert objects("delete", name, "a", "b", exit=1) == [{"deleted": 0, "absent": ["a", "b"]}]
    done("delete", "--", name, *STRANGE)
    assert list(cache.keys()) == []


def test_keys_can_be_given_back(cache: forklore.Cache, name: str) -> None:
    """What keys prints, the other commands take with --escaped."""
    for i in range(256):
        cache.set(bytes([i]), i)
        cache.set(bytes([i]) * 3 + b"\\n", i)
    shown = done("keys", name).lines
    assert len(set(shown)) == 512
    for line in shown[::50]:
        assert done("get", "--escaped", "--", name, line).text.strip().isdigit()
    done("delete", "--escaped", "--", name, *shown)
    assert cache.stats().entries == 0
    for wrong in ("\\", "\\x1", "\\xgg", "\\u{}", "\\u{110000}", "\\u{41", "\\u41", "\\q"):
        assert call("get", name, "--escaped", wrong).exit == 2


def test_remove(cache: forklore.Cache, name: str) -> None:
    cache.set("k", "v")
    assert done("remove", name, stdin=subprocess.DEVNULL).out == b""
    assert list(SHM.glob(f"forklore-*-{name}-*")) == []
    answer = call("remove", name, stdin=subprocess.DEVNULL)
    assert (answer.exit, answer.error) == (1, f"forklore: there is no segment {name}\n")
    for words in (["stats", name], ["keys", name], ["get", name, "k"], ["delete", name, "k"], ["verify", name]):
        answer = call(*words)
        assert (answer.exit, "there is no such segment" in answer.error) == (1, True)


def test_remove_in_json(cache: forklore.Cache, name: str) -> None:
    assert objects("remove", name, "--yes") == [{"removed": True}]


def test_remove_asks_on_a_terminal(cache: forklore.Cache, name: str) -> None:
    for typed, exit, there in ((b"n\n", 1, True), (b"\n", 1, True), (b"y\n", 0, False)):
        ours, its = pty.openpty()
        os.write(ours, typed)
        asked = subprocess.run([PROGRAM, "remove", name], stdin=its, capture_output=True, timeout=30, check=False)
        os.close(ours), os.close(its)
        assert (asked.returncode, bool(list(SHM.glob(f"forklore-*-{name}-v*")))) == (exit, there)
        assert asked.stderr.startswith(b"Remove segment " + name.encode())


def test_verify(cache: forklore.Cache, name: str) -> None:
    for i in range(500):
        cache.set(f"k{i}", "x" * 50)
    assert done("verify", name).text == "sound\n"
    assert objects("verify", name) == [{"sound": True, "faults": []}]

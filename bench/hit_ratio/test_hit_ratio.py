"""What cannot be compared is refused in a line that names it; what can be is played."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import hit_ratio
import pytest

HEADER = "op,key,key_size,value_size,ttl_s"
PROGRAMS = Path(os.environ["PROGRAMS"])  # where replay was built
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Its exit status, and what it prints and complains of."""

    def run(*options: str) -> tuple[int, str, str]:
        given = ["--traces", str(tmp_path), "--out", str(tmp_path / "out"), "--programs", str(PROGRAMS), *options]
        monkeypatch.setattr("sys.argv", ["hit_ratio.py", *given])
        status = hit_ratio.main()
        out, complained = capfd.readouterr()
        return status, out, complained

    return run


def write_trace(folder: Path, name: str, lines: list[str]) -> None:
    (folder / f"{name}.csv.xz").write_bytes(lzma.compress("\n".join([HEADER, *lines, ""]).encode()))


def requests(count: int, size: int) -> list[str]:
    return [f"g,{key},24,{size},0" for key in range(count)]


def refused(answer: tuple[int, str, str], words: str) -> None:
    status, out, complained = answer
    assert status == 2
    assert "─" not in out  # no table
    errors = [line for line in complained.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert complained.rstrip().endswith(errors[0])
    assert "Traceback" not in complained


def test_sizes_that_cannot_be_are_left_out_by_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_trace(tmp_path, "small", requests(1500, 1000))  # 1.5 MB
    write_trace(tmp_path, "tiny", requests(1, 10))
    drawn = {}
    monkeypatch.setattr(hit_ratio, "plot", lambda folder, name, ours, *_: drawn.update({name: ours}))
    status, out, _ = run("--percent", "1", "--percent", "25", "--plot", str(tmp_path))
    assert status == 0
    lines = " ".join(out.split())
    assert "small: left out: 1 % of the footprint, which is 1536000 bytes, is 15360 bytes" in lines
    assert "tiny: left out: 25 % of the footprint, which is 34 bytes, is 8 bytes" in lines
    assert [point["percent"] for point in drawn["small"]] == [10, 25, 50]
    assert "tiny" not in drawn
    kept = json.loads((tmp_path / "out" / "results.json").read_text())["alone"]
    assert [point["percent"] for point in kept["small"]] == [25]
    assert kept["small"][0]["object_misses"] == 1
    assert run("--only", "tiny")[0] == 2  # nothing was played


def test_a_broken_trace_is_refused_before_anything_is_compared(run: Run, tmp_path: Path) -> None:
    write_trace(tmp_path, "good", requests(1500, 1000))
    write_trace(tmp_path, "broken", [*requests(5000, 1000), "g,7"])
    refused(run(), "broken.csv.xz: line 5002 is no request: g,7")


@pytest.mark.parametrize("written", [b"op,key\n", lzma.compress(os.urandom(1000))[:-20], b""])
def test_what_is_no_xz_is_refused(run: Run, tmp_path: Path, written: bytes) -> None:
    (tmp_path / "other.csv.xz").write_bytes(written)
    refused(run(), "other.csv.xz")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"foo,bar\n1,2\n", "miss_ratios.csv has no column trace, percent_of_footprint, policy, object_miss_ratio"),
        (b"trace,percent_of_footprint,policy,object_miss_ratio\na,10,lru,0.5\na,ten,lru,0.5\n", "line 3"),
        (b"trace,percent_of_footprint,policy,object_miss_ratio\na,10\n", "line 2"),
        (b"\xff\xfe\n", "miss_ratios.csv cannot be read"),
        (b"", "miss_ratios.csv has no column"),
    ],
)
def test_figures_of_another_form_are_refused(run: Run, tmp_path: Path, written: bytes, words: str) -> None:
    write_trace(tmp_path, "small", requests(1500, 1000))
    (tmp_path / "miss_ratios.csv").write_bytes(written)
    refused(run(), words)


@pytest.mark.parametrize("written", ["{", "[]", '{"alone": {}}'])
def test_results_of_another_form_are_refused(run: Run, tmp_path: Path, written: str) -> None:
    write_trace(tmp_path, "small", requests(1500, 1000))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text(written)
    refused(run("--resume"), "results.json")


@pytest.mark.parametrize("option", ["--peers", "--full-set"])
def test_a_server_that_is_missed_is_refused_with_its_package(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    write_trace(tmp_path, "small", requests(1500, 1000))
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(run(option), "memcached is not here; Debian's package memcached has it")

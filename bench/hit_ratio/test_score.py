"""A score is 0 where as much is missed as by FIFO, and 1 where as by Belady's policy."""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path

import pytest
import score

PROGRAMS = Path(os.environ["PROGRAMS"])  # where replay was built


def run(monkeypatch: pytest.MonkeyPatch, traces: Path, *options: str) -> int:
    given = ["--traces", str(traces), "--out", str(traces / "out"), "--programs", str(PROGRAMS), *options]
    monkeypatch.setattr("sys.argv", ["score.py", *given])
    return score.main()


def write(folder: Path, policies: dict[str, float]) -> None:
    """A loop over 4,000 keys of 1,000 bytes, and what is missed at a quarter of them."""
    lines = ["op,key,key_size,value_size,ttl_s", *(f"g,{n % 4000},24,1000,0" for n in range(20_000)), ""]
    (folder / "loop.csv.xz").write_bytes(lzma.compress("\n".join(lines).encode()))
    rows = ["trace,percent_of_footprint,policy,object_miss_ratio", *(f"loop,25,{p},{v}" for p, v in policies.items())]
    (folder / "miss_ratios.csv").write_text("\n".join(rows))


def test_points_are_scored_with_overhead_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"fifo": 1.0, "lru": 1.0, "s3fifo": 0.85, "belady": 0.8})
    assert run(monkeypatch, tmp_path, "--plot", str(tmp_path)) == 0
    (point,) = json.loads((tmp_path / "out" / "score.json").read_text())
    assert point["percent"] == 25
    assert point["without"] < point["misses"] < 1
    shown = (tmp_path / "out" / "score.txt").read_text()
    assert f"{(1 - point['misses']) / 0.2:.3f}" in shown
    assert f"{point['misses'] - 0.85:+.4f}" in shown
    assert (tmp_path / "kind_traces.png").stat().st_size > 1000


def test_a_point_with_nothing_to_win_has_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"fifo": 0.81, "lru": 0.81, "belady": 0.8})
    assert run(monkeypatch, tmp_path) == 0
    assert "traces (" not in (tmp_path / "out" / "score.txt").read_text()


def test_figures_that_are_missed_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"lru": 0.9})
    assert run(monkeypatch, tmp_path) == 2
    assert "has no point with FIFO, LRU and Belady" in capfd.readouterr().err
    assert run(monkeypatch, tmp_path / "out") == 2

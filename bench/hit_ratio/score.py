"""One figure for all that is missed: a score where 0 is what FIFO misses and 1 what Belady's policy misses.

Plays real traces and made shapes at a Forklore segment of 5, 10 and 25 % of their footprint. The textbook policies
need nothing for themselves: their figures, from miss_ratios.csv beside the traces, count keys and values alone. So
Forklore is played twice: with all overhead counted, and in a segment that holds as many bytes of keys and values as
the policies do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from inputs import Known, RefusedError, answer, check_here, known_ratios, read_trace
from rich.console import Console
from rich.table import Table

POLICIES = {
    "lru": "LRU",
    "arc": "ARC",
    "sieve": "SIEVE",
    "s3fifo": "S3-FIFO",
    "wtinylfu": "W-TinyLFU",
}
PERCENTS = (5.0, 10.0, 25.0)
LEAST_SPAN = 0.02  # between FIFO and Belady's: where it is less, there is nothing to win, and no score
HEADER_BYTES = 19.5  # of an entry in the log beside key and value, with the rounding that is usual
KINDS = {
    "loops": ("loops", "loops_long", "loops_change", "loops_drawn", "loop_zipf", "loop_phases"),
    "popularity": ("hot_cold", "once_zipf", "scans_zipf", "scans_change", "files", "hot_moves"),
    "phases": ("phases", "phases_wide", "phases_back", "drift", "window", "window_wide"),
    "recency": ("recent", "recent_wide", "twice", "zigzag", "zigzag_short"),
    "conversations": ("talks", "talks_long", "talks_ended"),
}


@dataclass
class Point:
    """A trace at a size: what is missed."""

    group: str  # of which folder the trace is
    trace: str
    percent: float
    misses: float  # by Forklore, of all requests
    without: float  # likewise, overhead not counted
    byte_misses: float
    known: dict[str, float]  # by other policies

    @property
    def name(self) -> str:
        return f"{self.trace} at {self.percent:g} %"

    @property
    def best(self) -> float:
        return min(self.known[policy] for policy in POLICIES if policy in self.known)

    @property
    def scored(self) -> bool:
        return self.known["fifo"] - self.known["belady"] >= LEAST_SPAN

    def score(self, misses: float) -> float:
        return (self.known["fifo"] - misses) / (self.known["fifo"] - self.known["belady"])


def play(replay: str, folder: Path, group: str, name: str, known: Known) -> list[Point]:
    trace = read_trace(folder / f"{name}.csv.xz")

    def at(percents: Iterable[float]) -> list[dict]:
        return answer([replay, "--json", *(f"{percent:.6g}" for percent in percents)], trace, f"{name}.csv.xz")

    needed = {"fifo", "lru", "belady"}
    played = [p for p in at(PERCENTS) if "left_out" not in p and needed <= known[name, p["percent"]].keys()]
    counted = {p["percent"]: p for p in played}
    rooms = [p["capacity"] / max(1.0, p["used"] - HEADER_BYTES * p["entries"]) for p in counted.values()]
    larger = at(percent * room for percent, room in zip(counted, rooms, strict=True)) if counted else []
    return [
        Point(group, name, percent, p["object_misses"], q["object_misses"], p["byte_misses"], known[name, percent])
        for (percent, p), q in zip(counted.items(), larger, strict=True)
    ]


def play_all(replay: str, folders: dict[str, Path]) -> list[Point]:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        playing = []
        for group, folder in folders.items():
            known = known_ratios(folder / "miss_ratios.csv")
            names = sorted(path.name.removesuffix(".csv.xz") for path in folder.glob("*.csv.xz"))
            if not names:
                raise RefusedError(f"there is no NAME.csv.xz in {folder}")
            playing += [threads.submit(play, replay, folder, group, name, known) for name in names]
        return [point for one in playing for point in one.result()]


def worst(points: list[Point], other: Callable[[Point], float]) -> str:
    point = max(points, key=lambda p: p.misses - other(p))
    return f"{point.misses - other(point):+.4f}\n{point.name}"


def means_table(points: list[Point], groups: list[str]) -> Table:
    table = Table(title="Mean score: 0 as FIFO, 1 as Belady's policy", show_lines=True)
    for header in ("points of", "Forklore", "overhead not counted", *POLICIES.values(), "bytes missed"):
        table.add_column(header, justify="left" if header == "points of" else "right")
    for group in (*groups, "all"):
        here = [p for p in points if group in (p.group, "all") and p.scored]
        if not here:
            continue
        row = [f"{group} ({len(here)})"]
        row += [f"{fmean(p.score(p.misses) for p in here):.3f}", f"{fmean(p.score(p.without) for p in here):.3f}"]
        for policy in POLICIES:
            there = [p.score(p.known[policy]) for p in here if policy in p.known]
            row.append(f"{fmean(there):.3f}" if len(there) == len(here) else "")
        table.add_row(*row, f"{fmean(p.byte_misses for p in here):.4f}")
    return table


def worst_table(points: list[Point], groups: list[str]) -> Table:
    table = Table(title="Where Forklore, all overhead counted, misses the most beside others", show_lines=True)
    for header in ("points of", "LRU", "FIFO", f"the best of {', '.join(POLICIES.values())}"):
        table.add_column(header)
    for group in groups:
        here = [p for p in points if p.group == group]
        if here:
            others = (lambda p: p.known["lru"], lambda p: p.known["fifo"], lambda p: p.best)
            table.add_row(group, *(worst(here, other) for other in others))
    return table


def points_table(points: list[Point]) -> Table:
    table = Table(title="Requests missed")
    for header in ("trace", "%", "Forklore", "not counted", "FIFO", *POLICIES.values(), "Belady", "score"):
        table.add_column(header, justify="left" if header == "trace" else "right")
    for p in points:
        shown = [f"{p.known[policy]:.4f}" if policy in p.known else "" for policy in ("fifo", *POLICIES, "belady")]
        score = f"{p.score(p.misses):.2f}" if p.scored else ""
        table.add_row(p.trace, f"{p.percent:g}", f"{p.misses:.4f}", f"{p.without:.4f}", *shown, score)
    return table


def plot(folder: Path, kind: str, points: list[Point]) -> None:
    """Misses against size, a small picture for each trace of the kind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    traces = sorted({p.trace for p in points})
    rows = (len(traces) + 2) // 3
    figure, all_axes = pyplot.subplots(rows, 3, figsize=(9, 2.6 * rows + 0.6), layout="constrained", squeeze=False)
    for axes in all_axes.flat[len(traces) :]:
        axes.axis("off")
    for name, axes in zip(traces, all_axes.flat, strict=False):
        here = sorted((p for p in points if p.trace == name), key=lambda p: p.percent)
        at = [p.percent for p in here]
        axes.plot(at, [p.known["fifo"] for p in here], ":", color="0.6", label="FIFO")
        axes.plot(at, [p.known["lru"] for p in here], "--", color="0.4", label="LRU")
        axes.plot(at, [p.best for p in here], "-.", color="C0", label="the best of the textbook policies")
        axes.plot(at, [p.known["belady"] for p in here], "-", color="0.8", label="Belady")
        axes.plot(at, [p.without for p in here], "o:", color="C3", alpha=0.6, label="Forklore, overhead not counted")
        axes.plot(at, [p.misses for p in here], "o-", color="C3", label="Forklore")
        axes.set(xscale="log", title=name)
        axes.set_xticks(PERCENTS, [f"{percent:g} %" for percent in PERCENTS])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    handles, labels = all_axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"kind_{kind}.png", dpi=90, metadata={"Software": None})
    pyplot.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(prog="score.sh", description=__doc__.split("\n\n")[0])
    parser.add_argument("--traces", type=Path, required=True, help="folder of NAME.csv.xz and miss_ratios.csv")
    parser.add_argument("--shapes", type=Path, help="likewise, of shapes.sh")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="a PNG for each kind of trace")
    parser.add_argument("--out", type=Path, required=True, help="folder for score.txt and score.json")
    parser.add_argument("--programs", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folders = {"traces": arguments.traces} | ({"shapes": arguments.shapes} if arguments.shapes else {})
    try:
        check_here(arguments.programs, ["replay"], [])
        points = play_all(str(arguments.programs / "replay"), folders)
    except (RefusedError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not points:
        print("error: miss_ratios.csv has no point with FIFO, LRU and Belady", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "score.json").write_text(json.dumps([vars(point) for point in points], indent=1) + "\n")
    with (arguments.out / "score.txt").open("w") as file:
        for console in (Console(width=150), Console(file=file, width=150)):
            for table in (points_table(points), worst_table(points, list(folders)), means_table(points, list(folders))):
                console.print(table)
    if arguments.plot:
        made = {trace: kind for kind, traces in KINDS.items() for trace in traces}
        for kind in ("traces", *KINDS):
            here = [p for p in points if (made.get(p.trace, "shapes") if p.group == "shapes" else p.group) == kind]
            if here:
                plot(arguments.plot, kind, here)
    return 0


if __name__ == "__main__":
    sys.exit(main())

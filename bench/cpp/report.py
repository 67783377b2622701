#!/usr/bin/env python3
"""The table and the plot of what cache_bench measured: ratios first, each the median of its rounds' own.

A ratio says how often what Forklore takes goes into what the rival took beside it in the same round: 5.0 is five
times as fast as the rival, 0.8 a little slower. Several files are put together, as if they were of one run. Exit 1 if
one of the targets that they have the figures for is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median, quantiles

from results import OURS, Results, Row, ratios
from targets import Target, targets


def ratio(theirs: list[float], ours: list[float]) -> float:
    return median(ratios(theirs, ours))


def time(nanoseconds: float) -> str:
    return f"{nanoseconds:.0f} ns" if nanoseconds < 10_000 else f"{nanoseconds / 1000:.0f} µs"


def spread(nanoseconds: list[float]) -> str:
    low, middle, high = quantiles(nanoseconds, n=4)
    return f"{time(middle)} ({time(low)} to {time(high)})"


def markdown(head: list[str], lines: Iterable[list[str]]) -> str:
    """Empty without lines."""
    rows = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]) if rows else ""


def what(row: Row) -> list[str]:
    return [row.workload, f"{row.value_bytes:,} B", f"{row.processes} x {row.threads}"]


def table(rows: dict[Row, dict[str, list[float]]], rivals: list[str]) -> str:
    def cell(took: dict[str, list[float]], rival: str) -> str:
        return f"{ratio(took[rival], took[OURS]):.2f} ({time(median(took[rival]))})" if rival in took else ""

    return markdown(
        ["workload", "value", "processes x threads", OURS, *rivals],
        (
            [*what(row), time(median(took[OURS])), *(cell(took, rival) for rival in rivals)]
            for row, took in rows.items()
            if OURS in took
        ),
    )


def gains(run: Results) -> str:
    """What several workers get through beside one, as many times as private maps do; and what handing a line over cost
    in the same rounds."""
    lines = []
    for row in run.rows:
        ours, theirs, beside = run.gains(row)
        if row.workers == 1 or not beside:
            continue
        line = run.line.get((row.workload, row.value_bytes))
        figures = (f"{median(one):.2f}" for one in (ours, theirs, beside))
        lines.append([*what(row), *figures, spread(line) if line else ""])
    head = ["workload", "value", "processes x threads", "Forklore gains", "private maps gain", "of that", "one line"]
    return markdown(head, lines)


def verdicts(found: list[Target]) -> str:
    return markdown(["target", "bar", "measured", "verdict"], (target.cells for target in found))


def plot(rows: dict[Row, dict[str, list[float]]], rivals: list[str], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {row: took for row, took in rows.items() if row.workers == 1 and OURS in took}
    sizes = sorted({row.value_bytes for row in shown})
    figure, axes = pyplot.subplots(
        1, len(sizes), figsize=(3.5 + 4.5 * len(sizes), 1.5 + 0.11 * len(rivals) * max(6, len(shown) / len(sizes))),
        squeeze=False, sharex=True, layout="constrained",
    )  # fmt: skip
    for axis, size in zip(axes[0], sizes, strict=True):
        of_size = {row.workload: took for row, took in shown.items() if row.value_bytes == size}
        for place, rival in enumerate(rivals):
            at = [i + 0.8 * place / len(rivals) - 0.35 for i, took in enumerate(of_size.values()) if rival in took]
            bars = [ratio(took[rival], took[OURS]) for took in of_size.values() if rival in took]
            axis.barh(at, [bar - 1 for bar in bars], left=1, height=0.8 / len(rivals), label=rival)
        axis.set_yticks(range(len(of_size)), of_size.keys())
        axis.invert_yaxis()
        axis.axvline(1, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_title(f"{size:,}-byte values")
        axis.set_xlabel("times as long as Forklore takes")
        axis.grid(axis="x", alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="JSON that cache_bench has written")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for table.md and ratios.png (here)")
    arguments = parser.parse_args()
    run = Results(arguments.results)
    about, rows = run.about, run.rows
    rivals = [name for name in dict.fromkeys(name for took in rows.values() for name in took) if name != OURS]
    machine = about["machine"]
    text = [
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}, {about['rounds']} "
        "rounds. " + ", ".join(f"{name} ({version})" for name, version in sorted(about["rivals"].items())) + ".",
        "Times the rival takes beside Forklore, and in brackets the rival's own; medians, of one key.",
        table(rows, rivals),
    ]
    if gained := gains(run):
        text += [
            "What several workers get through beside one: on Forklore, each on a private map, and the one beside the "
            "other. And what it took to hand one cache line from one process to another, on another core, in the same "
            "rounds: the median, and in brackets the quartiles.",
            gained,
        ]
    if attach := about.get("attach"):
        text.append(
            f"Attaching to an existing segment of {attach['bytes'] >> 20} MiB, with the first read: "
            f"{median(attach['milliseconds']):.2f} ms."
        )
    found = targets(run)
    text += ["What is aimed at, of values of 100 bytes; medians, and the lowest and highest round.", verdicts(found)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.md").write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text))
    plot(rows, rivals, arguments.out / "ratios.png")
    print(f"\nkept: {arguments.out / 'table.md'} and {arguments.out / 'ratios.png'}")
    missed = sum(target.missed for target in found)
    if missed:
        print(f"{missed} of the targets are missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

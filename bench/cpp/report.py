#!/usr/bin/env python3
"""The table and the plot of what cache_bench measured: ratios first, each the median of its rounds' own.

A ratio says how often what Forklore takes goes into what the rival took beside it in the same round: 5.0 is five
times as fast as the rival, 0.8 a little slower. Several files are put together, as if they were of one run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

OURS = "Forklore"


def load(paths: list[Path]) -> tuple[dict, dict[tuple, dict[str, list[float]]]]:
    """What the last file says of its run, and of each row (workload, bytes, keys, processes, threads) the rivals'
    nanoseconds."""
    about: dict = {}
    rows: dict[tuple, dict[str, list[float]]] = {}
    for path in paths:
        about |= (run := json.loads(path.read_text()))
        for one in run["results"]:
            row = tuple(one[name] for name in ("workload", "value_bytes", "keys", "processes", "threads"))
            rows.setdefault(row, {})[one["rival"]] = one["nanoseconds"]
    return about, rows


def ratio(theirs: list[float], ours: list[float]) -> float:
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def time(nanoseconds: float) -> str:
    return f"{nanoseconds:.0f} ns" if nanoseconds < 10_000 else f"{nanoseconds / 1000:.0f} µs"


def table(rows: dict[tuple, dict[str, list[float]]], rivals: list[str]) -> str:
    lines = [
        "| workload | value | processes x threads | Forklore | " + " | ".join(rivals) + " |",
        "|---" * (4 + len(rivals)) + "|",
    ]
    for (workload, size, _, processes, threads), took in rows.items():
        if OURS not in took:
            continue
        cells = [workload, f"{size:,} B", f"{processes} x {threads}", time(median(took[OURS]))]
        cells += [
            f"{ratio(took[rival], took[OURS]):.2f} ({time(median(took[rival]))})" if rival in took else ""
            for rival in rivals
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gains(rows: dict[tuple, dict[str, list[float]]], floor: str) -> str:
    """What several workers get through beside one, as many times as private maps do."""
    lines = []
    for (workload, size, keys, processes, threads), took in rows.items():
        alone = rows.get((workload, size, keys, 1, 1), {})
        if processes * threads == 1 or not {OURS, floor} <= took.keys() & alone.keys():
            continue
        ours = [a / b for a, b in zip(alone[OURS], took[OURS], strict=True)]
        theirs = [a / b for a, b in zip(alone[floor], took[floor], strict=True)]
        beside = median(a / b for a, b in zip(ours, theirs, strict=True))
        lines.append(
            f"| {workload} | {size:,} B | {processes} x {threads} | {median(ours):.2f} | {median(theirs):.2f} "
            f"| {beside:.2f} |"
        )
    head = [
        "| workload | value | processes x threads | Forklore gains | private maps gain | of that |",
        "|---" * 6 + "|",
    ]
    return "\n".join(head + lines) if lines else ""


def plot(rows: dict[tuple, dict[str, list[float]]], rivals: list[str], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {row: took for row, took in rows.items() if row[3:] == (1, 1) and OURS in took}
    sizes = sorted({row[1] for row in shown})
    figure, axes = pyplot.subplots(
        1, len(sizes), figsize=(3.5 + 4.5 * len(sizes), 1.5 + 0.11 * len(rivals) * max(6, len(shown) / len(sizes))),
        squeeze=False, sharex=True, layout="constrained",
    )  # fmt: skip
    for axis, size in zip(axes[0], sizes, strict=True):
        of_size = {row[0]: took for row, took in shown.items() if row[1] == size}
        for place, rival in enumerate(rivals):
            at = [i + 0.8 * place / len(rivals) - 0.35 for i, took in enumerate(of_size.values()) if rival in took]
            bars = [ratio(took[rival], took[OURS]) for took in of_size.values() if rival in took]
            axis.barh(at, bars, height=0.8 / len(rivals), label=rival)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="JSON that cache_bench has written")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for table.md and ratios.png (here)")
    arguments = parser.parse_args()
    about, rows = load(arguments.results)
    rivals = [name for name in dict.fromkeys(name for took in rows.values() for name in took) if name != OURS]
    machine = about["machine"]
    text = [
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}, {about['rounds']} "
        "rounds. " + ", ".join(f"{name} ({version})" for name, version in sorted(about["rivals"].items())) + ".",
        "Times the rival takes beside Forklore, and in brackets the rival's own; medians, of one key.",
        table(rows, rivals),
        gains(rows, "unordered_map"),
    ]
    if attach := about.get("attach"):
        text.append(
            f"Attaching to an existing segment of {attach['bytes'] >> 20} MiB, with the first read: "
            f"{median(attach['milliseconds']):.2f} ms."
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.md").write_text("\n\n".join(filter(None, text)) + "\n")
    print("\n\n".join(filter(None, text)))
    plot(rows, rivals, arguments.out / "ratios.png")
    print(f"\nkept: {arguments.out / 'table.md'} and {arguments.out / 'ratios.png'}")


if __name__ == "__main__":
    main()

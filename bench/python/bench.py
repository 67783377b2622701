"""What a call costs from Python: Forklore beside everything else that a worker could call, raw and through Django."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
from django_rivals import DJANGO_RIVALS
from report import WIDTH, write
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rivals import RIVALS, Rival
from rounds import Case, cases_of, check, run
from servers import MissingError, Place, place
from values import KINDS, Kind

NAMES = [rival.name for rival in (*RIVALS, *DJANGO_RIVALS)]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to measure (default 120)")
    parser.add_argument(
        "--only", action="append", metavar="RIVAL", help=f"may be given again; * is any word; of {', '.join(NAMES)}"
    )
    parser.add_argument("--kind", action="append", choices=[kind.name for kind in KINDS], help="of value")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results.json, table.txt, table.md, plot.png"
    )
    parsed = parser.parse_args()
    if not parsed.seconds > 0:
        parser.error("--seconds must be more than 0")
    for pattern in parsed.only or ():
        if not fnmatch.filter(NAMES, pattern):
            parser.error(f"--only {pattern}: there is no such rival; there are {', '.join(NAMES)}")
    return parsed


def wanted(rival: type[Rival], only: list[str] | None) -> bool:
    return only is None or any(fnmatch.fnmatch(rival.name, pattern) for pattern in only)


def opened(
    where: Place, kinds: list[Kind], only: list[str] | None, left_out: dict[str, str], stack: ExitStack
) -> Iterator[Rival]:
    """The rivals that can be opened and give back what they are given; the others are left out by name."""
    for made in (*RIVALS, *DJANGO_RIVALS):
        if not wanted(made, only):
            continue
        try:
            rival = made(where)
        except (ImportError, MissingError) as error:
            left_out[made.title] = str(error)
            continue
        stack.callback(rival.close)
        check(rival, kinds)
        yield rival


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores {model or platform.machine()}, Linux {platform.release()}"


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    kinds = [kind for kind in KINDS if not arguments.kind or kind.name in arguments.kind]
    left_out: dict[str, str] = {}
    columns = (
        TextColumn("{task.description:28}"),
        BarColumn(),
        TextColumn("{task.fields[rounds]}"),
        TimeElapsedColumn(),
    )
    with place() as where, ExitStack() as stack, Progress(*columns, console=console) as progress:
        task = progress.add_task("opening", total=arguments.seconds, rounds="")
        cases: list[Case] = []
        rivals = []
        for rival in opened(where, kinds, arguments.only, left_out, stack):
            progress.update(task, description=f"opening {rival.name}")
            rivals.append(rival)
            cases += cases_of(rival, kinds)
        progress.update(task, description=f"{len(cases)} cases")
        summaries = run(
            cases,
            arguments.seconds,
            lambda gone, rounds: progress.update(task, completed=gone, rounds=f"{rounds} rounds"),
        )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "software": f"Python {platform.python_version()}, Django {django.get_version()}",
        "rounds": summaries[0]["rounds"],
        "rivals": {rival.name: {"title": rival.title, "version": rival.version} for rival in rivals},
        "kinds": {kind.name: {"title": kind.title, "plain": kind.plain} for kind in kinds},
        "left_out": left_out,
        "cases": summaries,
    }


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of all finally
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = measure(arguments, Console(stderr=True))
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0 if write(results, arguments.out, Console(width=None if sys.stdout.isatty() else WIDTH)) else 1


if __name__ == "__main__":
    sys.exit(main())

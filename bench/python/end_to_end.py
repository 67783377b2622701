"""Requests a second and p99 of a Django site under gunicorn and wrk, with one cache backend at a time, in turns."""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bars import Bar, as_markdown, as_table, verdicts
from django_rivals import ForkloreBackend, LocMem, PyLibMcBackend, PyMemcacheBackend, RedisBackend
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from servers import MissingError, Place, place

import forklore
from bench import machine

HERE = Path(__file__).resolve().parent
BACKENDS = (ForkloreBackend, LocMem, PyLibMcBackend, PyMemcacheBackend, RedisBackend)
NAMES = [backend.name for backend in BACKENDS]
KINDS = {"sync": ["-k", "sync"], "gthread": ["-k", "gthread", "--threads", "4"]}
VIEWS = ("fragments", "page")
WORKERS = 2
CONNECTIONS = 16
WIDTH = 150  # of the table as text

Turn = dict[str, float]  # what wrk says
Measured = dict[tuple[str, str, str], list[Turn]]  # by worker, view and backend: a turn each


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh --end-to-end", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each turn and view (default 4)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each backend (default 5)")
    parser.add_argument(
        "--only", action="append", metavar="RIVAL", help=f"may be given again; * is any word; of {', '.join(NAMES)}"
    )
    parser.add_argument("--add", action="store_true", help="to the turns that an earlier run has left in the folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for results.json, table.txt and table.md")
    parsed = parser.parse_args()
    if parsed.seconds < 1 or parsed.rounds < 1:
        parser.error("--seconds and --rounds must be at least 1")
    for pattern in parsed.only or ():
        if not fnmatch.filter(NAMES, pattern):
            parser.error(f"--only {pattern}: there is no such backend; there are {', '.join(NAMES)}")
    return parsed


def entries(where: Place, only: list[str] | None, left_out: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The entry of CACHES for each backend that works here."""
    found = {}
    for made in BACKENDS:
        if only and not any(fnmatch.fnmatch(made.name, pattern) for pattern in only):
            continue
        try:
            rival = made(where)  # it stores and so connects
            assert rival.cache.get("n") == 0
        except (ImportError, MissingError) as error:
            left_out[made.title] = str(error)
            continue
        found[made.name] = {"BACKEND": made.backend, **rival.entry(where)}
        rival.close()
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(entry: dict[str, Any], kind: str, where: Place) -> Iterator[str]:
    """The site under gunicorn; its address."""
    port = free_port()
    command = [sys.executable, "-B", "-m", "gunicorn", "--workers", str(WORKERS), *KINDS[kind]]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", "site_of_fragments:application"]
    environment = {**os.environ, "BENCH_CACHE": json.dumps(entry)}
    log = where.directory / "gunicorn.log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, cwd=HERE, env=environment, stdout=out, stderr=out)
    try:
        await_site(f"http://127.0.0.1:{port}/", server, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def await_site(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once each view answers with what it should."""
    end = time.monotonic() + 30
    for view in VIEWS:
        while True:
            try:
                with urllib.request.urlopen(address + view, timeout=5) as response:
                    body = response.read()
                assert body.count(b"<section") == 20, body[:200]
                break
            except (OSError, urllib.error.URLError) as error:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"gunicorn does not serve: {error}\n{log.read_text()[-2000:]}") from error
                time.sleep(0.05)


def load(address: str, seconds: float) -> Turn:
    """What wrk says of it."""
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s"]
    command += ["-s", str(HERE / "wrk_json.lua"), address]
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    return json.loads(said.strip().splitlines()[-1])


def earlier(arguments: argparse.Namespace) -> Measured:
    """What --add is to add to."""
    path = arguments.out / "results.json"
    if not arguments.add or not path.exists():
        return {}
    kept = json.loads(path.read_text())
    if kept.get("seconds") != arguments.seconds:
        sys.exit(f"--add: the turns in {path} took {kept.get('seconds')} s, and these would take {arguments.seconds:g}")
    return {(one["worker"], one["view"], one["backend"]): one["turns"] for one in kept["measured"]}


def measure(arguments: argparse.Namespace, measured: Measured, left_out: dict[str, str], console: Console) -> None:
    """Adds the turns of each backend to those that there are."""
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with place() as where, Progress(*columns, console=console) as progress:
        found = entries(where, arguments.only, left_out)
        names = list(found)
        if not names:
            sys.exit(f"nothing to measure: {'; '.join(left_out.values())}")
        if measured and {name for _, _, name in measured} != set(names):
            sys.exit("--add: the earlier run had other backends")
        task = progress.add_task("", total=arguments.rounds * len(KINDS) * len(names))
        try:
            for number in range(arguments.rounds):
                first = number % len(names)
                for kind in KINDS:
                    for name in names[first:] + names[:first]:
                        progress.update(task, description=f"{name}, {kind}")
                        with served(found[name], kind, where) as address:
                            load(address + VIEWS[0], 1)  # every worker has opened its cache
                            for view in VIEWS:
                                turn = load(address + view, arguments.seconds)
                                measured.setdefault((kind, view, name), []).append(turn)
                        progress.advance(task)
        finally:
            if ForkloreBackend.name in found:
                forklore.remove(found[ForkloreBackend.name]["LOCATION"])


def spread(figures: list[float], digits: int) -> str:
    """The median, and the lowest and the highest."""
    low, middle, high = (f"{figure:,.{digits}f}" for figure in (min(figures), median(figures), max(figures)))
    return f"{middle} ({low} to {high})"


def of_turns(turns: list[Turn], what: str) -> list[float]:
    return [turn[what] for turn in turns]


def bars(measured: Measured) -> list[Bar]:
    """What is promised of a page of fragments. A figure is the median of what the turns of each round say."""
    found = []
    for kind in KINDS:
        ours = measured.get((kind, "fragments", ForkloreBackend.name))
        for rival, least in ((RedisBackend, 3.0), (PyMemcacheBackend, 3.0), (LocMem, 1.0)):
            others = measured.get((kind, "fragments", rival.name))
            if ours and others:
                pairs = zip(of_turns(ours, "requests"), of_turns(others, "requests"), strict=True)
                times = [a / b for a, b in pairs]
                what = f"fragments, {kind}: requests/s, times {rival.title}'s"
                found.append(Bar(what, median(times), least=least, spread=(min(times), max(times))))
    return found


def table_of(measured: Measured) -> tuple[list[str], list[list[str]]]:
    """Heading and cells: a row for each backend, requests a second and p99 for each worker and view."""
    heading = ["", *(f"{view}, {kind}" for view in VIEWS for kind in KINDS)]
    lines = []
    for made in BACKENDS:
        cells = [made.title]
        for view in VIEWS:
            for kind in KINDS:
                if turns := measured.get((kind, view, made.name)):
                    often, p99 = spread(of_turns(turns, "requests"), 0), spread(of_turns(turns, "p99"), 1)
                    cells.append(f"{often}; {p99} ms")
        if len(cells) > 1:
            lines.append(cells)
    return heading, lines


def report(measured: Measured, notes: list[str], out: Path, console: Console) -> bool:
    """Shows the tables and keeps them; whether the bars are met and no request failed."""
    errors = sum(turn["errors"] for turns in measured.values() for turn in turns)
    if errors:
        notes.append(f"{errors:.0f} requests failed.")
    made = [
        ("Requests a second; 99th percentile. The median of the turns, and the lowest and highest", *table_of(measured))
    ]
    found = bars(measured)
    if found:
        made.append(("Bars, the median of the rounds' own, and the lowest and highest", *verdicts(found)))
    with (out / "table.txt").open("w") as file:
        for shown in (console, Console(file=file, width=WIDTH)):
            shown.print(*(as_table(*one) for one in made), *notes, sep="\n", highlight=False)
    (out / "table.md").write_text("\n\n".join([*(as_markdown(*one) for one in made), *notes]) + "\n")
    return all(bar.met for bar in found) and not errors


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of all finally
    if shutil.which("wrk") is None:
        print("wrk is not installed (Debian: apt-get install wrk)", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    left_out: dict[str, str] = {}
    measured = earlier(arguments)
    measure(arguments, measured, left_out, Console(stderr=True))
    notes = [f"Left out: {title}; {why}." for title, why in left_out.items()]
    notes.append(
        f"{max(map(len, measured.values()))} turns of {arguments.seconds:g} s; {WORKERS} workers, {CONNECTIONS} "
        f"connections of wrk on the same cores. {machine()}, {time.strftime('%Y-%m-%d')}."
    )
    kept = [
        {"worker": kind, "view": view, "backend": name, "turns": turns}
        for (kind, view, name), turns in measured.items()
    ]
    results = {"notes": notes, "seconds": arguments.seconds, "measured": kept}
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    return 0 if report(measured, notes, arguments.out, console) else 1


if __name__ == "__main__":
    sys.exit(main())

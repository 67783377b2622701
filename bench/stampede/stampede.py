"""The stampede: a key expires under hundreds of concurrent requests, and who computes it anew? Django's LocMemCache,
Redis and memcached beside Forklore, each under the same gunicorn of 8 workers with 8 threads. See README.md beside
this file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, STALE_FOR, Contender, MissingError, remove_segment, unique_name
from picture import draw
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from trial import Plan, Records, expire, kill

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
from tables import write_table

HEADERS = ("", "computed per expiry", "requests that waited", "in the cache, p99.9 / max", "latency p50 / p99 / max",
           "requests/s", "after a kill, the next began within")  # fmt: skip
WIDTH = 170  # of the table as text
MOST_SECONDS_AFTER_A_KILL = 0.05


def parse() -> argparse.Namespace:
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=20, help="expiries, and kills (default 20)")
    parser.add_argument("--clients", type=int, default=500, help="requests in flight at any time (default 500)")
    parser.add_argument("--ttl", type=int, default=2, help="seconds until the key expires (default 2)")
    parser.add_argument("--cost", type=float, default=0.2, help="seconds that a computation takes (default 0.2)")
    work = "wait: computing waits for its time, as for a database (the default); burn: it takes a processor"
    parser.add_argument("--work", choices=("wait", "burn"), default="wait", help=work)
    stale = "seconds for which an old value is served (default 60); with 0 the check must fail"
    parser.add_argument("--stale-for", type=int, default=STALE_FOR, help=stale)
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--add", action="store_true", help="to what an earlier run has left in the folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table, the picture and results.json")
    parsed = parser.parse_args()
    for option, least in (("repeats", 1), ("clients", 1), ("ttl", 1), ("cost", 0.01), ("stale_for", 0)):
        if not getattr(parsed, option) >= least:
            parser.error(f"--{option.replace('_', '-')} must be at least {least}")
    return parsed


def records_of(contender: Contender, out: Path) -> Path:
    return out / f"{contender.name}.records"


def measure(contender: Contender, plan: Plan, folder: Path, out: Path, progress: Progress) -> dict[str, Any]:
    name = f"{unique_name()}-{contender.name}"
    task = progress.add_task(contender.name, total=plan.expiries * (2 if contender.elects else 1))
    try:
        with contender.served(folder):
            result = expire(contender, plan, folder, name, lambda done: progress.update(task, completed=done))
            if contender.elects:
                remove_segment(name)
                result["after_kills"] = kill(
                    contender, replace(plan, ttl=1), folder, f"{name}-kills",
                    lambda done: progress.update(task, completed=plan.expiries + done),
                )  # fmt: skip
    finally:
        for segment in (name, f"{name}-kills"):
            remove_segment(segment)
    mean = statistics.mean(result["computations"])
    progress.console.print(f"{contender.title}: {mean:g} computations for each expiry", highlight=False)
    shutil.copy(folder / f"{name}-records", records_of(contender, out))
    return result


def row(contender: Contender, result: dict[str, Any]) -> tuple[str, ...]:
    """The words of the table for a contender."""
    counts, cache, latency = result["computations"], result["cache_ms"], result["latency_ms"]
    if max(counts) == min(counts):
        computed = f"{counts[0]}, {len(counts)} times of {len(counts)}"
    else:
        computed = f"{statistics.mean(counts):.1f} ({min(counts)} to {max(counts)})"
    kills = result.get("after_kills")
    return (
        contender.title,
        computed,
        f"{result['waited'] / len(counts):.4g} per expiry" if contender.elects else "none: all compute",
        f"{cache['p999']:.1f} / {cache['max']:.0f} ms",
        f"{latency['p50']:.0f} / {latency['p99']:.0f} / {latency['max']:.0f} ms",
        f"{result['rate']:.0f}" + (f", {result['failed']} failed" if result["failed"] else ""),
        f"{statistics.median(kills) * 1000:.0f} ms, at most {max(kills) * 1000:.0f}" if kills else "",
    )


def faults(contender: Contender, result: dict[str, Any]) -> list[str]:
    """What does not hold of what Forklore promises."""
    if not contender.elects:
        return []
    found = []
    if set(result["computations"]) != {1}:
        found.append(f"{contender.title}: computed {result['computations']} times, and not once for each expiry")
    if contender.stale and result["waited"]:
        found.append(f"{contender.title}: {result['waited']} requests waited for a value that another computed")
    if max(result["after_kills"]) > MOST_SECONDS_AFTER_A_KILL:
        found.append(f"{contender.title}: {max(result['after_kills']) * 1000:.0f} ms until the next began after a kill")
    if result["failed"]:
        found.append(f"{contender.title}: {result['failed']} requests failed")
    return found


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of all finally
    arguments.out.mkdir(parents=True, exist_ok=True)
    plan = Plan(arguments.clients, arguments.repeats, arguments.ttl, arguments.cost, arguments.work)
    notes: list[str] = []
    kept = arguments.out / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if arguments.add and kept.exists() else {}
    started = time.monotonic()
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="stampede-") as folder,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        for contender in CONTENDERS:
            if arguments.only and contender.name not in arguments.only:
                continue
            if contender.stale:
                contender = replace(contender, more={"stale_for": arguments.stale_for})
            try:
                results[contender.name] = measure(contender, plan, Path(folder), arguments.out, progress)
            except MissingError as error:
                notes.append(f"Left out: {contender.title}; {error}.")
    measured = [contender for contender in CONTENDERS if contender.name in results]
    wrong = [fault for contender in measured for fault in faults(contender, results[contender.name])]
    notes.append(
        f"{plan.clients} requests in flight, {plan.expiries} expiries; computing takes {plan.cost * 1000:g} ms "
        f"({'waiting' if plan.work == 'wait' else 'of a processor'}); gunicorn, 8 workers of 8 threads. "
        f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}; "
        f"{time.monotonic() - started:.0f} s in all."
    )
    if measured:
        drawn = [(one, results[one.name], Records(records_of(one, arguments.out))) for one in measured]
        draw(drawn, plan, arguments.out / "latencies.png")
    rows = [row(contender, results[contender.name]) for contender in measured]
    write_table(HEADERS, rows, notes + wrong, arguments.out, WIDTH)
    kept.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Plays the five problems of a shared cache at a small shop under gunicorn, without Forklore and with it: stampede,
penetration, avalanche, a stale write, a lock whose holder is dead. Prints a table and writes a page to look at. Exit 0
only if everything holds with Forklore."""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent))
from page import write_page  # noqa: E402
from scenes import SCENES, Stage, Take  # noqa: E402
from serving import Server, stopping  # noqa: E402

WORKERS = 4
WAYS = ("without", "with")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer expiries and shorter loads")
    parser.add_argument("--only", action="append", choices=list(SCENES), metavar="PROBLEM",
                        help=f"of {', '.join(SCENES)}; may be given again")  # fmt: skip
    parser.add_argument("--page", type=Path, default=Path("problems.html"), help="the page (default problems.html)")
    return parser.parse_args()


def play(server: Server, folder: Path, chosen: list[str], quick: bool) -> dict[str, dict[str, Take]]:
    takes: dict[str, dict[str, Take]] = {}
    for place, name in enumerate(chosen):
        for way in WAYS:
            print(f"  {name}, {way} ...", flush=True)
            server.wait_until_ready()  # a killed worker has its successor
            stage = Stage(server, folder, way, 1000 * (place + 1))
            takes.setdefault(name, {})[way] = SCENES[name][0](stage, quick)
    return takes


def print_table(takes: dict[str, dict[str, Take]]) -> None:
    rows = [["", "without", "with Forklore"]]
    for name, both in takes.items():
        sign = "✓" if both["with"].holds else "✗"
        rows.append([f"{sign} {name}, {SCENES[name][1]}", both["without"].said, both["with"].said])
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def main() -> int:
    arguments = parse_arguments()
    import forklore

    segment = f"problems-{os.getpid()}"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="problems-") as directory:
            environment = {"PROBLEMS_FOLDER": directory, "PROBLEMS_SEGMENT": segment}
            with Server(HERE, "shop.wsgi", WORKERS, Path(directory), environment) as server:
                print(f"gunicorn with {WORKERS} workers on 127.0.0.1:{server.port}, segment {segment}")
                takes = play(server, Path(directory), arguments.only or list(SCENES), arguments.quick)
    except KeyboardInterrupt:
        return 130
    finally:
        stopping.set()
        forklore.remove(segment)
    print_table(takes)
    write_page(arguments.page, takes, {name: scene for name, (scene, _) in SCENES.items()})
    print(f"  {time.monotonic() - begun:.0f} s; the page is {arguments.page}")
    for name, both in takes.items():
        if both["without"].holds:
            print(f"  without Forklore, the {name} did not show this time")
    return 0 if all(both["with"].holds for both in takes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The kill -9 table: what is left of a shared cache when its workers are killed, Forklore's and others'.

Four workers of a server read and store values that check themselves; one worker at a time is killed, at any moment,
and the server forks it again. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from peers import MissingError, Peer, peers
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from storm import Outcome, Plan, Round

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
from tables import write_table

HEADERS = ("", "kills survived", "what then", "wrong values read", "entries lost")
WIDTH = 150  # of the table as text


def parse() -> argparse.Namespace:
    names = [peer.name for peer in peers("")]
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kill-worker", required=True, metavar="PROGRAM", help=argparse.SUPPRESS)
    parser.add_argument("--kills", type=int, default=200, help="in a round (default 200)")
    parser.add_argument("--rounds", type=int, default=5, help="each on a new store (default 5)")
    parser.add_argument("--seconds", type=float, default=70, help="for all rounds of a peer, at most (default 70)")
    parser.add_argument("--only", action="append", choices=names, metavar="PEER", help=f"of {', '.join(names)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for table.txt, table.md and results.json")
    parsed = parser.parse_args()
    for option, least in (("kills", 1), ("rounds", 1), ("seconds", 1)):
        if not getattr(parsed, option) >= least:
            parser.error(f"--{option} must be at least {least}")
    return parsed


def storm(peer: Peer, arguments: argparse.Namespace, progress: Progress) -> list[Outcome]:
    """The peer's rounds, as many as there is time for."""
    outcomes: list[Outcome] = []
    end = time.monotonic() + arguments.seconds
    task = progress.add_task(peer.name, total=arguments.kills * arguments.rounds)
    while len(outcomes) < arguments.rounds and (left := end - time.monotonic()) > 0:
        plan = Plan(arguments.kills, left)
        before = len(outcomes) * arguments.kills
        outcome = Round(peer.command, plan, peer.farewell).run(
            lambda kills, before=before: progress.update(task, completed=before + kills)
        )
        outcomes.append(outcome)
        then = outcome.stopped or "all go on"
        progress.console.print(f"{peer.name}, round {len(outcomes)}: {outcome.kills} kills, {then}", highlight=False)
        progress.update(task, completed=len(outcomes) * arguments.kills)
    return outcomes


def row(peer: Peer, version: str, outcomes: list[Outcome]) -> tuple[str, ...]:
    """The words of the table for a peer."""
    kills = sum(outcome.kills for outcome in outcomes)
    stopped = [outcome for outcome in outcomes if outcome.stopped]
    if stopped:
        survived = ", ".join(str(outcome.kills) for outcome in outcomes)
    else:
        survived = f"all {kills:,}, {sum(outcome.in_call for outcome in outcomes):,} of them amid a call"
    if any(outcome.timed_out for outcome in outcomes):
        survived += " (no time for more)"
    ends = Counter(outcome.stopped for outcome in stopped)
    then = [end + (f" (in {count} of {len(outcomes)})" if len(ends) > 1 else "") for end, count in ends.items()]
    for word, number in (
        ("calls failed", sum(outcome.refused for outcome in outcomes)),
        ("workers crashed", sum(outcome.crashes for outcome in outcomes)),
    ):
        if number:
            then.append(f"{number:,} {word}")
    wrong = sum(outcome.wrong for outcome in outcomes)
    known = [outcome.lost for outcome in outcomes if outcome.lost is not None]
    lost = f"{sum(known):,}" if known else ""
    if len(known) < len(outcomes):
        lost = f"none can be read (in {len(outcomes) - len(known)} of {len(outcomes)})" if known else "none can be read"
    return f"{peer.title} {version}", survived, "; ".join(then) or "goes on", f"{wrong:,}", lost


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of all finally
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, notes, results = [], [], {}
    unhurt = True
    started = time.monotonic()
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for peer in peers(arguments.kill_worker):
            if arguments.only and peer.name not in arguments.only:
                continue
            try:
                version = peer.version()
            except MissingError as error:
                notes.append(f"Left out: {peer.title}; {error}.")
                unhurt = unhurt and not arguments.only
                continue
            outcomes = storm(peer, arguments, progress)
            rows.append(row(peer, version, outcomes))
            results[peer.name] = {"version": version, "rounds": [asdict(outcome) for outcome in outcomes]}
            if peer.name == "forklore":
                unhurt = unhurt and all(outcome.unhurt for outcome in outcomes)
    notes.append(
        f"{arguments.rounds} rounds of {arguments.kills} kills, or {arguments.seconds:g} s; 4 workers, 1,000 entries; "
        f"{time.monotonic() - started:.0f} s in all, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}."
    )
    write_table(HEADERS, rows, notes, arguments.out, WIDTH)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0 if unhurt else 1


if __name__ == "__main__":
    sys.exit(main())

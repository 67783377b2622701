"""The table is worth something only if the storm notices what a store does wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from storm import PREFIX, SHARED, Outcome, Plan, Round

HERE = Path(__file__).resolve().parent
KEYS = 40


def storm(store: str, kills: int, patience: float = 5) -> Outcome:
    command = [sys.executable, str(HERE / "worker.py"), f"faulty_stores:{store}"]
    plan = Plan(kills=kills, seconds=30, workers=3, keys=KEYS, patience=patience)
    run = Round(lambda board, directory: [*command, str(board), str(directory)], plan)
    outcome = run.run()
    assert run.name.startswith(PREFIX)
    assert not list(SHARED.glob(f"*{run.name}*"))
    assert not outcome.timed_out, outcome
    return outcome


def test_an_honest_store_comes_through() -> None:
    outcome = storm("Honest", 30)
    assert outcome.unhurt, outcome
    assert outcome.kills == 30
    assert outcome.kept == KEYS
    assert 0 < outcome.in_call <= 30


def test_torn_values() -> None:
    outcome = storm("Torn", 10)
    assert outcome.wrong > 0
    assert not outcome.unhurt


def test_a_lock_that_its_dead_owner_keeps() -> None:
    outcome = storm("Locked", 300, patience=3)
    assert outcome.stopped == "3 of 3 hang", outcome
    assert outcome.kills < 300
    assert outcome.kept is None


def test_who_starves_does_not_hang() -> None:
    outcome = storm("Starving", 300, patience=3)
    assert outcome.stopped.endswith("starve"), outcome
    assert outcome.kept == KEYS


def test_calls_that_only_fail() -> None:
    outcome = storm("Unrecoverable", 300, patience=3)
    assert outcome.stopped == "3 of 3 only fail", outcome


def test_entries_lost() -> None:
    outcome = storm("Forgetful", 20)
    assert outcome.missing > 0


def test_stores_that_are_undone() -> None:
    outcome = storm("Late", 10)
    assert outcome.older > 0


def test_workers_that_crash() -> None:
    outcome = storm("Crashing", 20)
    assert outcome.crashes > 0
    assert outcome.kept == KEYS


def test_stores_that_are_refused() -> None:
    outcome = storm("Refusing", 5)
    assert outcome.refused > 0
    assert outcome.kept == KEYS


def test_a_server_that_does_not_begin() -> None:
    outcome = storm("NoSuchStore", 5)
    assert outcome.stopped == "the server ended with 1"
    assert "NoSuchStore" in outcome.log

"""What is compared: traces, the policies' figures beside them, and what the programs answer.

Whatever of it cannot be used is refused in a line that names it.
"""

from __future__ import annotations

import csv
import json
import lzma
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

Known = dict[tuple[str, float], dict[str, float]]

COLUMNS = ("trace", "percent_of_footprint", "policy", "object_miss_ratio")
PACKAGES = {"memcached": "memcached", "redis-server": "redis-server"}
CLIENTS = "libmemcached-dev and libhiredis-dev"


class RefusedError(Exception):
    """In words for who gave it."""


def read_trace(path: Path) -> bytes:
    try:
        return lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise RefusedError(f"{path} cannot be read as xz: {error}") from error


def known_ratios(path: Path) -> Known:
    """By trace and percent. Where two simulators differ, the better figure. Of no file: empty."""
    known: Known = defaultdict(dict)
    if not path.exists():
        return known
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(lines)
            missing = [column for column in COLUMNS if column not in (table.fieldnames or ())]
            if missing:
                raise RefusedError(f"{path} has no column {', '.join(missing)}")
            for row in table:
                try:
                    of, ratio = (row["trace"], float(row["percent_of_footprint"])), float(row["object_miss_ratio"])
                except (TypeError, ValueError) as error:
                    raise RefusedError(f"{path}: line {table.line_num} has no figures: {error}") from error
                known[of][row["policy"]] = min(ratio, known[of].get(row["policy"], ratio))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error
    return known


def earlier_results(path: Path) -> dict[str, dict]:
    """What results.json of an earlier run has. Of no file: nothing."""
    if not path.exists():
        return {"alone": {}, "beside": {}}
    try:
        earlier = json.loads(path.read_text())
        if isinstance(earlier, dict) and {"alone", "beside"} <= earlier.keys():
            return earlier
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error
    raise RefusedError(f"{path} is not of this bench")


def check_here(programs: Path, built: Sequence[str], servers: Sequence[str]) -> None:
    """Refuses what a run would miss only later."""
    for server in servers:
        if not shutil.which(server):
            raise RefusedError(f"{server} is not here; Debian's package {PACKAGES[server]} has it")
    for program in built:
        if not (programs / program).exists():
            needed = "" if program == "replay" else f"; it needs {CLIENTS}"
            raise RefusedError(f"{programs / program} was not built{needed}")


def answer(command: list[str], trace: bytes, name: str) -> list[dict]:
    """Its lines of JSON. name: of the trace, in what is refused."""
    done = subprocess.run(command, input=trace, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace").strip().removeprefix(f"{command[0]}: ")
    if done.returncode not in (0, 1):  # 1: a size was left out
        program = Path(command[0]).name
        raise RefusedError(f"{name}: {said or f'{program} ended with {done.returncode}'}")
    return [json.loads(line) for line in done.stdout.splitlines()]

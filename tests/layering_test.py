#!/usr/bin/env python3
"""Folders are floors, and includes go down one way. Reads the #include lines and fails on any other arrow, and in src/
on a file of more than 400 lines or a function of more than 60. The words in include/forklore are below everything;
those that are plain values may be spoken inside the store."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"cache": {"cache", "session", "store", "base"}, "session": {"session", "store", "base"},
          "store": {"store", "base"}, "base": {"base"}, "cli": {"cli"}}  # fmt: skip
WORDS = {"cache": {"*"}, "session": {"cache", "hooks", "options"}, "store": {"code", "found", "options", "stats"},
         "base": set(), "cli": {"*"}}  # fmt: skip
# The inner order of the store. The third row never include each other; geometry has the numbers they are built from.
STORE = {"layout": 0, "decision": 1, "geometry": 1, "known": 1, "index": 2, "log": 2, "ghost": 2, "leases": 2,
         "counters": 2, "policy": 3, "stripe": 4, "segment": 5}  # fmt: skip
# Those of the session and of the cache.
SESSION = {"header": 0, "log": 0, "refusal": 0, "thread": 0, "view": 0, "hooks": 1, "naming": 1, "need": 2,
           "segments": 2, "opening": 3, "attachment": 4}  # fmt: skip
CACHE = {"call": 0, "code": 0, "gcra": 0, "cache": 1, "lease": 1, "compute": 2, "lock": 2, "rate": 2}
ORDER = {"store": STORE, "session": SESSION, "cache": CACHE}
ALONE = {"boost": "base/mapping", "xxhash.h": "base/hash"}  # who may include what is not ours
MOST_LINES = 400
MOST_LINES_OF_FUNCTION = 60
LONGER = {"Computation::begin"}
FUNCTION = re.compile(
    r"^ *(?!return |else |case )[\w\[~][\w:<>&*,\[\]~() ]*?[ &*:]*?((?:\w+::)*~?\w+)\([^;{}]*\)[^;{}]*\{", re.MULTILINE
)


def noun(file: str) -> str:
    """store/stripe_read.cpp is of the noun stripe."""
    return re.split(r"[_.]", file.rpartition("/")[2])[0]


def fault(file: str, included: str) -> str | None:
    """file and included as they are written below src/; of what is not ours, included is any header."""
    floor, top = file.split("/")[0], included.split("/")[0]
    if top == "forklore":
        allowed = WORDS[floor]
        return None if "*" in allowed or noun(included) in allowed else f"{floor} may not speak of it"
    if top in FLOORS and top not in FLOORS[floor]:
        return f"{floor} is below {top}, or beside it"
    if top in ALONE and not file.startswith(ALONE[top]):
        return f"{ALONE[top]} alone may include it"
    if floor == top and floor in ORDER:
        order, mine, other = ORDER[floor], noun(file), noun(included)
        if mine not in order or other not in order:
            return f"a noun without a place: give it one in {floor.upper()}"
        if mine != other and order[mine] <= order[other]:
            return f"{mine} is not above {other}"
    return None


def long_functions(path: Path) -> list[str]:
    """Each with how many lines it has."""
    text = re.sub(r"//.*", "", path.read_text())
    found = []
    for match in FUNCTION.finditer(text):
        if match[1] in ("if", "for", "while", "switch", "catch", "alignas"):
            continue
        depth, end = 1, match.end()
        while depth > 0 and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        lines = text.count("\n", match.start(), end) + 1
        if lines > MOST_LINES_OF_FUNCTION and match[1] not in LONGER:
            found.append(f"{match[1]} has {lines} lines; {MOST_LINES_OF_FUNCTION} is the limit")
    return found


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.[ch]pp"))


def main() -> int:
    faults, files = [], sources("src")
    for path in files:
        name, lines = path.relative_to(ROOT / "src").as_posix(), len(path.read_text().splitlines())
        faults += [f"src/{name} includes {inc}: {why}" for inc in includes(path) if (why := fault(name, inc))]
        if lines > MOST_LINES:
            faults.append(f"src/{name} has {lines} lines; {MOST_LINES} is the limit")
        faults += [f"src/{name}: {long}" for long in long_functions(path)]
    for path in sources("include"):
        for inc in includes(path):
            if "." in inc and not inc.startswith("forklore/") and inc != "sys/types.h":
                where = path.relative_to(ROOT)
                faults.append(f"{where} includes {inc}: the public words need the standard library alone")
    for path in sources("bindings", "bench", "examples", "src/cli"):
        faults += [f"{path.relative_to(ROOT)} includes {inc}: a client sees the public headers alone"
                   for inc in includes(path) if inc.split("/")[0] in FLOORS]  # fmt: skip
    for line in faults:
        print(line)
    print(f"{len(files)} files in src/, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Folders are floors, and includes go down one way. Reads the #include lines and fails on any other arrow. The words in
include/forklore are below everything; those that are plain values may be spoken inside the store.

No file in src/ has more than 400 lines, unless the comment at its head says "It is long because". No function has more
than 60."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"cache": {"cache", "session", "store", "base"}, "session": {"session", "store", "base"},
          "store": {"store", "base"}, "base": {"base"}, "cli": {"cli"}}  # fmt: skip
WORDS = {"cache": {"*"}, "session": {"cache", "hooks", "lease", "open", "option", "options"},
         "store": {"code", "counts", "found", "options", "stats"}, "base": set(), "cli": {"*"}}  # fmt: skip
# The inner order of the store. The third row never include each other; geometry has the numbers they are built from.
STORE = {"layout": 0, "decision": 1, "reading": 1, "geometry": 1, "known": 1, "index": 2, "log": 2, "ghost": 2,
         "leases": 2, "counters": 2, "policy": 3, "stripe": 4, "segment": 5}  # fmt: skip
# Those of the session and of the cache.
SESSION = {"header": 0, "log": 0, "refusal": 0, "thread": 0, "view": 0, "hooks": 1, "naming": 1, "need": 2,
           "permission": 2, "opening": 3, "attachment": 4, "segments": 5}  # fmt: skip
CACHE = {"call": 0, "code": 0, "gcra": 0, "pattern": 0, "cache": 1, "lease": 1, "compute": 2, "lock": 2, "rate": 2}
# That of the program, which is a client: of the library it sees the public headers alone.
CLI = {"failure": 0, "text": 1, "counts": 2, "output": 2, "target": 2, "value": 2, "commands": 3, "entry": 4, "keys": 5,
       "list": 5, "segment": 5, "stats": 5, "main": 6}  # fmt: skip
ORDER = {"store": STORE, "session": SESSION, "cache": CACHE, "cli": CLI}
# The inner order of a noun of several files: its own header first, then these, then all its other files. What stands
# beside another, or above it, cannot be included.
PARTS = {"store/stripe_read": 1, "store/log_plain": 1, "store/log_writer": 1}
ALONE = {
    "boost": "base/mapping",
    "xxhash.h": "base/hash",
    "CLI": "cli/",
    "nlohmann": "cli/text",
}  # who may include what is not ours
MOST_LINES, MOST_LINES_OF_FUNCTION = 400, 60


def noun(file: str) -> str:
    """store/stripe_read.cpp is of the noun stripe."""
    return re.split(r"[_.]", file.rpartition("/")[2])[0]


def rank(part: str) -> int:
    """store/stripe is at the bottom of its noun, store/stripe_read above it, store/stripe_update at the top."""
    name = part.rpartition("/")[2]
    return 0 if "_" not in name else PARTS.get(part, 2)


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
    part, other_part = (path.rpartition(".")[0] for path in (file, included))
    if floor == top and noun(file) == noun(included) and part != other_part and rank(part) <= rank(other_part):
        return f"{part} is not above {other_part}: give them an order in PARTS"
    return None


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def is_long_for_a_reason(text: str) -> bool:
    head = re.match(r"(?://.*\n)*", text)
    return head is not None and "It is long because" in head[0]


def functions(text: str) -> list[tuple[int, int]]:
    """Line and number of lines of each function, from its first word to its last brace, as our formatter leaves them.
    A brace opens one if nothing but namespaces and classes are around it. A long table counts as well."""
    nothing = re.compile(
        r"//[^\n]*|/\*.*?\*/|^\s*#(?:\\\n|[^\n])*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.M | re.S
    )
    text = nothing.sub(lambda out: re.sub(r"[^\n]", " ", out[0]), text)
    text = re.sub(r"\b(?:public|private|protected):", lambda out: " " * len(out[0]), text)
    found, inside, begin, head = [], 0, 0, 0  # inside: braces of a function that are open
    for brace in re.finditer(r"[{};]", text):
        if brace[0] == "{":
            words = text[head : brace.start()]
            if inside or not re.match(
                r"\s*(?:(?:inline )?namespace|(?:template <.*>\s*)?(?:class|struct|union|enum))\b", words, re.S
            ):
                if not inside:
                    begin = head + len(words) - len(words.lstrip())
                inside += 1
        elif brace[0] == "}" and inside:
            inside -= 1
            if not inside:
                line = text.count("\n", 0, begin) + 1
                found.append((line, text.count("\n", 0, brace.start()) + 2 - line))
        head = brace.end()
    return found


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.[ch]pp"))


def main() -> int:
    faults, files = [], sources("src")
    for path in files:
        name, lines = path.relative_to(ROOT / "src").as_posix(), len(path.read_text().splitlines())
        faults += [f"src/{name} includes {inc}: {why}" for inc in includes(path) if (why := fault(name, inc))]
        if lines > MOST_LINES and not is_long_for_a_reason(path.read_text()):
            faults.append(f"src/{name} has {lines} lines; {MOST_LINES} is the limit")
        faults += [f"src/{name}:{line}: a function of {n} lines; {MOST_LINES_OF_FUNCTION} is the limit"
                   for line, n in functions(path.read_text()) if n > MOST_LINES_OF_FUNCTION]  # fmt: skip
    for path in sources("include"):
        for inc in includes(path):
            if "." in inc and not inc.startswith("forklore/") and inc != "sys/types.h":
                where = path.relative_to(ROOT)
                faults.append(f"{where} includes {inc}: the public words need the standard library alone")
    for path in sources("bindings", "bench", "examples"):
        faults += [f"{path.relative_to(ROOT)} includes {inc}: a client sees the public headers alone"
                   for inc in includes(path) if inc.split("/")[0] in FLOORS]  # fmt: skip
    for line in faults:
        print(line)
    print(f"{len(files)} files in src/, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())

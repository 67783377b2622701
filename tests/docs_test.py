#!/usr/bin/env python3
"""Holds the pages to each other and to the code. Links lead somewhere. The tests, functions and classes that pages name
exist. Every "protocol N" in the code is a rule of docs/protocol.md. The list of places where an expired entry is absent
is the code's."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(path for folder in ("docs", "bench", "examples", "tests") for path in (ROOT / folder).rglob("*.md")),
]
CODE = [path for folder in ("include", "src", "tests", "bindings") for path in (ROOT / folder).rglob("*.[ch]pp")]


def prose(text: str) -> str:
    """A page without its code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """What links to a page's headings are called."""
    headings = re.findall(r"^#+ +(.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> list[str]:
    faults = []
    for page in PAGES:
        name = page.relative_to(ROOT)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text())):
            file, _, anchor = target.partition("#")
            if ":" in target:
                continue
            to = (page.parent / file).resolve() if file else page
            if not to.exists():
                faults.append(f"{name}: there is no {target}")
            elif anchor and anchor not in anchors(to.read_text()):
                faults.append(f"{name}: {target} has no such heading")
    return faults


def protocol() -> list[str]:
    page = (ROOT / "docs/protocol.md").read_text()
    rules = [int(number) for number in re.findall(r"^### (\d+)\. ", page, re.MULTILINE)]
    in_order = rules == list(range(1, len(rules) + 1))
    faults = [] if in_order else ["docs/protocol.md: its rules are not numbered in order"]
    texts = {path: path.read_text() for path in CODE}
    for path, text in texts.items():
        for number in re.findall(r"protocol (\d+)", text):
            if int(number) not in rules:
                faults.append(f"{path.relative_to(ROOT)}: there is no protocol {number}")

    def text_of(folder: str) -> str:
        return "".join(text for path, text in texts.items() if path.is_relative_to(ROOT / folder))

    broken = set(re.findall(r'broken\("([a-z-]+)"\)', text_of("src")))
    models = set(re.findall(r'^ *\{"([a-z ]+)",', text_of("tests/model"), re.MULTILINE))
    programs = {path.stem for path in CODE if path.is_relative_to(ROOT / "tests")} | {"linearizable"}
    programs |= {"fuzz_" + path.stem for path in CODE if path.is_relative_to(ROOT / "tests/fuzz")}
    words = set(re.findall(r"[a-z]+", text_of("tests/crash")))
    kinds = {"broken": broken, "model": models}
    for shown in re.findall(r"^\*Shown by\*(.*?)\n(?:\n|\Z)", page, re.MULTILINE | re.DOTALL):
        kind = ""
        for name in re.findall(r"`([^`]+)`", shown):
            name = " ".join(name.split())
            if match := re.match(r"(every|broken|model): ", name):
                kind, name = match[1], name[match.end() :]
            known = any(name in names for names in (programs, *kinds.values()))
            if not known and kind == "every":
                known = set(re.findall(r"[a-z]+", name)) <= words
            if not known:
                faults.append(f"docs/protocol.md: there is no test {name}")
    for place in sorted(broken - set(re.findall(r"[a-z-]+", page))):
        faults.append(f"docs/protocol.md: no rule names broken: {place}")
    for model in sorted(models - {" ".join(name.split()) for name in re.findall(r"`(?:model: )?([^`]+)`", page)}):
        faults.append(f"docs/protocol.md: no rule names model: {model}")
    return faults


def architecture() -> list[str]:
    """Every function and class that the page names is one, and it names every file."""
    page = prose((ROOT / "docs/architecture.md").read_text())
    sources = [*CODE, *(ROOT / "bindings").rglob("*.py")]
    code = set(re.findall(r"\w+", "".join(path.read_text() for path in sources))) | {path.stem for path in sources}
    names = re.findall(r"`(?:\w+(?:::|\.))?(\w+)(?:\([^`]*\))?`", page)
    faults = [
        f"docs/architecture.md: there is no {name} in the code" for name in dict.fromkeys(names) if name not in code
    ]
    ours = [*(ROOT / "src").rglob("*.[ch]pp"), *(ROOT / "bindings").rglob("*.[ch]pp")]
    ours += [path for path in (ROOT / "bindings/python/forklore").rglob("*.py") if path.stem != "__init__"]
    unnamed = {path.stem for path in ours} - set(re.findall(r"`(\w+)`", page))
    return faults + [f"docs/architecture.md: no row has the file {name}" for name in sorted(unnamed)]


def expired_places() -> list[str]:
    """docs/architecture.md lists exactly those functions that compare an entry's time with the clock."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = re.search(r"^## Where an expired entry is absent\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    listed = set(re.findall(r"^\| `(\w+::\w+)` \|", section[1], re.MULTILINE)) if section else set()
    definitions = ("layout.hpp", "log.hpp")  # of expired() and fresh_until()
    found: set[str] = set()
    for path in sorted((ROOT / "src").rglob("*.[ch]pp")):
        function = ""
        for line in path.read_text().splitlines():
            code = line.partition("//")[0]
            if head := re.match(r"[A-Za-z\[].*?(\w+::\w+)\(", code):
                function = head[1]
            if re.search(r"\.expired\(|\.fresh_until\(|\bexpiry <=? now\b", code) and path.name not in definitions:
                found.add(function or f"{path.name}: {code.strip()}")
    faults = [
        f"docs/architecture.md: {name} is not in the list of where an expired entry is absent"
        for name in found - listed
    ]
    faults += [f"docs/architecture.md: {name} does not look whether an entry has expired" for name in listed - found]
    return sorted(faults)


def sizes() -> list[str]:
    """The widths that docs/layout.md gives are those of the code."""
    code = "".join((ROOT / name).read_text() for name in ("src/store/layout.hpp", "src/store/geometry.cpp"))

    def bytes_of(constant: str) -> int:
        sum_of = re.search(rf"{constant} = (\d+) \* sizeof\(Word\) \+ (\d+) \* sizeof\(HalfWord\)", code)
        return 8 * int(sum_of[1]) + 4 * int(sum_of[2]) if sum_of else 0

    least = sum(int(number) for number in re.findall(r"kMin(?:Flights|Locks) = (\d+)", code))
    line, chunk = bytes_of("kLeaseBytes"), bytes_of("kColumns")
    page = " ".join((ROOT / "docs/layout.md").read_text().split())
    wanted = [
        f"| {chunk} bytes a | {line} b ",
        f"{chunk} bytes of table for each chunk",
        f"A line has {line} bytes.",
        f"{least} lines in {least * line:,} bytes",
        f"80 in {80 * line:,}.",
    ]
    return [f"docs/layout.md: it does not say {text!r}" for text in wanted if text not in page]


def tests() -> list[str]:
    """Every test that a page names is there."""
    texts = {path: path.read_text() for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py")}
    known = {"test_set_fail_on_pickleerror"}  # Django's own
    known |= {path.stem for path in (*CODE, *texts)} | set(re.findall(r"def (test_\w+)", "".join(texts.values())))
    return [
        f"{page.relative_to(ROOT)}: there is no {name}"
        for page in PAGES
        for name in re.findall(r"`(\w+_test|test_\w+)(?:\.py)?`", prose(page.read_text()))
        if name not in known
    ]


def main() -> int:
    faults = links() + protocol() + architecture() + expired_places() + sizes() + tests()
    for line in faults:
        print(line)
    print(f"{len(PAGES)} pages, {len(faults)} faults")
    return 1 if faults or not PAGES else 0


if __name__ == "__main__":
    sys.exit(main())

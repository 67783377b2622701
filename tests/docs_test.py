#!/usr/bin/env python3
"""Holds the pages to each other and to the code. Links lead somewhere. The tests, functions and classes that pages name
exist. Every "protocol N" in the code is a rule of docs/protocol.md."""

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
    faults = links() + protocol() + architecture() + tests()
    for line in faults:
        print(line)
    print(f"{len(PAGES)} pages, {len(faults)} faults")
    return 1 if faults or not PAGES else 0


if __name__ == "__main__":
    sys.exit(main())

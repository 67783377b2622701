#!/usr/bin/env python3
"""usage: shared_symbols.py LIBRARY

A shared library shows what the public headers mark with FORKLORE_EXPORT, all of it and nothing else; and its name says
how long a program that was linked with it may rely on it. Exit 1, and what is wrong, if not."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What a class or a function of the namespace is called in a demangled symbol, with what the compiler adds to classes.
SYMBOL = re.compile(r"(?:(?:typeinfo|typeinfo name|vtable) for )?forklore::(\w+)(?:::.*|\(.*|\[.*)?")
MARKED = re.compile(r"FORKLORE_EXPORT .*?(\w+)(?:\(| \{| : )")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def shown(library: str) -> list[str]:
    lines = output("nm", "--dynamic", "--defined-only", "--demangle", library).splitlines()
    return [line.split(maxsplit=2)[2] for line in lines]


def marked() -> set[str]:
    words: set[str] = set()
    for header in sorted((ROOT / "include/forklore").glob("*.hpp")):
        if header.name != "export.hpp":
            words |= set(MARKED.findall(header.read_text()))
    return words


def name_wanted() -> str:
    """libforklore.so.0.1: before 1.0, a minor version promises nothing to the next."""
    found = re.search(r"project\(forklore VERSION (\d+)\.(\d+)", (ROOT / "CMakeLists.txt").read_text())
    assert found is not None
    major, minor = found.groups()
    return f"libforklore.so.{major}.{minor}" if major == "0" else f"libforklore.so.{major}"


def main() -> int:
    (library,) = sys.argv[1:]
    symbols, words, faults = shown(library), marked(), []
    seen: set[str] = set()
    for symbol in symbols:
        found = SYMBOL.fullmatch(symbol)
        if found is None or found[1] not in words:
            faults.append(f"is shown, and is not in a public header: {symbol}")
        else:
            seen.add(found[1])
    faults += [f"is marked in a public header, and is not shown: {word}" for word in sorted(words - seen)]
    name = re.search(r"SONAME\s+(\S+)", output("objdump", "-p", library))
    if name is None or name[1] != name_wanted():
        faults.append(f"its name is {name and name[1]}, and not {name_wanted()}")
    print("\n".join(faults) or f"{len(symbols)} symbols of {len(words)} public words, as {name_wanted()}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

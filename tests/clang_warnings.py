"""Has clang read what a build has not compiled: its warnings, for far less than the build of everything.

usage: clang_warnings.py BUILD

BUILD is a folder configured with clang and CMAKE_EXPORT_COMPILE_COMMANDS. Exit 1 if one is an error (FORKLORE_WERROR).
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def left_out(build: pathlib.Path) -> dict[str, dict]:
    """The compilations, by source, of which no object file is there."""
    found: dict[str, dict] = {}
    compiled = set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        if (pathlib.Path(entry["directory"]) / words[words.index("-o") + 1]).exists():
            compiled.add(entry["file"])
        else:
            found[entry["file"]] = {"words": words, "directory": entry["directory"]}
    return {source: entry for source, entry in sorted(found.items()) if source not in compiled}


def read(entry: dict) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*entry["words"], "-fsyntax-only"], cwd=entry["directory"], capture_output=True, text=True, check=False
    )


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    entries = left_out(pathlib.Path(sys.argv[1]))
    failed = 0
    with ThreadPoolExecutor(int(os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or os.cpu_count() or 1)) as threads:
        for source, result in zip(entries, threads.map(read, entries.values()), strict=True):
            failed += result.returncode != 0
            print(f"{os.path.relpath(source)}: {result.stderr or 'read'}")
    print(f"{len(entries)} sources read, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs django-redis' own tests of its backend, as its source distribution has them, against Forklore's.

usage: run.py [DIRECTORY]

Brings the distribution that sdist.txt names into DIRECTORY (build/django-redis) by pip, unless it is there. Fails if
any test does other than expected.txt says, be it better or worse. Those of sorted sets, and of what is inside
django-redis' clients, are not run.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = ("test_backend.py", "test_session.py")
PASSES = "passes"


def sdist(directory: Path) -> Path:
    """The archive, which is what sdist.txt says."""
    wanted = re.search(r"--hash=sha256:(\w+)", (HERE / "sdist.txt").read_text())
    assert wanted is not None
    for attempt in range(2):
        for path in directory.glob("*.tar.gz"):
            if hashlib.sha256(path.read_bytes()).hexdigest() == wanted[1]:
                return path
        if attempt == 0:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
            command += ["--require-hashes", "--dest", str(directory), "-r", str(HERE / "sdist.txt")]
            subprocess.run(command, check=True)
    raise SystemExit("pip has brought another archive than sdist.txt names")


def unpack(archive: Path, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    with tarfile.open(archive) as members:
        for member in members:
            folder, _, file = member.name.rpartition("/")
            content = members.extractfile(member) if folder.endswith("/tests") and file in FILES else None
            if content is not None:
                (directory / file).write_bytes(content.read())
    (directory / "conftest.py").write_text("from fixtures import *\n")


def run(directory: Path) -> dict[str, str]:
    """By test: "passes", or in a line what went wrong."""
    report = directory / "report.xml"
    report.unlink(missing_ok=True)
    # Most of them sleep most of the time.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-n", "4", "--tb=no", "-c", os.devnull]
    command += ["-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:django"]
    command += ["--rootdir", str(directory), "--junitxml", str(report), *FILES]
    subprocess.run(command, cwd=directory, env={**os.environ, "PYTHONPATH": str(HERE)}, stdout=subprocess.DEVNULL,
                   timeout=100)  # fmt: skip
    results = {}
    for case in ElementTree.parse(report).iter("testcase"):
        wrong = next((each for each in case if each.tag in ("failure", "error", "skipped")), None)
        name = f"{case.get('classname', '').partition('.')[0]}::{case.get('name')}"
        says = "" if wrong is None else (wrong.get("message") or wrong.tag).partition("\n")[0]
        results[name] = PASSES if wrong is None else f"{wrong.tag}: {says}"
    return results


def expected() -> dict[str, str]:
    """By test, the heading that it stands under."""
    heading, tests = "", {}
    for line in (HERE / "expected.txt").read_text().splitlines():
        if line.startswith("  "):
            tests[line.strip()] = heading
        elif line and not line.startswith("#"):
            heading = line.rstrip(":")
    return tests


def main() -> int:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent.parent / "build" / "django-redis").absolute()
    directory.mkdir(parents=True, exist_ok=True)
    unpack(sdist(directory), directory / "tests")
    found, wanted = run(directory / "tests"), expected()
    faults = [f"{name} is not known: {found[name]}" for name in found.keys() - wanted.keys()]
    faults += [f"{name} was not run" for name in wanted.keys() - found.keys()]
    for name in found.keys() & wanted.keys():
        if (found[name] == PASSES) != wanted[name].startswith(PASSES):
            faults.append(f"{name} should be under {wanted[name]!r} and does: {found[name]}")
    print("\n".join(sorted(faults)))
    headings = dict.fromkeys(wanted.values())
    for heading in headings:
        print(f"{sum(each == heading for each in wanted.values()):5}  {heading}")
    print(f"{len(found)} tests, {len(faults)} other than expected")
    return 1 if faults or not found else 0


if __name__ == "__main__":
    sys.exit(main())

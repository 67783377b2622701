"""Runs the adapters under the tests that their packages ship: those of cachelib, Flask-Caching and limits, from the
source distribution of the version that is installed. dogpile.cache has its own in the package: test_dogpile.py.

usage: python tests/adapters/suites.py [WORK_DIRECTORY]

The tests are as their packages have them. The conftest.py beside this file, in the suite's folder, puts Forklore in the
place of a cache of the package's own. Prints what passed. Fails if a test does, or if fewer passed than are named here.
Tests of limits look at the clock, and limits marks them as flaky, with three runs at most. So that suite may run three
times, and what failed before is printed.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD_BACKENDS = ("flit_core", "hatchling", "hatch-vcs")  # which pip needs to look into a source distribution


@dataclass(frozen=True)
class Suite:
    package: str
    folder: str
    files: tuple[str, ...]
    least: int  # tests that pass with the versions of today
    chosen: str = ""  # as pytest -k has it
    into: str = ""  # the package that the tests are
    left_out: tuple[str, ...] = ()  # tests that want what only another cache has
    runs: int = 1  # at most


SUITES = [
    Suite("cachelib", "cachelib", ("clear", "common", "delete_many_with_prefix", "has", "serializer", "conftest"), 21),
    Suite("flask-caching", "flask_caching",
          ("test_cache", "test_memoize", "test_view", "test_templates", "test_signals", "test_subclassing",
           "test_serializer", "test_template.html", "test_stream.html"), 138,
          left_out=("test_cache.py::test_cache_unlink",  # a server of Redis
                    "test_serializer.py::test_default_keeps_the_cachelib_serializer",  # SimpleCache's attribute
                    "test_serializer.py::test_values_are_stored_in_the_configured_format")),  # and its dict
    Suite("limits", "limits",
          ("test_strategy", "test_storage", "integration/test_concurrency", "storage/test_memory", "utils"), 58,
          chosen="(in-memory or TestSerialization or TestBaseStorage or TestStorageErrors) and not Async",
          into="tests", runs=3),
]  # fmt: skip


def sources(package: str, work: Path) -> Path:
    """The unpacked source distribution of the installed version."""
    wanted = f"{package}=={importlib.metadata.version(package)}"
    command = ["download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", package, "-d", str(work), wanted]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    [archive] = work.glob(f"{package.replace('-', '[-_]')}-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(work, filter="data")
    return work / archive.name.removesuffix(".tar.gz")


def prepare(suite: Suite, work: Path) -> Path:
    """The folder to run pytest in."""
    tests = sources(suite.package, work) / "tests"
    made = work / f"{suite.folder}-run"
    inner = made / suite.into
    inner.mkdir(parents=True)
    for file in suite.files:
        path = tests / (file if "." in file else f"{file}.py")
        target = "shipped_conftest.py" if file == "conftest" else path.name  # ours imports what it wants of it
        shutil.copy(path, inner / target)
    if suite.into:
        (inner / "__init__.py").touch()
    for own in (HERE / suite.folder).glob("*.py"):
        shutil.copy(own, made / own.name)
    (made / "pytest.ini").write_text("[pytest]\n")
    return made


def run(suite: Suite, work: Path) -> bool:
    where = prepare(suite, work)
    command = ["-m", "pytest", "-q", "-n", "4", "-p", "no:cacheprovider", "-W", "ignore", "--timeout=120"]
    command += ["-k", suite.chosen] if suite.chosen else []
    command += [f"--deselect={test}" for test in suite.left_out]
    for further in reversed(range(suite.runs)):
        done = subprocess.run([sys.executable, *command], cwd=where, capture_output=True, text=True, env=os.environ)
        if done.returncode == 0 or not further:
            break
        print(f"{suite.package}, to be run again:", *re.findall(r"^FAILED .*", done.stdout, re.MULTILINE), sep="\n")
    passed = int((re.findall(r"(\d+) passed", done.stdout) or ["0"])[-1])
    version = importlib.metadata.version(suite.package)
    skipped = int((re.findall(r"(\d+) skipped", done.stdout) or ["0"])[-1])
    print(f"{suite.package} {version}: {passed} passed, {skipped + len(suite.left_out)} left out", flush=True)
    if done.returncode != 0 or passed < suite.least:
        print(done.stdout[-5000:], done.stderr[-2000:], f"at least {suite.least} were to pass", sep="\n")
        return False
    return True


def main() -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *BUILD_BACKENDS], check=True)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as work:
        passed = [run(suite, Path(work)) for suite in SUITES]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()

"""The pytest plugin: tests stay away from the running site, each run and each worker of xdist from the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import forklore

from .conftest import SHM, eventually

pytest_plugins = ["pytester"]


class Run:
    """A project of its own directory and the site that runs beside it, whose segments are `site` and `file`."""

    def __init__(self, name: str, pytester: pytest.Pytester) -> None:
        self.name, self.pytester = name, pytester
        self.file = pytester.path / "site.cache"
        for place in (forklore.Cache(name, "1MB"), forklore.Cache(name, "1MB", place="file", path=self.file)):
            with place as cache:
                cache.set("k", "the site's")
        self.prefixes = pytester.path / "prefixes"
        pytester.makeconftest(f"""
            import os
            NAME = {name!r}
            FILE = {str(self.file)!r}
            with open({str(self.prefixes)!r}, "a") as file:
                print(os.environ.get("FORKLORE_TEST_PREFIX"), file=file)
        """)
        pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")

    def tests(self, code: str) -> None:
        self.pytester.makepyfile("import os, forklore, pytest, subprocess, sys, glob\nfrom conftest import NAME, FILE\n"
                                 + textwrap.dedent(code))  # fmt: skip

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(*arguments, timeout=60)

    def left(self) -> list[Path]:
        """Of what all runs so far have made."""
        return [path for prefix in self.prefixes.read_text().split() for path in SHM.glob(f"forklore-*-{prefix}*")]

    def untouched(self) -> bool:
        found = [forklore.Cache.attach(self.name), forklore.Cache.attach(self.name, place="file", path=self.file)]
        return all(cache.get("k") == "the site's" for cache in found)


@pytest.fixture
def project(name: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    for variable in ("FORKLORE_TEST_PREFIX", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)
    run = Run(name, pytester)
    yield run
    assert run.untouched()
    forklore.remove(name)


EVERYTHING = """
def test_everything():
    cache = forklore.Cache(NAME, "1MB")
    assert cache.name == NAME
    assert cache.get("k") is None
    cache.set("k", "the tests'")
    attached = forklore.Cache.attach(NAME)
    assert attached.get("k") == "the tests'"
    file = forklore.Cache(NAME, "1MB", place="file", path=FILE)
    assert file.get("k") is None
    file.clear()
    cache.clear()
    assert forklore.remove(FILE, place="file") is True
    assert [segment.name for segment in forklore.segments()] == [NAME]
    for segment in forklore.segments():
        forklore.remove(segment.name)
    assert forklore.segments() == []

def test_processes_that_are_started():
    forklore.Cache(NAME, "1MB").set("k", "from the test")
    script = f"import forklore; cache = forklore.Cache({NAME!r}); print(cache.get('k')); cache.clear()"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "from the test\\n"
    assert forklore.Cache(NAME).get("k") is None

def test_an_empty_cache(forklore_cache):
    assert list(forklore_cache.keys()) == []
    forklore_cache.set("k", 1)

def test_another_empty_cache(forklore_cache):
    assert forklore_cache.get("k") is None
    assert forklore_cache.stats().capacity_bytes == 8 << 20
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_tests_stay_away_from_the_site(project: Run, arguments: tuple[str, ...]) -> None:
    project.tests(EVERYTHING)
    project.run(*arguments).assert_outcomes(passed=4)
    assert len(set(project.prefixes.read_text().split())) == (3 if arguments else 1)
    assert project.left() == []


def test_workers_of_xdist_stay_away_from_each_other(project: Run) -> None:
    project.tests("""
        @pytest.mark.parametrize("n", range(8))
        def test_alone(n, worker_id):
            cache = forklore.Cache(NAME, "1MB")
            seen = cache.get("seen", ())
            assert all(worker == worker_id for worker in seen)
            cache.set("seen", (*seen, worker_id))
    """)
    project.run("-n", "4").assert_outcomes(passed=8)


def test_what_killed_runs_leave_goes_with_the_next(project: Run, tmp_path: Path) -> None:
    project.tests(f"""
        import time
        def test_long():
            forklore.Cache(NAME, "1MB")
            open({str(tmp_path / "begun")!r}, "w").write(os.environ["FORKLORE_TEST_PREFIX"])
            time.sleep(50)
    """)
    process = subprocess.Popen([sys.executable, "-m", "pytest", "-q"], cwd=project.pytester.path,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    begun = tmp_path / "begun"
    eventually(lambda: begun.exists() and begun.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(SHM.glob(f"forklore-*-{begun.read_text()}*"))
    assert len(left) == 1
    # Another run lives: what it has is not taken, attached or not.
    other = subprocess.Popen([sys.executable, "-m", "pytest", "-q"], cwd=project.pytester.path,
                             stdout=subprocess.DEVNULL)  # fmt: skip
    begun.unlink()
    eventually(lambda: begun.exists() and begun.read_text())
    try:
        assert not left[0].exists()
        [alive] = SHM.glob(f"forklore-*-{begun.read_text()}*")
        project.tests("def test_nothing(): pass")
        project.run("-p", "no:xdist").assert_outcomes(passed=1)
        assert alive.exists()
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    project.run("-p", "no:xdist").assert_outcomes(passed=1)
    assert not alive.exists()


def test_it_can_be_switched_off(project: Run) -> None:
    project.tests("""
        def test_the_site():
            assert "FORKLORE_TEST_PREFIX" not in os.environ
            assert forklore.Cache.attach(NAME).get("k") == "the site's"
    """)
    project.run("-p", "no:forklore").assert_outcomes(passed=1)


def test_one_test_can_look_at_the_site(project: Run) -> None:
    project.tests("""
        def test_the_site(monkeypatch):
            assert forklore.Cache(NAME, "1MB").get("k") is None
            monkeypatch.delenv("FORKLORE_TEST_PREFIX")
            assert forklore.Cache.attach(NAME).get("k") == "the site's"
            assert forklore.Cache.attach(NAME, place="file", path=FILE).path == FILE
    """)
    project.run().assert_outcomes(passed=1)


def test_a_prefix_that_is_given_is_kept(project: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORKLORE_TEST_PREFIX", f"given-{os.getpid()}-")
    project.tests('def test_given(): forklore.Cache("x", "1MB").set("k", 1)')
    project.run().assert_outcomes(passed=1)
    assert forklore.Cache.attach("x").get("k") == 1  # here it holds as well
    assert forklore.remove("x")
    monkeypatch.setenv("FORKLORE_TEST_PREFIX", "not a name")
    with pytest.raises(
        forklore.OpenError, match=r'FORKLORE_TEST_PREFIX in the environment must be 1 to 64 .*, not "not a name"'
    ):
        forklore.Cache("x", "1MB")
    monkeypatch.delenv("FORKLORE_TEST_PREFIX")


def test_a_run_within_a_run(project: Run) -> None:
    """pytester's own: within this process it changes nothing, in one of its own it has its own prefix."""
    project.pytester.makeconftest(f'NAME = {project.name!r}\nFILE = ""\npytest_plugins = ["pytester"]\n')
    project.tests("""
        INNER = f"import os, forklore\\ndef test(): assert forklore.Cache({NAME!r}, '1MB').get('k') == {{}}"

        @pytest.mark.parametrize(("way", "seen"), [("inprocess", "'outer'"), ("subprocess", None)])
        def test_inner(pytester, way, seen):
            forklore.Cache(NAME, "1MB").set("k", "outer")
            pytester.makepyfile(INNER.format(seen))
            getattr(pytester, f"runpytest_{way}")("-p", "no:cacheprovider").assert_outcomes(passed=1)
            assert forklore.Cache(NAME).get("k") == "outer"
    """)
    project.run("-p", "no:xdist").assert_outcomes(passed=2)


def test_with_pytest_django(project: Run) -> None:
    """A developer's site runs; its settings are those of the tests, and a test clears the cache."""
    pytest.importorskip("pytest_django")
    project.pytester.makepyfile(
        site_settings=f"""
        SECRET_KEY = "k"
        DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
        INSTALLED_APPS = ["django.contrib.sessions", "forklore.django"]
        SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
        CACHES = {{
            "default": {{"BACKEND": "forklore.django.ForkloreCache", "LOCATION": {project.name!r},
                        "OPTIONS": {{"CAPACITY": "1MB"}}}},
            "file": {{"BACKEND": "forklore.django.ForkloreCache", "LOCATION": {project.name!r},
                     "OPTIONS": {{"CAPACITY": "1MB", "PLACE": "file", "PATH": {str(project.file)!r}}}}},
        }}
        from django.core.cache import cache  # as some settings and apps do
    """
    )
    project.tests("""
        from django.core.cache import caches

        @pytest.mark.parametrize("alias", ["default", "file"])
        def test_clear(alias):
            caches[alias].set("k", "of a test")
            assert caches[alias].get("k") == "of a test"
            caches[alias].clear()

        @forklore.memoize(ttl=60)
        def twice(x): return 2 * x

        def test_memoize():
            assert twice(4) == 8
            assert [key for key in caches["default"].handle.keys() if "twice" in key]

        @pytest.mark.django_db
        def test_sessions(client):
            client.session["user"] = 5
    """)
    for arguments in ((), ("-n", "2")):
        project.run("--ds", "site_settings", *arguments).assert_outcomes(passed=4)


def test_it_is_inert(project: Run) -> None:
    """Where forklore is installed and not used: no segment, no Django, no time."""
    project.pytester.makepyfile("""
        import sys
        def test_nothing():
            assert "django" not in sys.modules
    """)
    seconds = {}
    for arguments in (("-p", "no:forklore"), ()):
        begin = time.perf_counter()
        project.run(*arguments, "-p", "no:django").assert_outcomes(passed=1)
        seconds[arguments] = time.perf_counter() - begin
    print(seconds)
    assert project.left() == []


def test_what_was_opened_before_is_not_taken_for_the_tests_own(project: Run) -> None:
    project.tests("""
        def test_it():
            forklore.Cache(NAME).clear()
    """)
    before = f"""
        import forklore, pytest
        cache = forklore.Cache({project.name!r})
        raise SystemExit(pytest.main(["-q"]))
    """
    done = project.pytester.run(sys.executable, "-c", textwrap.dedent(before), timeout=60)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*has opened /dev/shm/forklore-*before pytest began*"])
    assert project.untouched()

"""Requests over HTTP to servers that give each application an interpreter of its own: Apache with mod_wsgi, embedded
and as a daemon, and uWSGI with two mounts. scripts/test.sh installs what they need, and sets FORKLORE_SERVERS.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import segment_files

if "FORKLORE_SERVERS" not in os.environ:
    pytest.skip("scripts/test.sh runs these, where it has installed the servers", allow_module_level=True)

HERE = Path(__file__).resolve().parent
APACHE, APACHE_MODULES, UWSGI = "/usr/sbin/apache2", "/usr/lib/apache2/modules", "/usr/bin/uwsgi-core"
APPLICATIONS = ("one", "two")
PACKAGES = ("forklore", "django", "asgiref", "sqlparse")
SECONDS = 30  # of one request, and of a server's start

APACHE_SETTINGS = """
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/pid
Mutex file:{directory}
DefaultRuntimeDir {directory}
ErrorLog {directory}/log
LogLevel warn
{user}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
WSGISocketPrefix {directory}/socket
Timeout 60
{workers}
{aliases}
<Directory {directory}>
  Require all granted
</Directory>
"""


def apache_embedded(directory: Path, port: int) -> list[str]:
    """The default: each process serves both applications, in subinterpreters."""
    workers = f"StartServers 2\nMinSpareServers 1\nMaxRequestWorkers 4\nServerLimit 4\nWSGIPythonPath {directory}"
    return apache(directory, port, "prefork", workers, "")


def apache_daemon(directory: Path, port: int) -> list[str]:
    """Two processes beside Apache's, of several threads, serve both, in subinterpreters."""
    workers = f"WSGIDaemonProcess site processes=2 threads=4 python-path={directory} shutdown-timeout=5"
    return apache(directory, port, "event", workers, " process-group=site")


def apache(directory: Path, port: int, mpm: str, workers: str, group: str) -> list[str]:
    aliases = "\n".join(
        f"WSGIScriptAlias /{name} {directory}/{name}.py{group} application-group=%{{RESOURCE}}" for name in APPLICATIONS
    )
    settings = APACHE_SETTINGS.format(
        directory=directory, port=port, mpm=mpm, workers=workers, aliases=aliases, modules=APACHE_MODULES,
        user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    )  # fmt: skip
    (directory / "apache.conf").write_text(settings)
    return [APACHE, "-f", f"{directory}/apache.conf", "-DFOREGROUND"]


def uwsgi(directory: Path, port: int) -> list[str]:
    """The second mount is in a subinterpreter, the first in the main one."""
    mounts = [word for name in APPLICATIONS for word in ("--mount", f"/{name}={directory}/{name}.py")]
    return [UWSGI, "--plugin", "python3", "--http-socket", f"127.0.0.1:{port}", "--pythonpath", str(directory),
            "--master", "--processes", "2", "--threads", "4", "--need-app", "--manage-script-name", "--die-on-term",
            "--disable-logging", "--worker-reload-mercy", "2", "--logto", str(directory / "log"), *mounts]  # fmt: skip


class Server:
    def __init__(self, command_of: Callable[[Path, int], list[str]], directory: Path) -> None:
        self.log = directory / "log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        with (directory / "output").open("w") as output:
            self.process = subprocess.Popen(
                command_of(directory, self.port), cwd=directory, stdout=output, stderr=output, start_new_session=True
            )
        self.output = directory / "output"

    def said(self) -> str:
        return "".join(path.read_text(errors="replace") for path in (self.output, self.log) if path.exists())

    def is_up(self) -> bool:
        """False: it has ended, say since another took the port."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)  # a session of its own
            self.process.wait()

    def ask(self, application: str, what: str, **query: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/{application}/{what}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as response:
                answer = json.load(response)
        except OSError as error:
            raise AssertionError(f"{url}: {error}\n{self.said()[-4000:]}") from None
        assert answer["name"] == application
        return answer


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    """What the applications import, where any user may read it."""
    with tempfile.TemporaryDirectory(prefix="forklore-served-") as made:
        directory = Path(made)
        packages, unneeded = Path(sysconfig.get_path("platlib")), shutil.ignore_patterns("*.[mp]o", "contrib")
        for name in PACKAGES:
            shutil.copytree(packages / name, directory / name, ignore=unneeded)
        shutil.copy(HERE / "served.py", directory)
        yield directory


@pytest.fixture(params=[apache_embedded, apache_daemon, uwsgi], ids=lambda one: one.__name__, scope="module")
def server(request: pytest.FixtureRequest, site: Path) -> Iterator[Server]:
    segment = f"pytest-{os.getpid()}-{request.param.__name__}"
    with tempfile.TemporaryDirectory(prefix="forklore-server-") as made:
        directory = Path(made)
        for path in site.iterdir():
            (directory / path.name).symlink_to(path)
        for name in APPLICATIONS:
            (directory / f"{name}.py").write_text(
                f"from served import Application\napplication = Application({name!r}, {segment!r})\n"
            )
        for open_to_all in (site, directory):
            open_to_all.chmod(0o755)
        for _ in range(5):
            started = Server(request.param, directory)
            if started.is_up():
                break
        else:
            pytest.fail(started.said())
        try:
            yield started
        finally:
            started.stop()
            for path in segment_files(segment):  # the server's user's
                path.unlink()
            print(started.said()[-4000:])
        said = started.said()
        # As they end, mod_wsgi 4.9 and uWSGI 2.0 leave interpreters to Python, also where nothing is imported.
        known = said.count("PyInterpreterState_Delete: remaining subinterpreters")
        wrong = ("exit signal", "Fatal Python error")
        assert all(said.count(words) <= known for words in wrong) and "Traceback" not in said, said


def test_both_applications_answer_and_share_the_segment(server: Server) -> None:
    for application in APPLICATIONS:
        server.ask(application, "set", key=f"of {application}", value="value")
    for application in APPLICATIONS:
        for by in APPLICATIONS:
            assert server.ask(application, "get", key=f"of {by}")["answer"] == {"by": by, "value": "value"}


def test_they_are_in_interpreters_of_their_own_in_one_process(server: Server) -> None:
    seen: dict[int, dict[str, set[int]]] = {}
    end = time.monotonic() + SECONDS
    while not any(len(classes) == 2 for classes in seen.values()):
        assert time.monotonic() < end, seen
        for application in APPLICATIONS:
            said = server.ask(application, "class")
            seen.setdefault(said["pid"], {}).setdefault(application, set()).add(said["answer"])
    for classes in seen.values():
        assert all(len(ids) == 1 for ids in classes.values())
        assert len(set.union(*classes.values())) == len(classes)


def test_no_count_is_lost(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        counts = [said["answer"] for said in pool.map(lambda i: server.ask(APPLICATIONS[i % 2], "count"), range(200))]
    assert sorted(counts) == list(range(1, 201))


def test_one_waits_for_a_lock_of_the_other(server: Server) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        holding = pool.submit(server.ask, "one", "hold")
        assert server.ask("two", "wait")["answer"] is True
        holding.result()


def test_one_computes_for_both(server: Server) -> None:
    server.ask("one", "waits")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        values = set(pool.map(lambda name: server.ask(name, "compute", number="7")["answer"], APPLICATIONS))
    assert len(values) == 1 and values <= {"7 by one", "7 by two"}


def test_django_in_both(server: Server) -> None:
    for application in APPLICATIONS * 2:
        said = server.ask(application, "django")["answer"]
        assert said == [[application], application, application, {"key": [application]}]


def test_exceptions_and_log_are_each_ones_own(server: Server) -> None:
    """The binding says once a minute what it did not store: to each interpreter, not to the process."""
    heard: set[tuple[int, str]] = set()
    for application in APPLICATIONS * 3:
        said = server.ask(application, "refused")
        listener = (said["pid"], application)
        assert said["answer"] == [True, int(listener not in heard)]
        heard.add(listener)

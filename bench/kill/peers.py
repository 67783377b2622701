"""The peers: how each one's server is started, and of which version it is."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from board import Board

HERE = Path(__file__).resolve().parent


class MissingError(Exception):
    """A peer that is not here, and what would bring it."""


@dataclass(frozen=True)
class Peer:
    """command: of its server, given the board's path and the run's directory. version raises MissingError."""

    name: str
    title: str
    version: Callable[[], str]
    command: Callable[[Path, Path], list[str]]
    farewell: signal.Signals | None = None  # storm.Round's


def answer_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingError(f"{Path(command[0]).name} does not answer: {error}") from error


@cache
def built(program: str) -> dict[str, str]:
    """The peers in a kill_worker, and their versions."""
    return dict(line.split(" ", 1) for line in answer_of(program, "--versions").splitlines())


def of_kill_worker(program: str, name: str, title: str) -> Peer:
    def version() -> str:
        if name not in built(program):
            raise MissingError(f"kill_worker was built without {name}")
        return built(program)[name]

    return Peer(name, title, version, lambda board, directory: [program, name, str(board), str(directory)])


def version_of_diskcache() -> str:
    try:
        return importlib.metadata.version("diskcache")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingError("the Python package diskcache is not installed") from error


PHP = ["php", "-d", "apc.enable_cli=1", "-d", "apc.shm_size=64M", "-d", "ffi.enable=1"]


def version_of_apcu() -> str:
    version = answer_of(*PHP, "-r", 'echo extension_loaded("FFI") ? phpversion("apcu") : "";')
    if not version:
        raise MissingError("PHP is without the extensions apcu and FFI")
    return version


def version_of_uwsgi() -> str:
    return answer_of("uwsgi", "--need-plugin", "python3", "--version").removesuffix("-debian")


def command_of_uwsgi(locks: list[str], path: Path, directory: Path) -> list[str]:
    return [
        "uwsgi",
        "--need-plugin=python3",
        "--master",
        f"--processes={Board(path).workers}",
        *locks,
        "--enable-threads",
        "--cache2=name=storm,items=4000,blocksize=4096",
        f"--socket={directory / 'socket'}",
        f"--wsgi-file={HERE / 'uwsgi_site.py'}",
        f"--mule={HERE / 'uwsgi_mule.py'}",
        "--forkbomb-delay=0",
        "--disable-logging",
    ]


def peers(kill_worker: str) -> list[Peer]:
    """In the table's order. kill_worker: the path of that program."""
    return [
        of_kill_worker(kill_worker, "forklore", "Forklore"),
        of_kill_worker(kill_worker, "boost", "Boost.Interprocess"),
        Peer(
            "apcu",
            "APCu",
            version_of_apcu,
            lambda board, directory: [*PHP, str(HERE / "worker.php"), str(board)],
        ),
        Peer("uwsgi", "uWSGI cache", version_of_uwsgi, partial(command_of_uwsgi, [])),
        Peer(
            "uwsgi-ipcsem",
            "uWSGI cache with ipcsem locks",
            version_of_uwsgi,
            partial(command_of_uwsgi, ["--lock-engine=ipcsem"]),
            signal.SIGINT,
        ),
        of_kill_worker(kill_worker, "lmdb", "LMDB"),
        Peer(
            "diskcache",
            "diskcache",
            version_of_diskcache,
            lambda board, directory: [
                sys.executable,
                str(HERE / "worker.py"),
                "diskcache_peer:DiskCache",
                str(board),
                str(directory),
            ],
        ),
    ]

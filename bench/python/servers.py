"""Where the rivals live for as long as a bench runs: a directory in shared memory, where no disk takes its time, for
what keeps files; and memcached and Redis on Unix sockets of their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

MEMORY = 256  # megabytes for each server
SHARED = "/dev/shm"  # as fast a place for files as there is


class MissingError(Exception):
    """A rival that is not here, and what would bring it."""


class Place:
    """Where the rivals of one run live: a directory, names that nobody else has, and servers that are started when
    the first rival asks for them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.name = directory.name
        self._sockets: dict[str, Path] = {}

    def memcached(self) -> Path:
        """The path of its socket."""
        path = self.directory / "memcached.sock"
        # memcached started by root wants to be told whose it is.
        command = ["memcached", "-s", str(path), "-a", "0700", "-m", str(MEMORY), "-U", "0", "-u", "root"]
        return self._started("memcached", command, path)

    def redis(self) -> Path:
        path = self.directory / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--maxmemory", f"{MEMORY}mb", "--dir", str(self.directory)]
        return self._started("redis-server", command, path)

    def _started(self, program: str, command: list[str], path: Path) -> Path:
        if program not in self._sockets:
            if shutil.which(program) is None:
                raise MissingError(f"{program} is not installed")
            log = self.stack.enter_context((self.directory / f"{program}.log").open("wb"))
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.stack.callback(_stop, server)
            _await_socket(server, path, Path(log.name))
            self._sockets[program] = path
        return self._sockets[program]


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _await_socket(server: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    end = time.monotonic() + 10
    while server.poll() is None and time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as client:
            if client.connect_ex(str(path)) == 0:
                return
        time.sleep(0.02)
    raise MissingError(f"{server.args[0]} does not start: {log.read_text(errors='replace').strip()[-300:]}")


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-python-", dir=SHARED)))
        yield Place(directory, stack)

"""memcached and Redis as they are compared: a server of so many MiB on a Unix socket, ended when it is done with."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


class ServerError(Exception):
    """With what the server said."""


@dataclass(frozen=True)
class Server:
    """kind: what peer_replay calls it. policy: of Redis alone."""

    name: str
    kind: str
    policy: str = ""

    def command(self, socket: Path, mib: int, largest: int) -> list[str]:
        """largest: bytes of a value."""
        if self.kind == "redis":
            return [
                "redis-server",
                *("--port", "0", "--unixsocket", str(socket), "--dir", str(socket.parent)),
                *("--save", "", "--appendonly", "no"),
                *("--maxmemory", f"{mib}mb", "--maxmemory-policy", self.policy),
            ]
        item = min(max(largest + 2048 + MIB - 1, MIB) // MIB, mib // 2)  # more, memcached refuses
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return ["memcached", *user, "-U", "0", "-s", str(socket), "-m", str(mib), "-I", f"{item}m"]


SERVERS = (
    Server("memcached", "memcached"),
    Server("Redis LRU", "redis", "allkeys-lru"),
    Server("Redis LFU", "redis", "allkeys-lfu"),
)


def version(program: str) -> str:
    """As the program tells it, on one line."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running(server: Server, mib: int, largest: int) -> Iterator[Path]:
    """Its socket. Raises ServerError if it does not come up."""
    with tempfile.TemporaryDirectory(prefix="hit-ratio-") as folder:
        socket, log = Path(folder) / "socket", Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(server.command(socket, mib, largest), stdout=out, stderr=out)
        try:
            end = time.monotonic() + 20
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise ServerError(f"{server.name} did not start: {log.read_text(errors='replace')[-500:]}")
                time.sleep(0.02)
            yield socket
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

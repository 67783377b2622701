"""gunicorn with the site of an example, on a free port of the loopback."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

stopping = threading.Event()
"""Set when an example ends early: its clients then ask no more."""


def run_threads(count: int, work) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stopping.set()
        raise


class Server:
    """site: the folder with gunicorn.conf.py and the package. directory: for the log. environment: for the site."""

    def __init__(self, site: Path, application: str, workers: int, directory: Path, environment: dict[str, str]):
        self.site, self.application, self.workers, self.environment = site, application, workers, environment
        self.directory = directory
        self.log = directory / "gunicorn.log"

    def __enter__(self) -> "Server":
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:  # handed over: nobody can take the port
            self.port = listener.getsockname()[1]
            fd = listener.fileno()
            command = [sys.executable, "-m", "gunicorn", "--workers", str(self.workers), "--bind", f"fd://{fd}"]
            self.process = subprocess.Popen(
                [*command, "--error-logfile", str(self.log), self.application],
                cwd=self.site, env={**os.environ, **self.environment}, pass_fds=[fd], start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its workers see that and leave
            self.process.wait()

    def get(self, path: str, **headers: str) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Connection": "close", **headers})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise http.client.HTTPException(f"{path} answered {response.status}")
        return json.loads(body)

    def wait_until_ready(self) -> set[int]:
        """Until every worker has answered: from then on they share the load. Their process ids."""
        seen: set[int] = set()
        lock, end = threading.Lock(), time.monotonic() + 60

        def ask() -> None:
            while len(seen) < self.workers and time.monotonic() < end and self.process.poll() is None:
                try:
                    pid = self.get("/ready")["pid"]
                except (OSError, http.client.HTTPException):
                    time.sleep(0.1)
                else:
                    with lock:
                        seen.add(pid)

        run_threads(2 * self.workers, ask)
        if len(seen) < self.workers:
            raise SystemExit(f"gunicorn did not start {self.workers} workers; its log says:\n{self.tail()}")
        return seen

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-25:]) if self.log.exists() else "(nothing)"

    def is_worker(self, pid: int) -> bool:
        status = Path(f"/proc/{pid}/stat").read_text()
        return int(status.rpartition(")")[2].split()[1]) == self.process.pid

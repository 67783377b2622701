"""The load: so many clients that each ask again as soon as they have their answer, every request over a connection of
its own, as nginx asks unless told otherwise. Run as a process of its own; ends when its standard input does.

usage: load.py SOCKET CLIENTS FILE

FILE gets a record of doubles for each request, in the order of FIELDS: when it was sent (CLOCK_MONOTONIC), the seconds
until its answer was whole, when the view asked the cache, the seconds that this took, whether it computed, when the
computation of its value began, and whether it was answered at all.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from array import array

REQUEST = b"GET /page HTTP/1.1\r\nHost: stampede\r\nConnection: close\r\n\r\n"
FIELDS = ("sent", "latency", "asked", "took", "computed", "made", "answered")


class Client:
    """One request after the other over a Unix socket. `answer` is of the request in flight."""

    def __init__(self, path: str, records: array[float]) -> None:
        self.path, self.records = path, records
        self.socket: socket.socket | None = None

    def ask(self) -> int:
        """Sends the next request; the descriptor to wait for."""
        self.answer = b""
        self.sent = time.monotonic()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(self.path)  # never waits while the backlog has room
        self.socket.sendall(REQUEST)
        self.socket.setblocking(False)
        return self.socket.fileno()

    def hear(self) -> bool:
        """Takes what has come. Whether the request is done; then its record is there and its socket closed."""
        try:
            more = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except ConnectionError:
            more = b""  # its worker was killed
        if more:
            self.answer += more
            return False
        self.socket.close()
        self.note()
        return True

    def note(self) -> None:
        latency = time.monotonic() - self.sent
        head, _, body = self.answer.partition(b"\r\n\r\n")
        words = body.split()
        whole = head.startswith(b"HTTP/1.1 200 ") and len(words) == 4
        asked, took, computed, made = map(float, words) if whole else (0.0, 0.0, 0.0, 0.0)
        self.records.extend((self.sent, latency, asked / 1e9, took / 1e6, computed, made / 1e9, float(whole)))


def run(path: str, clients: int, records: array[float]) -> None:
    poll = select.epoll()
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    asking: dict[int, Client] = {}

    def ask(client: Client) -> None:
        descriptor = client.ask()
        asking[descriptor] = client
        poll.register(descriptor, select.EPOLLIN)

    for _ in range(clients):
        ask(Client(path, records))
    while True:
        for descriptor, _ in poll.poll():
            client = asking.get(descriptor)
            if client is None:
                return  # standard input: enough
            if client.hear():
                del asking[descriptor]
                ask(client)


def main() -> None:
    path, clients, file = sys.argv[1:]
    records: array[float] = array("d")
    try:
        run(path, int(clients), records)
    finally:
        with open(file, "wb") as out:
            records.tofile(out)


if __name__ == "__main__":
    main()

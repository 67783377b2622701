#!/usr/bin/env python3
"""Plays a shop's requests at a Django project under gunicorn and shows what each worker found: in a module-level dict,
and in Forklore. One worker is killed inside a request. Exit 0 only if every check holds."""

import argparse
import csv
import http.client
import itertools
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
from serving import Server, run_threads, stopping

HERE = Path(__file__).resolve().parent
WAYS = ("dict", "forklore")


class Run:
    """The requests, played by a few clients at once, and what came back."""

    def __init__(self, server: Server, requests: list[int]):
        self.server, self.requests = server, requests
        self.answers: list[dict] = []  # in the order in which they came
        self.failures: list[str] = []
        self.doomed: dict | None = None  # what the killed request had come to
        self.killed: int | None = None
        self.heir: int | None = None  # the worker that came for the killed one
        self.lock = threading.Lock()

    def play(self) -> None:
        half, progress = len(self.requests) // 2, Progress(len(self.requests))
        workers = self.server.wait_until_ready()
        self.play_part(self.requests[:half], half * 9 // 10, progress)
        if self.killed:  # the other half is for all workers, its successor among them
            self.heir = next(iter(self.server.wait_until_ready() - workers), None)
        self.play_part(self.requests[half:], None, progress)
        progress.end()

    def play_part(self, requests: list[int], doomed: int | None, progress: "Progress") -> None:
        """Plays these requests, and kills the worker of the one at the index `doomed`."""
        numbered = iter(enumerate(requests))

        def client() -> None:
            while not stopping.is_set():
                with self.lock:
                    index, number = next(numbered, (None, None))
                if index is None:
                    return
                if index == doomed:
                    self.play_doomed(number)
                else:
                    self.play_one(number)
                progress.show(len(self.answers) + len(self.failures))

        run_threads(2 * self.server.workers, client)

    def play_one(self, number: int) -> None:
        try:
            answer = self.server.get(f"/product/{number}")
        except (OSError, http.client.HTTPException) as error:
            with self.lock:
                self.failures.append(f"product {number}: {error!r}")
        else:
            with self.lock:
                self.answers.append(answer)

    def play_doomed(self, number: int) -> None:
        killer = threading.Thread(target=self.kill_announced)
        killer.start()
        try:
            self.server.get(f"/product/{number}", **{"X-Demo-Doomed": "yes"})
        except (OSError, http.client.HTTPException):
            pass  # as it should: its worker is dead
        else:
            self.failures.append("the doomed request was answered")
        killer.join()

    def kill_announced(self) -> None:
        """The worker has said what its request came to and now stores on and on: kill it amid that."""
        announcement, end = self.server.directory / "doomed.json", time.monotonic() + 20
        while not announcement.exists():
            if time.monotonic() > end or stopping.is_set():
                self.failures.append("the doomed request did not announce itself")
                return
            time.sleep(0.005)
        self.doomed = json.loads(announcement.read_text())
        time.sleep(0.05)
        if self.server.is_worker(self.doomed["pid"]):
            os.kill(self.doomed["pid"], signal.SIGKILL)
            self.killed = self.doomed["pid"]

    def told(self) -> list[dict]:
        """What every request came to, the killed one too."""
        return self.answers + ([self.doomed] if self.doomed else [])


class Progress:
    """One line that is rewritten on a terminal, a line each tenth elsewhere."""

    def __init__(self, total: int):
        self.total, self.shown, self.lock = total, 0, threading.Lock()

    def show(self, done: int) -> None:
        with self.lock:
            part = done * (50 if sys.stdout.isatty() else 10) // self.total
            if part <= self.shown:
                return
            self.shown = part
            if sys.stdout.isatty():
                print(f"\r  [{'#' * part:<50}] {done} requests", end="", flush=True)
            elif done < self.total:
                print(f"  {done} of {self.total} requests", flush=True)

    def end(self) -> None:
        print("\r\033[K" if sys.stdout.isatty() else "", end="", flush=True)


def print_table(run: Run) -> None:
    served, rows = Counter(answer["pid"] for answer in run.told()), []
    for pid in served:
        row = [str(pid), str(served[pid])]
        for way in WAYS:
            found = [answer[way] for answer in run.told() if answer["pid"] == pid and answer[way]["found"]]
            row += [str(len(found)), str(sum(entry["made_by"] != pid for entry in found))]
        rows.append([*row, remark(run, pid)])
    distinct = len(set(run.requests))
    totals = [str(sum(int(row[column]) for row in rows)) for column in range(1, 6)]
    rows.append(["all", *totals, f"of {len(run.requests) - distinct} that could be found"])

    titles = ["worker", "served", "found", "of another's", "found", "of another's", ""]
    widths = [max(len(line[column]) for line in [titles, *rows]) for column in range(6)]
    dict_width, forklore_width = sum(widths[2:4]) + 2, sum(widths[4:6]) + 2
    print(" " * (sum(widths[:2]) + 6), f"{'module-level dict':^{dict_width}}   {'Forklore':^{forklore_width}}")
    for line in [titles, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=False)]  # the last is a remark
        print(f"  {cells[0]}  {cells[1]} | {cells[2]}  {cells[3]} | {cells[4]}  {cells[5]}   {line[6]}".rstrip())

    product, visits = Counter(run.requests).most_common(1)[0]
    last = {way: {} for way in WAYS}
    for answer in run.told():
        if answer["product"] == product:
            for way in WAYS:
                last[way][answer["pid"]] = max(answer[way]["visit"], last[way].get(answer["pid"], 0))
    counted = ", ".join(str(count) for count in sorted(last["dict"].values()))
    print(f"\n  product {product} was visited {visits} times: the dict says {counted}, depending on who is asked;"
          f" Forklore says {max(last['forklore'].values(), default=0)}\n")  # fmt: skip


def remark(run: Run, pid: int) -> str:
    if pid == run.killed:
        return "killed inside a request"
    return "its successor" if run.killed and pid == run.heir else ""


def check_all(run: Run, segment: str) -> bool:
    import forklore

    told, expected = run.told(), Counter(run.requests)
    repeats, verdicts = len(run.requests) - len(expected), []

    def check(holds: bool, text: str) -> None:
        verdicts.append(bool(holds))
        print(f"  {'✓' if holds else '✗'} {text}")

    check(not run.failures and len(run.answers) == len(run.requests) - 1 and run.killed,
          f"{len(run.answers)} requests answered, one killed with its worker")  # fmt: skip
    for failure in run.failures[:5]:
        print("     ", failure)

    served = Counter(answer["pid"] for answer in told)
    check(run.heir and served[run.heir], f"the killed worker has a successor, which served {served[run.heir]} requests")
    places = {pid: count for pid, count in served.items() if pid not in (run.killed, run.heir)}
    places["killed"] = served[run.killed] + served[run.heir]
    least, floor = min(places.values()), 0.4 / run.server.workers
    check(len(places) == run.server.workers and least >= floor * len(run.requests),
          f"each of {run.server.workers} workers (the killed one with its successor) served at least {floor:.1%} of the"
          f" requests; the least was {least / len(run.requests):.1%}")  # fmt: skip

    found = {way: sum(answer[way]["found"] for answer in told) for way in WAYS}
    marks, visits = defaultdict(set), defaultdict(list)
    for answer in told:
        marks[answer["product"]].add(answer["forklore"]["mark"])
        visits[answer["product"]].append(answer["forklore"]["visit"])
    check(found["forklore"] == repeats and all(len(each) == 1 for each in marks.values()),
          f"Forklore: a page is made once and then found, {found['forklore']} of {repeats} times")  # fmt: skip
    check(all(answer["forklore"]["whole"] for answer in told), "Forklore: every page is a whole ProductPage")
    others = Counter(answer["pid"] for answer in told
                     if answer["forklore"]["found"] and answer["forklore"]["made_by"] != answer["pid"])  # fmt: skip
    check(run.server.workers == 1 or all(others[pid] for pid in served),
          "Forklore: each worker found pages that another had made")  # fmt: skip
    check(all(sorted(visits[number]) == list(range(1, count + 1)) for number, count in expected.items()),
          "Forklore: each visit got its own number, none is missing and none came twice")  # fmt: skip

    stored = stored_counters(expected)
    check(stored == expected, f"Forklore: a process that is no worker reads {sum(stored.values())} visits of"
          f" {sum(expected.values())}")  # fmt: skip
    with forklore.Cache.attach(segment) as cache:
        faults = cache.verify()
    check(not faults, "Forklore: the segment is sound after the kill (verify)")
    for fault in faults[:5]:
        print("     ", fault)

    if run.server.workers > 1:
        best: Counter[int] = Counter()
        for answer in told:
            best[answer["product"]] = max(best[answer["product"]], answer["dict"]["visit"])
        wrong = sum(best[number] < count for number, count in expected.items())
        shared = sum(answer["dict"]["made_by"] != answer["pid"] for answer in told)
        check(shared == 0 and found["dict"] < 0.9 * repeats,
              f"the dict loses what another worker made: {shared} of those {sum(others.values())} finds,"
              f" and {found['dict']} of {repeats} in all")  # fmt: skip
        several = sum(count > 1 for count in expected.values())
        check(wrong > 0, f"the dict counts wrong: no worker knows the visits of {wrong} of {several} products that"
              " were visited more than once")  # fmt: skip
    return all(verdicts)


def stored_counters(expected: Counter) -> Counter:
    """Every product's counter, read through Django by this process."""
    import django
    from django.core.cache import cache

    sys.path.insert(0, str(HERE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    django.setup()
    counters = cache.get_many(f"visits:{number}" for number in expected)
    return Counter({int(key.partition(":")[2]): visits for key, visits in counters.items()})


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    bounds = "400 to 10000, and at least 100 for each worker"
    parser.add_argument("--requests", type=int, default=4000, help=f"how many to play, {bounds} (default 4000)")
    parser.add_argument("--workers", type=int, default=4, help="of gunicorn, 1 to 16 (default 4)")
    arguments = parser.parse_args()
    if not 400 <= arguments.requests <= 10000:
        parser.error(f"--requests must be {bounds}, not {arguments.requests}")
    if not 1 <= arguments.workers <= 16:
        parser.error(f"--workers must be 1 to 16, not {arguments.workers}")
    if arguments.requests < 100 * arguments.workers:  # fewer do not say who gets how many
        parser.error(f"--requests must be {bounds}: {arguments.requests} are too few for {arguments.workers} workers")
    return arguments


def environment_of(segment: str, directory: str) -> dict[str, str]:
    """What shop/settings.py reads, in gunicorn and in this process."""
    environment = {"SHOP_SEGMENT": segment, "SHOP_DEMO_DIRECTORY": directory}
    os.environ.update(environment)
    return environment


def main() -> int:
    arguments = parse_arguments()
    import forklore

    with open(HERE / "web12_cut.csv", newline="") as file:
        requests = [int(row["product"]) for row in itertools.islice(csv.DictReader(file), arguments.requests)]
    segment = f"shop-demo-{os.getpid()}"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="shop-demo-") as directory,
            Server(HERE, "shop.wsgi", arguments.workers, Path(directory), environment_of(segment, directory)) as server,
        ):
            print(f"gunicorn with {arguments.workers} workers on 127.0.0.1:{server.port}, segment {segment}")
            print(f"playing {len(requests)} requests of a shop (web12), {len(set(requests))} products", flush=True)
            run, start = Run(server, requests), time.monotonic()
            run.play()
            print(f"  played in {time.monotonic() - start:.1f} s\n")
            print_table(run)
            good = check_all(run, segment)
            if not good:
                print(f"\nThe end of gunicorn's log:\n{server.tail()}")
        return 0 if good else 1
    except KeyboardInterrupt:
        return 130
    finally:
        stopping.set()
        forklore.remove(segment)


if __name__ == "__main__":
    sys.exit(main())

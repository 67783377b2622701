"""What is missed: request traces played at a Forklore segment, beside textbook policies, memcached and Redis.

All that Forklore and the servers need for themselves counts; the policies' figures, from miss_ratios.csv beside the
traces, count none of it. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from inputs import PACKAGES, Known, RefusedError, answer, check_here, earlier_results, known_ratios, read_trace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from servers import MIB, SERVERS, Server, ServerError, running, version

TEXTBOOK = {"lru": "LRU", "arc": "ARC", "sieve": "SIEVE", "s3fifo": "S3-FIFO"}
ABOVE_BEST = 0.015  # what Forklore may miss more than the best of them, for all its overhead
LEAST = 16  # MiB, of what is compared with servers
PLOTTED = (1, 2, 5, 10, 25, 50)
WIDTH = 150


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--full-set", action="store_true", help="how long a set takes on a full segment, and nothing else"
    )
    parser.add_argument("--traces", type=Path, help="folder of NAME.csv.xz, and of miss_ratios.csv")
    parser.add_argument("--only", action="append", metavar="NAME", help="this trace; may be given again")
    parser.add_argument("--percent", action="append", type=float, metavar="P", help="of the footprint (default 10, 25)")
    parser.add_argument("--peers", action="store_true", help="memcached and Redis too, with as many MiB, at least 16")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="a PNG for each trace, of more sizes")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables.txt and results.json")
    parser.add_argument(
        "--resume", action="store_true", help="take what servers missed from its results.json, where that has it"
    )
    parser.add_argument("--programs", type=Path, required=True, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.full_set:
        return parsed
    if not parsed.traces:
        parser.error("--traces FOLDER is needed")
    there = {path.name.removesuffix(".csv.xz"): path for path in sorted(parsed.traces.glob("*.csv.xz"))}
    if not there:
        parser.error(f"--traces: there is no NAME.csv.xz in {parsed.traces}")
    for name in parsed.only or ():
        if name not in there:
            parser.error(f"--only: {name} is none of {', '.join(there)}")
    for percent in parsed.percent or ():
        if not 0 < percent <= 1000:
            parser.error("--percent must be above 0 and at most 1000")
    parsed.files = {name: path for name, path in there.items() if not parsed.only or name in parsed.only}
    parsed.percents = sorted(set(parsed.percent or (10.0, 25.0)))
    return parsed


class Results:
    """What was measured, written to a file at each step. resumed: with what the servers missed in the one there.

    left_out: sizes that no segment can have, in words.
    """

    def __init__(self, path: Path, resumed: bool) -> None:
        self.path = path
        self.left_out: list[str] = []
        self.alone: dict[str, list[dict]] = {}
        self.beside: dict[str, list[dict]] = {}
        self.plotted: dict[str, list[dict]] = {}
        self.entries: list[dict] = []
        self.earlier = earlier_results(path) if resumed else {"alone": {}, "beside": {}}

    def of_replay(self, command: list[str], trace: bytes, name: str) -> list[dict]:
        """The sizes that could be played."""
        points = answer(command, trace, f"{name}.csv.xz")
        for point in points:
            if "left_out" in point and (words := f"{name}: left out: {point['left_out']}") not in self.left_out:
                self.left_out.append(words)
        return [point for point in points if "left_out" not in point]

    def of_peer(self, name: str, point: dict, server: Server) -> dict | None:
        for earlier in self.earlier["beside"].get(name, ()):
            if (earlier["capacity"], earlier["scale"]) == (point["capacity"], point["scale"]):
                return earlier["peers"].get(server.name)
        return None

    def write(self) -> None:
        """The traces that were not played are kept as they were."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "alone": {**self.earlier["alone"], **self.alone},
            "beside": {**self.earlier["beside"], **self.beside},
            "plotted": {**self.earlier.get("plotted", {}), **self.plotted},
            "entries": self.entries or self.earlier.get("entries", []),
        }
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(kept, indent=1) + "\n")
        part.replace(self.path)


def play_peer(server: Server, ours: dict, trace: bytes, name: str, programs: Path) -> dict:
    mib = ours["capacity"] // MIB
    with running(server, mib, ours["largest"]) as socket:
        command = [str(programs / "peer_replay"), "--scale", str(ours["scale"]), server.kind, str(socket)]
        return answer(command, trace, f"{name}, at {server.name}")[0]


def segment_table(results: dict[str, list[dict]], known: Known) -> Table:
    table = Table(title="Forklore, all overhead counted, beside textbook policies, none counted: object misses")
    for header in ("trace", "%", "MiB", "Forklore", *TEXTBOOK.values(), "to the best", "to LRU", "bar"):
        table.add_column(header, justify="left" if header == "trace" else "right")
    for name, points in results.items():
        for p in points:
            others = known.get((name, p["percent"]), {})
            row = [name, f"{p['percent']:g}", f"{p['capacity'] / MIB:.1f}", f"{p['object_misses']:.4f}"]
            row += [f"{others[policy]:.4f}" if policy in others else "" for policy in TEXTBOOK]
            if all(policy in others for policy in TEXTBOOK):
                to_best = p["object_misses"] - min(others[policy] for policy in TEXTBOOK)
                to_lru = p["object_misses"] - others["lru"]
                met = to_best <= ABOVE_BEST and to_lru <= 0
                row += [f"{to_best:+.4f}", f"{to_lru:+.4f}", "met" if met else "MISSED"]
            table.add_row(*row)
    return table


def left_table(results: dict[str, list[dict]]) -> Table:
    table = Table(title="Forklore: what was used, and why entries left")
    headers = ("object misses", "byte misses", "used", "evicted from small", "from main", "from large", "full buckets")
    for header in ("trace", "%", *headers, "expired", "refused"):
        table.add_column(header, justify="left" if header == "trace" else "right")
    for name, points in results.items():
        for p in points:
            others = [p[f"{reason}_evictions"] for reason in ("main", "large", "bucket")]
            row = [name, f"{p['percent']:g}", f"{p['object_misses']:.4f}", f"{p['byte_misses']:.4f}"]
            row += [f"{100 * p['used'] / p['capacity']:.1f} %"]
            counts = (p["evictions"] - sum(others), *others, p["expirations"], p["refused"])
            table.add_row(*row, *(f"{count:,}" for count in counts))
    return table


def peer_table(results: dict[str, list[dict]]) -> Table:
    table = Table(title="Forklore beside servers with as many MiB: object misses / byte misses")
    for header in ("trace", "%", "MiB", "values x", "Forklore", *(server.name for server in SERVERS), "lowest"):
        table.add_column(header, justify="left" if header in ("trace", "lowest") else "right")
    for name, points in results.items():
        for p in points:
            all_of_them = {"Forklore": p, **p["peers"]}
            row = [name, f"{p['percent']:g}", f"{p['capacity'] // MIB}", str(p["scale"])]
            row += [f"{one['object_misses']:.4f} / {one['byte_misses']:.4f}" for one in all_of_them.values()]
            table.add_row(*row, min(all_of_them, key=lambda one: all_of_them[one]["object_misses"]))
    return table


def made(parts: list[tuple[int, int]], ttl: int) -> bytes:
    """A trace of so many different keys of 24 bytes with values of so many, one part after the other."""
    lines, key = ["op,key,key_size,value_size,ttl_s"], 0
    for count, size in parts:
        lines += [f"g,{number},24,{size},{ttl}" for number in range(key, key + count)]
        key += count
    return "\n".join(lines).encode()


def count_entries(programs: Path) -> list[dict]:
    """What 64 MiB hold, and hold after entries of another size."""
    hour = 3600
    cases = {
        "values of 100": ([(900_000, 100)], hour),
        "values of 100, no time to live": ([(900_000, 100)], 0),
        "values of 512": ([(300_000, 512)], hour),
        "values of 512 after values of 100": ([(900_000, 100), (300_000, 512)], hour),
        "values of 100 after values of 512": ([(300_000, 512), (900_000, 100)], hour),
    }
    counted = []
    for title, (parts, ttl) in cases.items():
        trace = made(parts, ttl)
        percent = f"{100 * (64 * MIB - 4096) / sum(count * (24 + size) for count, size in parts):.6f}"
        ours = answer([str(programs / "replay"), "--json", "--at-least", "1", percent], trace, title)[0]
        held = {"Forklore": ours["entries"]}
        held |= {server.name: play_peer(server, ours, trace, title, programs)["entries"] for server in SERVERS[:2]}
        beside = ours["capacity"] / ours["entries"] - 24 - parts[-1][1]
        counted.append({"case": title, **held, "beside": beside if len(parts) == 1 else None})
    return counted


def entries_table(counted: list[dict]) -> Table:
    table = Table(
        title="Entries with keys of 24 bytes, for an hour, that 64 MiB hold once twice as many have been stored"
    )
    for header in ("bytes", "Forklore", "memcached", "Redis LRU", "to memcached", "to Redis", "beside key and value"):
        table.add_column(header, justify="left" if header == "bytes" else "right")
    for row in counted:
        ours, theirs = row["Forklore"], [row["memcached"], row["Redis LRU"]]
        table.add_row(
            row["case"],
            *(f"{entries:,}" for entries in (ours, *theirs)),
            *(f"{ours / entries:.2f}" for entries in theirs),
            "" if row["beside"] is None else f"{row['beside']:.1f} bytes",
        )
    return table


def plot(folder: Path, name: str, ours: list[dict], beside: list[dict], known: Known) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2), layout="constrained")
    for (policy, title), style in zip(TEXTBOOK.items(), ("-", "--", "-.", ":"), strict=True):
        points = sorted((at[1], of[policy]) for at, of in known.items() if at[0] == name and policy in of)
        if points:
            axes.plot(*zip(*points, strict=True), style, color="0.55", label=f"{title}, no overhead counted")
    for server, marker in zip(SERVERS, "^sv", strict=True):
        points = [(p["percent"], p["peers"][server.name]["object_misses"]) for p in beside]
        if points:
            axes.plot(*zip(*points, strict=True), marker, label=server.name, alpha=0.8, zorder=3)
    axes.plot(
        *zip(*((p["percent"], p["object_misses"]) for p in ours), strict=True), "o-", color="C3", label="Forklore"
    )
    axes.set(xscale="log", title=name, xlabel="capacity, % of the trace's footprint", ylabel="requests missed")
    axes.set_xticks(PLOTTED, [f"{percent}" for percent in PLOTTED])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def compare(arguments: argparse.Namespace) -> int:
    if arguments.full_set:
        check_here(arguments.programs, ["full_set"], ["memcached"])
        with running(SERVERS[0], 64, 100) as socket:
            program = str(arguments.programs / "full_set")
            return subprocess.run([program, "--memcached", str(socket)], check=False).returncode
    check_here(
        arguments.programs,
        ["replay", "peer_replay"] if arguments.peers else ["replay"],
        list(PACKAGES) if arguments.peers else [],
    )
    known = known_ratios(arguments.traces / "miss_ratios.csv")
    console = Console(width=WIDTH)
    replay = [str(arguments.programs / "replay"), "--json"]
    percents = [f"{percent:g}" for percent in arguments.percents]
    results = Results(arguments.out / "results.json", arguments.resume)
    steps = 1 + (len(SERVERS) * len(arguments.percents) + 1) * arguments.peers + bool(arguments.plot)
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=steps * len(arguments.files))
        for name, path in arguments.files.items():  # all of them first: so a broken one is soon refused
            progress.update(task, description=f"{name}: Forklore")
            results.alone[name] = results.of_replay([*replay, *percents], read_trace(path), name)
            results.write()
            progress.advance(task)
        for name, path in arguments.files.items():
            trace = read_trace(path) if arguments.peers or arguments.plot else b""
            if arguments.peers:
                progress.update(task, description=f"{name}: Forklore, as many MiB")
                points = results.of_replay([*replay, "--at-least", str(LEAST), *percents], trace, name)
                results.beside[name] = [{**point, "peers": {}} for point in points]
                progress.advance(task, 1 + len(SERVERS) * (len(percents) - len(points)))
                for point in results.beside[name]:
                    for server in SERVERS:
                        progress.update(task, description=f"{name}, {point['percent']:g} %: {server.name}")
                        earlier = results.of_peer(name, point, server)
                        point["peers"][server.name] = earlier or play_peer(
                            server, point, trace, f"{name}.csv.xz", arguments.programs
                        )
                        results.write()
                        progress.advance(task)
            if arguments.plot:
                progress.update(task, description=f"{name}: for the plot")
                results.plotted[name] = results.of_replay([*replay, *map(str, PLOTTED)], trace, name)
                results.write()
                if results.plotted[name]:
                    plot(arguments.plot, name, results.plotted[name], results.beside.get(name, []), known)
                progress.advance(task)

        if arguments.peers:
            progress.update(task, description="entries that 64 MiB hold")
            results.entries = count_entries(arguments.programs)
            results.write()

    with (arguments.out / "tables.txt").open("w") as file:
        for out in (console, Console(file=file, width=WIDTH)):
            out.print(segment_table(results.alone, known))
            out.print(left_table(results.alone))
            if arguments.peers:
                out.print(peer_table(results.beside))
                out.print(entries_table(results.entries))
                out.print(version("memcached"), version("redis-server"), sep="; ", highlight=False)
            for words in results.left_out:
                out.print(words, highlight=False)
    return 0 if any(points for of in (results.alone, results.beside, results.plotted) for points in of.values()) else 2


def main() -> int:
    arguments = parse()
    try:
        return compare(arguments)
    except (RefusedError, ServerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""Makes traces of shapes on which policies differ, and what textbook policies miss on them (libCacheSim's).

They are the same at every run, of the form that README.md beside this file tells, with 20,000 keys in most
and values of 1,000 bytes. Belady's policy, which knows what comes, is among the policies: no other misses less.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import lzma
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import libcachesim
import numpy
from numpy import ndarray
from rich.progress import track

POLICIES = {
    "fifo": libcachesim.FIFO,
    "lru": libcachesim.LRU,
    "arc": libcachesim.ARC,
    "sieve": libcachesim.Sieve,
    "s3fifo": libcachesim.S3FIFO,
    "wtinylfu": libcachesim.WTinyLFU,
    "lirs": libcachesim.LIRS,
    "belady": libcachesim.Belady,
}
PERCENTS = (5, 10, 25)
KEYS = 20_000
REQUESTS = 300_000
KEY_BYTES, VALUE_BYTES = 24, 1000

Random = numpy.random.Generator


def zipf(random: Random, keys: int, count: int, skew: float = 0.9) -> ndarray:
    """Requests for keys from 0, the first the most often."""
    weights = numpy.arange(1, keys + 1, dtype=float) ** -skew
    return random.choice(keys, count, p=weights / weights.sum())


def around(first: int, size: int, count: int) -> ndarray:
    return first + numpy.arange(count) % size


def mixed(random: Random, parts: list[tuple[ndarray, float]]) -> ndarray:
    """Requests of each part in its own order, with its share of all; as many as the first part allows."""
    chosen = random.choice(len(parts), int(len(parts[0][0]) / parts[0][1] * 0.98), p=[share for _, share in parts])
    keys = numpy.empty(len(chosen), dtype=int)
    for number, (part, _) in enumerate(parts):
        keys[chosen == number] = part[: numpy.count_nonzero(chosen == number)]
    return keys


def loops(_: Random) -> ndarray:
    """Around a little more than a tenth of the keys, twenty times; then around others."""
    size = KEYS * 11 // 100
    return numpy.concatenate([around(first, size, 20 * size) for first in range(0, KEYS - size + 1, size)])


def loops_long(_: Random) -> ndarray:
    """Around a little more than a quarter of the keys; then around others."""
    size = KEYS * 11 // 40
    return numpy.concatenate([around(first, size, 20 * size) for first in range(0, KEYS - size + 1, size)])


def loop_zipf(random: Random) -> ndarray:
    """Around a third of the keys, mixed with others by popularity."""
    third = KEYS // 3
    return mixed(random, [(zipf(random, KEYS - third, REQUESTS), 0.6), (around(KEYS - third, third, REQUESTS), 0.4)])


def phases(random: Random) -> ndarray:
    """By popularity, and all keys are replaced at once, seven times."""
    size = KEYS // 8
    return numpy.concatenate([phase * size + zipf(random, size, REQUESTS // 8) for phase in range(8)])


def phases_wide(random: Random) -> ndarray:
    """By popularity among all keys, and who is popular is drawn anew, seven times."""
    return numpy.concatenate([random.permutation(KEYS)[zipf(random, KEYS, REQUESTS // 8)] for _ in range(8)])


def phases_back(random: Random) -> ndarray:
    """Four sets of keys, each by its popularity, one after the other, four times."""
    size = KEYS // 4
    return numpy.concatenate([phase % 4 * size + zipf(random, size, REQUESTS // 16) for phase in range(16)])


def loop_phases(random: Random) -> ndarray:
    """By popularity, then around a third of the keys, in turns."""
    size = KEYS // 3
    parts = [zipf(random, KEYS - size, REQUESTS // 8), around(KEYS - size, size, REQUESTS // 8)]
    return numpy.concatenate(parts * 4)


def zigzag(_: Random) -> ndarray:
    """Forth over all keys, and back."""
    return numpy.concatenate([numpy.arange(KEYS), numpy.arange(KEYS)[::-1]] * 8)


def zigzag_short(_: Random) -> ndarray:
    """Forth and back over three tenths of the keys, five times; then over others."""
    size = KEYS * 3 // 10
    there = numpy.concatenate([numpy.arange(size), numpy.arange(size)[::-1]] * 5)
    return numpy.concatenate([first + there for first in range(0, KEYS - size + 1, size)])


def stack(random: Random, spread: float, fresh: float) -> ndarray:
    """Who came lately comes again, the later the likelier; or else who was away the longest."""
    last = list(range(KEYS))
    depths = numpy.where(random.random(REQUESTS) < fresh, KEYS, random.exponential(spread, REQUESTS)).astype(int)
    for at, depth in enumerate(depths):
        depths[at] = last.pop(-1 - min(depth, KEYS - 1))
        last.append(depths[at])
    return depths


def recent(random: Random) -> ndarray:
    """Who came lately comes again, most often within a fiftieth of the keys."""
    return stack(random, KEYS / 50, 0.05)


def recent_wide(random: Random) -> ndarray:
    """Who came lately comes again, most often within a tenth of the keys."""
    return stack(random, KEYS / 10, 0.1)


def drift(random: Random) -> ndarray:
    """By popularity, and a new key becomes the most popular one after every twenty requests."""
    first = numpy.arange(REQUESTS) * (KEYS * 3 // 4) // REQUESTS
    return first + KEYS // 4 - 1 - zipf(random, KEYS // 4, REQUESTS)


def window(random: Random) -> ndarray:
    """All of a twentieth of the keys alike, which moves on by one after every sixteen requests."""
    size = KEYS // 20
    return numpy.arange(REQUESTS) * (KEYS - size) // REQUESTS + random.integers(0, size, REQUESTS)


def window_wide(random: Random) -> ndarray:
    """All of a seventh of the keys alike, which moves on."""
    size = KEYS // 7
    return numpy.arange(REQUESTS) * (KEYS - size) // REQUESTS + random.integers(0, size, REQUESTS)


def hot_cold(random: Random) -> ndarray:
    """In turns one of a hundredth of the keys and one of all others (O'Neil, O'Neil, Weikum, SIGMOD 1993)."""
    hot = KEYS // 100
    pairs = [random.integers(0, hot, REQUESTS // 2), random.integers(hot, KEYS, REQUESTS // 2)]
    return numpy.stack(pairs, axis=1).ravel()


def hot_moves(random: Random) -> ndarray:
    """Eight in ten requests are for a twentieth of the keys, which is another one six times."""
    hot = KEYS // 20
    part = numpy.arange(REQUESTS) * 6 // REQUESTS
    is_hot = random.random(REQUESTS) < 0.8
    return numpy.where(is_hot, part * hot + random.integers(0, hot, REQUESTS), random.integers(0, KEYS, REQUESTS))


def scans_zipf(random: Random) -> ndarray:
    """By popularity, and ten times a scan over keys that come only then."""
    half = KEYS // 2
    scans = numpy.arange(half, KEYS).reshape(10, -1)
    return numpy.concatenate([part for scan in scans for part in (zipf(random, half, REQUESTS // 10), scan)])


def once_zipf(random: Random) -> ndarray:
    """By popularity, mixed with keys that come once."""
    once = numpy.arange(KEYS, KEYS + REQUESTS)
    return mixed(random, [(zipf(random, KEYS, REQUESTS, 1.0), 0.8), (once, 0.2)])


def twice(random: Random) -> ndarray:
    """Each key comes twice, the second time within a twentieth of the keys or so."""
    first = numpy.arange(KEYS * 4)
    at = numpy.concatenate([first, first + random.exponential(KEYS / 20, len(first))])
    return numpy.concatenate([first, first])[at.argsort(kind="stable")]


def conversations(random: Random, turns: float, words: float, pause: Callable[[], float]) -> ndarray:
    """Conversations with a language model, in blocks of a prefix cache: each turn asks for all blocks before it, in
    their order, and adds new ones. One of 20 system prompts comes first. A new conversation begins every unit of time.

    turns: of a conversation, in the mean. words: new blocks of a turn, in the mean. pause: between two turns.
    """
    prompts, prompt = 20, 8
    keys: list[ndarray] = []
    asked, next_key = 0, prompts * prompt
    waiting = [(0.0, 0)]  # when, and who: 0 begins a conversation
    blocks: dict[int, list[ndarray]] = {}
    while asked < REQUESTS:
        at, who = heapq.heappop(waiting)
        if who == 0:
            heapq.heappush(waiting, (at + random.exponential(1), 0))
            who = next_key
            first = int(zipf(random, prompts, 1)[0]) * prompt
            blocks[who] = [numpy.arange(first, first + prompt)]
        added = 1 + int(random.lognormal(numpy.log(words) - 0.5, 1))
        blocks[who].append(numpy.arange(next_key, next_key + added))
        next_key += added
        keys += blocks[who]
        asked += sum(map(len, blocks[who]))
        if random.random() < 1 / turns:
            del blocks[who]
        else:
            heapq.heappush(waiting, (at + pause(), who))
    return numpy.concatenate(keys)


def talks(random: Random) -> ndarray:
    """Conversations of seven turns with a language model; each turn asks for all before it. Pauses differ little."""
    return conversations(random, 7, 4, lambda: random.exponential(60))


def talks_long(random: Random) -> ndarray:
    """Conversations of four long turns; some pauses are short, some a hundred times as long."""
    return conversations(random, 4, 12, lambda: random.lognormal(3.5, 1.5))


def talks_ended(random: Random) -> ndarray:
    """Half of the conversations end after a turn, a quarter after two; each turn is long."""
    return conversations(random, 2, 10, lambda: random.exponential(250))


def loops_change(random: Random) -> ndarray:
    """Around a sixth of the keys, of which each time one in fifteen is replaced by a new one."""
    size = KEYS // 6
    there, parts, next_key = numpy.arange(size), [], size
    while next_key < KEYS * 5 // 4:
        parts.append(there.copy())
        replaced = random.choice(size, size // 15, replace=False)
        there[replaced] = numpy.arange(next_key, next_key + len(replaced))
        next_key += len(replaced)
    return numpy.concatenate(parts)


def loops_drawn(random: Random) -> ndarray:
    """Around sets of sizes, and so many times, as are drawn; some sets come back later."""
    sets: list[ndarray] = []
    parts, next_key, asked = [], 0, 0
    while asked < REQUESTS:
        if sets and random.random() < 0.4:
            chosen = sets[random.integers(max(0, len(sets) - 6), len(sets))]
        else:
            size = int(numpy.clip(random.lognormal(numpy.log(KEYS / 16), 1), 50, KEYS / 2))
            chosen = numpy.arange(next_key, next_key + size)
            sets.append(chosen)
            next_key += size
        rounds = 1 + random.geometric(0.25)
        parts += [chosen] * rounds
        asked += rounds * len(chosen)
    return numpy.concatenate(parts)


def files(random: Random) -> ndarray:
    """Files of a workstation, read from the first block to the last: a few often, most of them seldom, and who is
    popular changes slowly."""
    count = KEYS // 12
    sizes = numpy.clip(random.lognormal(numpy.log(6), 1.3, count), 1, 2000).astype(int)
    first = numpy.concatenate([[0], numpy.cumsum(sizes)])
    order, parts, asked = random.permutation(count), [], 0
    ranks = iter(zipf(random, count, REQUESTS, 1.0))
    while asked < REQUESTS:
        file = order[next(ranks)]
        parts.append(numpy.arange(first[file], first[file + 1]))
        asked += sizes[file]
        one, other = random.integers(0, count, 2)
        if random.random() < 0.2:
            order[[one, other]] = order[[other, one]]
    return numpy.concatenate(parts)


def scans_change(random: Random) -> ndarray:
    """By popularity, and twelve times a scan over a sixth of the keys, of which each time a fifth is replaced."""
    half, size = KEYS // 2, KEYS // 6
    there, parts, next_key = numpy.arange(half, half + size), [], half + size
    for _ in range(12):
        parts += [zipf(random, half, REQUESTS // 16), there.copy()]
        replaced = random.choice(size, size // 5, replace=False)
        there[replaced] = numpy.arange(next_key, next_key + len(replaced))
        next_key += len(replaced)
    return numpy.concatenate(parts)


SHAPES: list[Callable[[Random], ndarray]] = [
    loops,
    loops_long,
    loop_zipf,
    loop_phases,
    phases,
    phases_wide,
    phases_back,
    zigzag,
    zigzag_short,
    recent,
    recent_wide,
    drift,
    window,
    window_wide,
    hot_cold,
    hot_moves,
    scans_zipf,
    once_zipf,
    twice,
    talks,
    talks_long,
    talks_ended,
    loops_change,
    loops_drawn,
    files,
    scans_change,
]


def missed(keys: ndarray, entries: int) -> dict[str, float]:
    """By each policy, for a cache of so many entries."""
    following = numpy.full(len(keys), -1)
    order = numpy.argsort(keys, kind="stable")
    again = keys[order][1:] == keys[order][:-1]
    following[order[:-1][again]] = order[1:][again]
    form = [("at", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")]
    requests = numpy.zeros(len(keys), dtype=form)
    requests["at"], requests["key"], requests["size"] = numpy.arange(len(keys)), keys + 1, 1
    requests["next"] = numpy.where(following < 0, -1, following + 1)  # libCacheSim counts from 1
    with tempfile.NamedTemporaryFile(suffix=".oracleGeneral.bin") as file:
        requests.tofile(file.name)
        kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
        return {
            name: policy(cache_size=entries).process_trace(libcachesim.TraceReader(file.name, kind))[0]
            for name, policy in POLICIES.items()
        }


def write(path: Path, keys: list[int]) -> None:
    with lzma.open(path, "wt", preset=0) as lines:
        lines.write("op,key,key_size,value_size,ttl_s\n")
        lines.writelines(f"g,{key},{KEY_BYTES},{VALUE_BYTES},0\n" for key in keys)


def main() -> int:
    parser = argparse.ArgumentParser(prog="shapes.sh", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="for NAME.csv.xz and miss_ratios.csv")
    parser.add_argument("--list", action="store_true", help="the shapes, each in a line, and nothing else")
    arguments = parser.parse_args()
    if arguments.list:
        for shape in SHAPES:
            print(f"{shape.__name__:13} {shape.__doc__}")
        return 0
    if not arguments.folder:
        parser.error("a folder is needed, for NAME.csv.xz and miss_ratios.csv")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for shape in track(SHAPES, description="shapes"):
        keys = shape(numpy.random.default_rng(1))
        write(arguments.folder / f"{shape.__name__}.csv.xz", keys.tolist())
        for percent in PERCENTS:
            entries = len(numpy.unique(keys)) * percent // 100
            capacity = entries * (KEY_BYTES + VALUE_BYTES)
            for policy, ratio in missed(keys, entries).items():
                rows.append((shape.__name__, percent, capacity, policy, len(keys), f"{ratio:.4f}"))
    with (arguments.folder / "miss_ratios.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("trace", "percent_of_footprint", "capacity_bytes", "policy", "requests", "object_miss_ratio"))
        lines.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

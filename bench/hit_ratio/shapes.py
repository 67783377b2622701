"""Makes traces of shapes on which policies differ, and what textbook policies miss on them (libCacheSim's).

They are the same at every run, of the form that README.md beside this file tells, with 20,000 keys in most
and values of 1,000 bytes.
"""

from __future__ import annotations

import argparse
import csv
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import libcachesim
import numpy
from numpy import ndarray
from rich.progress import track

POLICIES = {
    "lru": libcachesim.LRU,
    "arc": libcachesim.ARC,
    "sieve": libcachesim.Sieve,
    "s3fifo": libcachesim.S3FIFO,
    "wtinylfu": libcachesim.WTinyLFU,
    "lirs": libcachesim.LIRS,
}
PERCENTS = (10, 25)
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
]


def missed(policy: str, keys: list[int], entries: int) -> float:
    cache = POLICIES[policy](cache_size=entries)
    request = libcachesim.Request()
    request.obj_size = 1
    count = 0
    for key in keys:
        request.obj_id = key + 1
        count += not cache.get(request)
    return count / len(keys)


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
        keys = shape(numpy.random.default_rng(1)).tolist()
        write(arguments.folder / f"{shape.__name__}.csv.xz", keys)
        for percent in PERCENTS:
            entries = len(set(keys)) * percent // 100
            capacity = entries * (KEY_BYTES + VALUE_BYTES)
            for policy in POLICIES:
                ratio = f"{missed(policy, keys, entries):.4f}"
                rows.append((shape.__name__, percent, capacity, policy, len(keys), ratio))
    with (arguments.folder / "miss_ratios.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("trace", "percent_of_footprint", "capacity_bytes", "policy", "requests", "object_miss_ratio"))
        lines.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

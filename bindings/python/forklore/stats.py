"""What a segment holds and what has happened in it."""

from dataclasses import dataclass
from typing import NamedTuple

from . import _core


class Count(NamedTuple):
    """A line of the list of counts: what a field of Stats is."""

    name: str
    kind: str
    """"counter" grows and never goes back; "gauge" is a number as it is now; "word" and "list" are no single number."""
    unit: str
    """Of what it counts; empty for a word."""
    help: str


COUNTS = tuple(Count(*row) for row in _core._COUNTS)
"""The list of counts, in the order of Stats, for whoever makes tables or metrics of them. The C++ library has it."""


@dataclass(frozen=True)
class Stats:
    """What `Cache.stats()` answers. Counters are those of all processes since the segment was made. They never go
    back."""

    # The segment.
    capacity_bytes: int
    """Size of the whole segment, index and headers included."""
    max_value_bytes: int
    """The largest value that it takes."""
    stripes: int
    """Independent parts, each with its own lock."""
    chunk_bytes: int
    """Size of one chunk."""
    chunks: int
    """Chunks in all stripes."""
    free_chunks: int
    """Chunks that hold nothing."""
    when_full: str
    """What happens when it is full: evict or reject."""
    age_seconds: int
    """Since the segment was made."""

    # What lies in it, at the moment of asking.
    entries: int
    """Entries, with those that have expired and are not yet collected."""
    slots: int
    """Entries that the index has room for. It grows and shrinks with them."""
    live_bytes: int
    """What the entries take, with their headers."""
    index_bytes: int
    """Buckets, ghosts, chunk tables and headers."""

    # Calls.
    hits: int
    """Reads that found their entry."""
    misses: int
    """Reads that did not."""
    writes: int
    """Calls that changed something: set, add, replace, increment, touch, cas."""
    erases: int
    """Calls that removed an entry."""
    refused: int
    """Calls that failed as too large, full, overflow, not a number or an invalid argument."""
    busy: int
    """Calls that gave up waiting for a lock, or for a free line for one."""
    rereads: int
    """Reads begun again because a writer came between."""

    # Work of the cache itself.
    evictions: int
    """Live entries that left for lack of room."""
    bucket_evictions: int
    """Of these: because both buckets of a new key were full."""
    main_evictions: int
    """Of these: from main, promoted by a read, or moved there because memory was free."""
    large_evictions: int
    """Of these: from large. They were much larger than others. The rest were not read again."""
    expirations: int
    """Expired entries collected."""
    moves: int
    """Entries copied to save them from a reclaimed chunk."""
    reclaims: int
    """Chunks made free."""
    recoveries: int
    """Stripes taken over from a dead process."""
    resets: int
    """Stripes emptied because they were damaged."""

    # Lines for computations and locks (compute.hpp, lock.hpp).
    lock_lines: int
    """How many locks can be held at once, in all stripes; the same number in each."""
    computation_lines: int
    """How many computations can hold a line at once. Further ones take the room of an entry."""
    leases_held: int
    """Of both, those in use at the moment of asking."""

    # What they did.
    computations: int
    """Begun, each by one caller of all."""
    computed: int
    """Of these, whose value was stored."""
    voided: int
    """Of these, not stored: the key was written to or erased meanwhile, or the placeholder was evicted."""
    locked: int
    """Locks taken."""
    waits: int
    """Calls that had to wait for another's value, or for a lock."""
    leases_lacking: int
    """Times that a stripe had no line for one more lock, or neither line nor room for one more computation."""
    leases_overdue: int
    """Leases whose time was over when somebody else took them."""
    leases_taken_over: int
    """Computations and locks of dead processes, given to others."""

    # Processes.
    reattachments: int
    """Times that this process moved to a successor of its segment."""
    processes: tuple[int, ...]
    """Those that have called it and still live."""

    @property
    def hit_ratio(self) -> float:
        """Hits among all reads, 0.0 to 1.0; 0.0 before the first read."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0

    @property
    def full(self) -> float:
        """How full it is, 0.0 to 1.0: the part of the room for entries that entries take. The index has the rest of the
        capacity. A full segment is a little below 1, and from there on it evicts, or refuses. Expired entries that are
        not yet collected count."""
        room = self.capacity_bytes - self.index_bytes
        return min(1.0, self.live_bytes / room) if room > 0 else 0.0

    @property
    def lease_lines(self) -> int:
        """Lines of both kinds. The word of before: read lock_lines and computation_lines. It goes with version 0.2."""
        return self.lock_lines + self.computation_lines


if Stats.__doc__ is not None:  # help(Stats) shows no text of a field: python -OO has neither
    Stats.__doc__ += "\n\n" + "\n".join(f"{count.name}: {count.help}" for count in COUNTS)


@dataclass(frozen=True)
class EntryInfo:
    """What is known of an entry without reading it, as `Cache.info()` answers it."""

    size: int
    """Bytes of the value as it is stored."""
    ttl: float | None
    """Seconds that it has left; None if it never expires."""
    format: str
    """The type that it comes back as ("bytes", "int", "str", "float", "bool", "None", "SafeString"), or the serializer
    that wrote it ("pickle", "json", "msgpack"). A compressed value: "zlib", "zstd" or "lz4". Another program's format
    is its number."""
    frequency: int
    """How often it was read, as far as the cache counts to tell what is worth keeping: 0 to 3."""


@dataclass(frozen=True)
class LockHolder:
    """Who holds a lock, as `Cache.locks()` and `Lock.holders()` answer it."""

    name_hash: int
    """Equal for equal names. The segment has no names of locks: `Lock.holders()` asks by name."""
    process: int
    """Its process id."""
    alive: bool
    """Whether that process lives. Of a dead one the lock is free to whoever asks."""
    held_for: float
    """Seconds since it was acquired."""
    ttl: float | None
    """Seconds until others may have it though the holder lives; None: never."""
    token: int
    """The fencing token, as the holder's `Lock.token`."""

    def __str__(self) -> str:
        return f"process {self.process}{'' if self.alive else ' (dead)'} for {self.held_for:.1f} s"


@dataclass(frozen=True)
class SegmentInfo:
    """A segment that exists on this host, as `segments()` answers it."""

    name: str
    """What `Cache.attach` and `remove` take."""
    path: str
    """The file behind it."""
    owner: int
    """User id of whom it belongs to."""
    format: int
    """Of which version of the library it is; another one does not open it."""
    bytes: int
    """What the file takes."""
    capacity_bytes: int
    """Its size; 0 if it is not yet, or no longer, a sound segment, or is of another format."""
    attached: bool
    """Whether some process has it mapped."""

"""The native module behind `forklore`.

Values of *exactly* these types are stored as they are, without the serializer: bytes, str, int (of any size), float,
bool and None. So is Django's SafeString once forklore.django is loaded. Anything else, a subclass such as IntEnum among
it, goes through the handle's serializer.
Bytes and ints of 64 bits are those of the C++ library, so both sides share them.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from os import PathLike
from types import GenericAlias, TracebackType
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    ParamSpec,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    final,
    overload,
)

from typing_extensions import Self, disjoint_base

from .locks import Lock
from .rates import RateLimit, WindowCount
from .stats import EntryInfo, LockHolder, SegmentInfo, Stats

_Key: TypeAlias = str | bytes
_K = TypeVar("_K", bound=_Key)
_D = TypeVar("_D")
_T = TypeVar("_T")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_Seconds: TypeAlias = SupportsFloat | timedelta
_Ttl: TypeAlias = SupportsFloat | timedelta | DefaultTtl | None
_Size: TypeAlias = int | str
_Place: TypeAlias = Literal["shm", "file", "anonymous"]
_Part: TypeAlias = str | tuple[str, str | None]  # of a message: a text, or an option and what it is to be
_Serializer: TypeAlias = Literal["pickle", "json", "msgpack", "none"]
_Compression: TypeAlias = Literal["zlib", "zstd", "lz4"]

__version__: Final[str]

@final
class DefaultTtl(str):
    """The type of DEFAULT: a str, so that signatures can show it, and no other str is taken for it."""

    def __reduce__(self) -> str: ...

DEFAULT: Final[DefaultTtl]
"""As a ttl: the default_ttl that the handle was opened with."""

class Error(Exception):
    """Whatever Forklore has to say about itself; the base of the other errors. Raised as such by calls on a closed
    handle, and pickling of an anonymous one."""

    _parts: tuple[_Part, ...] | None

class OpenError(Error, OSError):
    """A segment could not be opened, listed or removed. str() names the option, the bound or the path, and the remedy;
    errno is set. The attributes have the same as data, each None where it does not apply."""

    option: str | None
    """The argument of Cache() that is wrong, or that could be given otherwise: "capacity"."""
    bound: str | None
    """What is allowed, or can be had: "128 KiB to 16 GiB"."""
    remedy: str | None
    """What to do."""
    path: str | None
    """The file of the segment, or what is in its way. Not `filename`, which str() would say a second time."""

class TooLarge(Error, ValueError):
    """The value is larger than stats().max_value_bytes. The option max_value raises that. The old value stands."""

class Full(Error):
    """when_full="reject" alone: no room for a new key, or a larger value than the one that is there, without taking a
    live entry. The old value stands. An overwrite by as much or less always finds room."""

class Busy(Error, TimeoutError):
    """A living process held the lock for all of lock_timeout. Nothing has changed; the call may be made again."""

    holders: Sequence[LockHolder]
    """Of entering a lock by name: who held it in the end. Else empty."""

class ReadOnly(Error):
    """A write through a handle that only reads: opened with read_only=True, of a segment that was removed and that this
    process cannot make anew (the log says why), or forked into another pid namespace."""

class SerializerError(Error, TypeError):
    """The serializer cannot write this value. __cause__ says why. Of a stored value it is Unreadable."""

class Unreadable(SerializerError):
    """A stored value cannot be read back: its class is gone, another serializer wrote it, or it is damaged. The entry
    stays as it is. __cause__ says why, where the serializer did."""

    key: Any
    """The key as the caller gave it."""

@disjoint_base
class Cache:
    """A handle to one segment: a cache that all processes of this host share under a name.

    Any thread of any process may call at any time, also through a handle that was opened before a fork. Handles of
    one process to one segment share a mapping, so opening another is cheap. The GIL is given up while a call waits
    for a lock and while clear, scan, keys, stats and verify work; no Python code runs under a lock.

    Keys are str or bytes of 1 to 1024 bytes; str are taken as UTF-8, so "a" and b"a" are the same key. A key of
    another length raises ValueError, of another type TypeError.

    ttl is in seconds (int, float, timedelta; kept to the millisecond): None never expires, DEFAULT takes the handle's
    default_ttl, zero or less is "already expired", so that nothing is kept.

    All calls may raise Error after close(). Writes may raise Busy. They raise ReadOnly if the handle is read-only, or
    if its segment was removed and this process cannot make it again. Reads find nothing then, until another process
    has made it.
    """

    def __init__(
        self,
        name: str,
        capacity: _Size | None = None,
        *,
        place: _Place = "shm",
        path: str | PathLike[str] | None = None,
        max_value: _Size | None = None,
        stripes: int | None = None,
        default_ttl: _Seconds | None = None,
        when_full: Literal["evict", "reject"] | None = None,
        lock_timeout: _Seconds = 1.0,
        mode: int = 0o600,
        owner: int | str | None = None,
        serializer: _Serializer = "pickle",
        compress_above: _Size | None = None,
        compression: _Compression | None = None,
        read_only: bool = False,
    ) -> None:
        """Creates the segment or attaches to it. Sizes are ints of bytes or str such as "64MB", in powers of 1024.

        Behaviour:
        name: 1 to 128 characters of A-Z a-z 0-9 . _ -, not starting with a dot. One name is one segment of one owner.
        capacity: of the whole segment, index included, 128 KB to 16 GB. None takes what is there, else 32 MB. Another
            size than the one that is there makes an empty successor, to which all processes move; only the segment's
            owner can make one. A when_full, max_value or stripes that is given and is not what is there does so too
            if a capacity is given, and is refused if none is. What is not given is left to what is there.
        place: "shm" is memory by name, which outlives its processes, not a reboot; "file" is the file `path`;
            "anonymous" is shared by fork after opening alone.
        default_ttl: of entries stored without a ttl; None: they never expire.
        when_full: "evict" lets the entries least worth keeping leave; "reject" keeps all and raises Full. None: what
            is there or is succeeded, else "evict".
        mode: of a new segment. One that is there is refused if it gives others more than mode does.
        owner: whose segment it is, a user id or name; None: your own.
        serializer: for values of other types. A pickle is loaded by pickle handles alone: whoever may write the
            segment may run code in processes that load pickles from it. "none" raises SerializerError.
        compress_above: values of more bytes are compressed, as they are after serializing; 1 to 16 GiB. None: none.
            What does not shrink is stored plain; so are numbers, and values of up to 64 bytes.
        compression: how: "zlib" (unless given), "zstd" (package zstandard) or "lz4" (package lz4). Every handle reads
            what any of them wrote, if the package is there.
        read_only: maps without write access.

        Speed:
        max_value: the largest value wanted; None: what is there, else 1 MB or what a small capacity allows. It costs
            stripes.
        stripes: independent parts, a power of two up to 64; None: what is there, else by capacity.
        lock_timeout: seconds that a call waits for a lock that a living process holds, before a write raises Busy and
            a read misses.

        Raises OpenError, which names the option, the bound and the remedy.
        """

    @classmethod
    def attach(
        cls,
        name: str,
        *,
        place: _Place = "shm",
        path: str | PathLike[str] | None = None,
        default_ttl: _Seconds | None = None,
        lock_timeout: _Seconds = 1.0,
        mode: int = 0o600,
        owner: int | str | None = None,
        serializer: _Serializer = "pickle",
        compress_above: _Size | None = None,
        compression: _Compression | None = None,
        read_only: bool = False,
    ) -> Self:
        """A handle to a segment that exists. Options are those of a handle, as in Cache(). For place="file" the path
        may be given as the name. Raises OpenError (errno ENOENT) if there is none."""

    @property
    def name(self) -> str:
        """The segment's name."""

    @property
    def path(self) -> str:
        """The file behind the segment; "anonymous:NAME" for place="anonymous"."""

    @property
    def serializer(self) -> str:
        """The name of the serializer."""

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""

    @overload
    def get(self, key: _Key, default: None = None) -> Any: ...
    @overload
    def get(self, key: _Key, default: _D) -> Any | _D:
        """The value, or default if there is none. A stored None is a value. Takes no lock and never raises Busy.
        Raises Unreadable if the value belongs to another serializer or cannot be read."""

    def set(self, key: _Key, value: Any, ttl: _Ttl = ...) -> None:
        """Stores value, whatever was there. Raises TooLarge, Full or SerializerError; the old value then stands."""

    def add(self, key: _Key, value: Any, ttl: _Ttl = ...) -> bool:
        """Stores value if key is absent; an expired entry counts as absent. True: stored. False: there was one.
        One of any number of processes that add the same key gets True. Raises as set does."""

    def replace(self, key: _Key, value: Any, ttl: _Ttl = ...) -> bool:
        """Stores value if key is present. True: stored. False: there was none. Raises as set does."""

    def touch(self, key: _Key, ttl: _Ttl = ...) -> bool:
        """Gives the entry a new time to live; zero or less removes it. False: there was none."""

    def delete(self, key: _Key) -> bool:
        """Removes the entry. False: there was none."""

    def incr(
        self, key: _Key, delta: SupportsIndex = 1, *, initial: SupportsIndex | None = None, ttl: _Ttl = ...
    ) -> int:
        """Adds delta to an int of 64 bits, in place and keeping its time to live; the sum. An absent key is stored
        as initial + delta with ttl, or raises KeyError if initial is None. Raises TypeError if the value is anything
        else, OverflowError past 64 bits, Full; the value then stands."""

    def decr(
        self, key: _Key, delta: SupportsIndex = 1, *, initial: SupportsIndex | None = None, ttl: _Ttl = ...
    ) -> int:
        """incr by -delta: an absent key is stored as initial - delta."""

    def ttl(self, key: _Key) -> float | None:
        """The seconds the entry has left, None if it never expires. Raises KeyError if there is none."""

    @overload
    def gets(self, key: _Key, default: None = None) -> tuple[Any, int | None]: ...
    @overload
    def gets(self, key: _Key, default: _D) -> tuple[Any | _D, int | None]:
        """(value, version), the version for cas(); (default, None) if there is none. Raises as get does."""

    def cas(self, key: _Key, value: Any, version: SupportsIndex, ttl: _Ttl = ...) -> bool | None:
        """Stores value if the entry is still the one that gets() gave the version of. True: stored. False: it has
        changed, or the cache has moved it: get it again. None: there is none. Raises as set does."""

    def get_or_compute(
        self,
        key: _Key,
        fn: Callable[[], _D],
        ttl: _Ttl = ...,
        *,
        stale_for: _Seconds | None = None,
        early: SupportsFloat | None = None,
        wait: _Seconds = 10.0,
        stale_if_error: bool | None = None,
        error_ttl: _Seconds | None = None,
        compute_timeout: _Seconds | None = None,
        refresh: Literal["caller", "background"] | None = None,
    ) -> Any | _D:
        """The value, or what fn() returns, which is then stored with ttl. Of all callers in all processes one computes;
        the others wait for its value. A stored None is a value.

        stale_for: seconds after the ttl (49 days at most) for which all callers get the old value at once, but the one
            that computes the next. To every other method it has expired.
        early: begins the next computation before the value expires, at random and the likelier the closer that is and
            the longer it took; 1 is about as early as it takes to compute, 2 twice that. Then a key that is asked for
            all the time need not expire. (XFetch.)
        wait: seconds that a caller waits for another's value before it computes one for itself, which is not stored.

        stale_if_error: where fn raises and there is an old value, that is answered, and the log has the traceback
            once a minute. True unless given. The next caller tries again, unless there is an error_ttl.
        error_ttl: seconds for which no process computes what has failed. Callers get the old value at once. If there is
            none, they get ComputeFailed, which says what the first error was. A write to the key ends it.
        compute_timeout: seconds after which another caller may compute, even if this process lives. Then what this one
            computes goes to its caller and is not stored.
        refresh: "background": the caller that is to renew an old value gets it at once too. One of a few threads of
            this process renews it; for aget_or_compute a task of the event loop does. Contextvars are copied.

        Only this caller gets an exception of fn; the next one computes. What is written to the key or deleted while
        fn runs wins: the value goes to its caller and not into the cache. A process that dies computing is found out
        within 25 ms. fn may return a Kept, which brings its own ttl. A value that is too large, or finds no room, is
        returned and said to the log; one that cannot be serialized raises SerializerError. A stored value that cannot
        be read back (Unreadable) is no value here: it is computed again and replaced. The log says so once a minute.
        RuntimeError if fn asks for the same key. A hit costs what get() costs. Waiting gives up the GIL; under gevent
        it is done in the hub's thread pool, so that other greenlets run."""

    def aget_or_compute(
        self,
        key: _Key,
        fn: Callable[[], Awaitable[_D]] | Callable[[], _D],
        ttl: _Ttl = ...,
        *,
        stale_for: _Seconds | None = None,
        early: SupportsFloat | None = None,
        wait: _Seconds = 10.0,
        stale_if_error: bool | None = None,
        error_ttl: _Seconds | None = None,
        compute_timeout: _Seconds | None = None,
        refresh: Literal["caller", "background"] | None = None,
    ) -> Coroutine[Any, Any, Any | _D]:
        """get_or_compute() to await: the event loop runs while it waits, which is done in a thread. A coroutine
        function is awaited in the loop, any other fn called in a thread (asyncio.to_thread). If the task is cancelled
        while it computes, the next caller computes."""

    def lock(
        self,
        name: _Key,
        ttl: _Seconds | None = None,
        wait: _Seconds | None = None,
        *,
        reentrant: bool = False,
        limit: int = 1,
        thread_local: bool = True,
    ) -> Lock:
        """A lock by name, to be entered by `with` or `async with`, or by acquire() and release(): one holder of all
        threads, tasks and greenlets of all processes. It is held until it is released, its ttl is over, or its process
        ends; then it is free within 25 ms of somebody waiting for it. The object may be shared by threads and tasks, as
        threading.Lock is, and a lock whose object is collected stays held. Locks are no entries: they are not evicted,
        and set, delete and clear of a key of that name do not touch them.

        ttl: seconds after which others may have it though its holder lives; None: never. Then there may be two, the
            first of which does not know it: give what the lock protects the `token`, to refuse a smaller one.
        wait: seconds that entering waits before it raises Busy; None: as long as it takes, 0: not at all.
        reentrant: the holder (a thread, asyncio task or greenlet) may enter again.
        limit: how many may be inside at once: a semaphore. All that use a name say the same.
        thread_local: False: the object is the holder, and whatever thread, task or greenlet has it may release."""

    def rate_limit(
        self,
        key: _Key,
        limit: SupportsIndex,
        period: _Seconds,
        *,
        burst: SupportsIndex | None = None,
        cost: SupportsIndex = 1,
    ) -> RateLimit:
        """Takes one, or cost, of limit in period seconds; false if that is not allowed now. Exact over all processes.
        The generic cell rate algorithm: after a pause burst (limit unless given) may come at once, then one each
        period/limit seconds. cost=0 looks and takes nothing. The key is this call's own, an entry that says nothing any
        more expires by itself; delete() resets it. Raises TypeError if something else lies there, Busy, Full."""

    def count_in_window(self, key: _Key, window: _Seconds, add: SupportsIndex = 1) -> WindowCount:
        """Adds to the count of the window that runs now, for all processes. Answers the counts of it and of the one
        before. window: its seconds. Windows follow each other from the segment's birth. add=0 looks and adds nothing.
        The key is this call's own. Raises as rate_limit does."""

    def get_many(self, keys: Iterable[_K]) -> dict[_K, Any]:
        """The values of those keys that are there, under the keys given. Memory accesses overlap, so it is faster
        than as many gets. Raises as get does; the Unreadable has the key."""

    def set_many(self, mapping: Mapping[_K, Any], ttl: _Ttl = ...) -> list[_K]:
        """Stores each value by itself, as set does; the list of the keys that failed (too large, full, busy), whose
        old values stand. All are serialized before the first is stored: SerializerError has changed nothing."""

    def delete_many(self, keys: Iterable[_Key]) -> int:
        """Removes each entry; how many there were."""

    def delete_pattern(self, pattern: _Key) -> int:
        """Removes each entry whose key matches the pattern, as keys() has it; how many there were. Values that are
        stale and remembered failures go too, uncounted. What is stored meanwhile may stay or go. Raises Busy and
        ReadOnly; some may be gone then."""

    def keys(self, prefix: _Key = "", *, pattern: _Key | None = None) -> Iterator[str]:
        """All keys that begin with prefix, fetched in batches; bytes that are no UTF-8 come as lone surrogates
        ("surrogateescape"), which every method takes back. A key that is present throughout comes at least once;
        one that comes and goes, perhaps. Raises Busy.

        pattern: for the whole key, as Redis has it: * is any bytes or none, ? one byte, [abc] one of these, [a-c] one
            of a range, [^abc] any other byte; a backslash before any of these takes its meaning."""

    def scan(self, cursor: SupportsIndex = 0, prefix: _Key = "", count: SupportsIndex = 1000) -> tuple[int, list[str]]:
        """One step of keys(): (cursor for the next step, about count keys). Begin with 0; a cursor of 0 is the end.
        Raises Busy."""

    def info(self, key: _Key) -> EntryInfo | None:
        """What is known of an entry without reading it. No hit is counted, and it is not kept the longer. None if there
        is none, or it has expired."""

    def locks(self) -> list[LockHolder]:
        """Who holds which locks of the segment, in all processes, at this moment. Takes none, and waits for none."""

    def break_lock(self, name: _Key) -> int:
        """Takes a lock from all that hold it, though they live; how many that were. Nothing else takes a lock from a
        living holder before its ttl. It is not asked, and goes on: its `held` turns false, its release() raises
        NotHeld, its token is void. So two may be at what the lock protects. It is for an operator who knows that the
        holder is stuck. Raises ReadOnly."""

    def clear(self) -> None:
        """Removes every entry; what is stored meanwhile may stay or go. Raises Busy."""

    def stats(self) -> Stats:
        """What the segment holds and what has happened in it."""

    def verify(self) -> list[str]:
        """Checks every invariant of the stored structures; a list of faults, empty if it is sound. Locks one stripe
        at a time."""

    def close(self) -> None:
        """Gives the handle back; a call that another thread is in finishes first. The segment and its entries stay.
        Calling it again does nothing."""

    def __contains__(self, key: _Key, /) -> bool:
        """Whether there is an entry."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Closes the handle."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name: the copy attaches to the same segment with the same options of a handle. Raises Error if
        the place is anonymous."""

    def __copy__(self) -> Self:
        """Another handle to the same segment; the place may be anonymous."""

    def __deepcopy__(self, memo: dict[int, Any], /) -> Self:
        """As __copy__: what is stored is shared, not copied."""

@disjoint_base
class DjangoCalls:
    """The native half of forklore.django.ForkloreCache: its calls, with full keys made as Django does by default. A
    key that Django would warn of, and every key where the backend makes or checks keys otherwise, is made by the
    backend's make_and_validate_key. Arguments are those of BaseCache, all by position.

    The Python half has these, which native code calls: _usual() -> forklore.contract.Usual, what holds where a call
    says nothing; handle, the forklore.Cache; _ttl(timeout), the time to live of one entry;
    _not_stored(error), told why what get_or_set computes is not stored; _get_or_add(key, default, timeout, version),
    get_or_set of what is not callable; make_and_validate_key."""

    def _get(self, key: Any, default: Any, version: int | None, /) -> Any: ...
    def _set(self, key: Any, value: Any, timeout: Any, version: int | None, nx: bool, xx: bool, /) -> bool | None: ...
    def _add(self, key: Any, value: Any, timeout: Any, version: int | None, /) -> bool: ...
    def _get_or_set(
        self,
        key: Any,
        default: Any,
        timeout: Any,
        version: int | None,
        stale_for: _Seconds | None,
        early: SupportsFloat | None,
        wait: _Seconds | None,
        stale_if_error: bool | None,
        error_ttl: _Seconds | None,
        compute_timeout: _Seconds | None,
        refresh: str | None,
        /,
    ) -> Any: ...
    def _touch(self, key: Any, timeout: Any, version: int | None, /) -> bool: ...
    def _delete(self, key: Any, version: int | None, /) -> bool: ...
    def _has_key(self, key: Any, version: int | None, /) -> bool: ...
    def _incr(self, key: Any, delta: SupportsIndex, version: int | None, /) -> int: ...
    def _get_many(self, keys: Iterable[_T], version: int | None, unreadable: list[Unreadable], /) -> dict[_T, Any]:
        """Those that can be read. Of each that cannot, an Unreadable with its key is appended to the list."""

    def _set_many(self, data: Mapping[_T, Any], timeout: Any, version: int | None, /) -> list[_T]: ...
    def _delete_many(self, keys: Iterable[Any], version: int | None, /) -> int: ...

def _check(*args: Any, **options: Any) -> None:
    """Only for forklore.django: raises what Cache() would raise for these arguments on any host. Opens nothing."""

def _need(
    beside: int, arguments: dict[str, Any], /
) -> tuple[str, int, tuple[tuple[_Part, ...], tuple[_Part, ...]] | None]:
    """Only for forklore.django: what Cache(**arguments) would take. The file, the bytes that it does not have yet, and
    why these cannot be had with the remedy (None if they can). beside: bytes that others will take there. Opens
    nothing. The fields are those of forklore.contract.Need."""

_OPTIONS: Final[tuple[str, ...]]
"""The arguments of Cache()."""

_COUNTS: Final[tuple[tuple[str, str, str, str], ...]]
"""For forklore.stats: name, kind, unit, help of each field of Stats."""

def _formats() -> list[tuple[int, str, str, str]]:
    """The registry of value formats: (number, name, type, bytes) of each."""

def _register_type(name: str, type: type[str], /) -> None:
    """Values of exactly this type, a subclass of str, are stored in the formats of that name from now on, in this
    interpreter, and come back as this type. Where none is registered they come back as str."""

def remove(name: str, *, place: _Place = "shm", owner: int | str | None = None) -> bool:
    """Takes the name away, for every format of the library; False if there was no such segment. Processes that are
    attached move to a new segment within a second of their next call, this one at its next call; the memory goes when
    the last has moved. For
    place="file", name is the path. owner: whose segment it is, a user id or name; None: the caller's own.
    Raises OpenError if it is another user's and the caller is not root."""

def segments() -> list[SegmentInfo]:
    """The shared-memory segments of this host that the caller may read, by name: of every format of the library, and
    for root of every owner. Raises OpenError if it cannot look."""

# For forklore.compute and forklore.locks.

# What a caller is to do next, as _Computation.begin() answers it.
_FRESH: Final[int]
_STALE: Final[int]
_REFRESH: Final[int]
_COMPUTE: Final[int]
_ALONE: Final[int]
_WAIT: Final[int]
_FAILED: Final[int]

_computing: ContextVar[Any]

@final
class _Computation:
    def __new__(
        cls,
        cache: Cache,
        key: _Key,
        stale_for: Any,
        early: Any,
        wait: Any,
        stale_if_error: Any,
        error_ttl: Any,
        compute_timeout: Any,
        refresh: Any,
        /,
    ) -> Self: ...
    def begin(self, patience: float, /) -> tuple[int, Any]: ...
    def old(self) -> Any: ...
    def store(self, value: Any, ttl: _Ttl, /) -> None: ...
    def fail(self, words: bytes, /) -> None: ...
    def abandon(self) -> None: ...

@final
class _Lease:
    def __new__(cls, cache: Cache, name: _Key, ttl: _Ttl, limit: int, /) -> Self: ...
    def acquire(self, wait: float, /) -> bool: ...
    def extend(self, ttl: _Ttl, /) -> bool: ...
    def release(self) -> bool: ...
    def held(self) -> bool: ...
    def locked(self) -> bool: ...
    def holders(self) -> list[LockHolder]: ...
    def token(self) -> int: ...
    def lacking(self) -> bool: ...

# For forklore.memoize.

@disjoint_base
class Memoized(Generic[_P, _R]):
    """What memoize makes of a function: called like it, and answers what one call of it answered."""

    def __new__(cls, function: Callable[_P, _R], behind: Any, /, *rest: Any) -> Self: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...
    def __reduce__(self) -> str: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    def cache_key(self, *args: _P.args, **kwargs: _P.kwargs) -> str:
        """The key under which the result for these arguments lies."""

    def forget(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Removes the result for these arguments; what is being computed of it now will not be stored. False: there was
        none."""

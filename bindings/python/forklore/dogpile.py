"""A backend of dogpile.cache whose values and mutexes all processes of the host share.

>>> from dogpile.cache import make_region
>>> region = make_region().configure("forklore", expiration_time=300, arguments={"name": "site", "capacity": "64MB"})

Importing this module needs the package dogpile.cache: pip install forklore[dogpile].
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dogpile.cache.api import NO_VALUE, BytesBackend, CacheMutex
from dogpile.cache.util import sha1_mangle_key

from ._core import DEFAULT, Cache, SerializerError, _Lease
from .adapters import OPTIONS, handle
from .locks import PATIENCE, NotHeld, _acquire_here
from .waiting import hub, in_pool

LONGEST = 250  # of a key, in characters of up to 4 bytes


class Mutex(CacheMutex):
    """A lock by name, of all processes. Whoever has the object may release it: dogpile's async_creation_runner does so
    in another thread. It is free when its process ends, and after ttl seconds if a ttl is given."""

    def __init__(self, cache: Cache, name: str, ttl: float | None = None) -> None:
        self._new_lease = functools.partial(_Lease, cache, name, ttl, 1)
        self._what = ("lock", cache.path, name.encode())
        self._held: _Lease | None = None

    def acquire(self, wait: bool = True) -> bool:
        lease, mine = self._new_lease(), hub()
        got: bool | None = _acquire_here(lease, 0)
        while wait and not got:
            if mine is None:
                got = _acquire_here(lease, PATIENCE)
            else:
                got = in_pool(mine, self._what, functools.partial(lease.acquire, PATIENCE), lease.release)
        if got:
            self._held = lease
        return bool(got)

    def release(self) -> None:
        lease, self._held = self._held, None
        if lease is None:
            raise NotHeld("this mutex is not held")
        lease.release()

    def locked(self) -> bool:
        """Whether anybody has it, in any process."""
        return self._new_lease().locked()


class ForkloreBackend(BytesBackend):
    """Arguments: name, and any option of forklore.Cache, such as capacity and default_ttl, after which what is stored
    leaves; dogpile's expiration_time is dogpile's own. Also:

    distributed_lock: the mutex is of all processes (the default), so that one of them creates a value; False: each
        process has its own.
    mutex_ttl: seconds after which others may create although the creator still lives; None: never.

    Values are bytes, which the region makes: pickles, unless it is given another serializer."""

    @staticmethod
    def key_mangler(key: str) -> str:
        """What stands for it in the cache: its SHA-1 if it is long."""
        return key if len(key) <= LONGEST else sha1_mangle_key(key.encode("utf-8", "surrogatepass"))

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        known = {"name", "distributed_lock", "mutex_ttl"} | OPTIONS
        if unknown := sorted(arguments.keys() - known):
            warnings.warn(f"forklore's backend has no such argument: {', '.join(unknown)}", stacklevel=2)
        if "name" not in arguments:
            raise ValueError('arguments of the dogpile backend "forklore" want a name: {"name": "mysite"}')
        options = {name: value for name, value in arguments.items() if name in OPTIONS}
        self._shared, self._mutex_ttl = arguments.get("distributed_lock", True), arguments.get("mutex_ttl")
        self.cache = handle(arguments["name"], **{"serializer": "none"} | options)

    def has_lock_timeout(self) -> bool:
        return self._shared and self._mutex_ttl is not None

    def get_mutex(self, key: str) -> Mutex | None:
        return Mutex(self.cache, key, self._mutex_ttl) if self._shared else None

    def get_serialized(self, key: str) -> Any:
        try:
            value = self.cache.get(key, NO_VALUE)
        except SerializerError:
            return NO_VALUE
        return value if isinstance(value, bytes) else NO_VALUE  # another program's: created anew

    def get_serialized_multi(self, keys: Iterable[str]) -> Sequence[Any]:
        wanted = list(keys)
        try:
            found = self.cache.get_many(wanted)
        except SerializerError:  # of one of them
            return [self.get_serialized(key) for key in wanted]
        values = (found.get(key) for key in wanted)
        return [value if isinstance(value, bytes) else NO_VALUE for value in values]

    def set_serialized(self, key: str, value: bytes) -> None:
        self.cache.set(key, value, DEFAULT)

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        for key in self.cache.set_many(mapping):
            self.cache.set(key, mapping[key])  # raises what it was

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def delete_multi(self, keys: Iterable[str]) -> None:
        self.cache.delete_many(list(keys))

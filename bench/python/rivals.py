"""The rivals as a program calls them without Django: one small class for each, which says in statements how its best
user would call it. key, value, some (a list of keys) and the rival's own names are in their scope."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import pickle
from typing import Any, ClassVar

from servers import Place
from values import KINDS, Kind

import forklore


def version_of(*packages: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


class Rival:
    """Opened by its constructor, which raises ImportError or MissingError if it cannot be; filled by the caller.
    A statement of None: it has no such call."""

    name: ClassVar[str]
    title: ClassVar[str]
    version: str = ""
    miss: str | None = "c.get('absent:profile:1')"
    incr: str | None = "c.incr('n')"
    many: str | None = "c.get_many(some)"
    one_call = True  # that many is, and not a loop of its own
    proxy: str | None = None
    hit: tuple[str, str] | None = None
    """Of a call that would compute the value if it were not there: its name, and the statement."""
    bytes_keys = False

    def __init__(self, place: Place) -> None:
        self.scope: dict[str, Any] = {"dumps": pickle.dumps, "loads": pickle.loads, "protocol": pickle.HIGHEST_PROTOCOL}

    def get(self, kind: Kind) -> str:
        return "c.get(key)"

    def set(self, kind: Kind) -> str:
        return "c.set(key, value)"

    def close(self) -> None:
        pass


class Dict(Rival):
    name, title = "dict", "dict (not shared)"
    incr, many = "c['n'] += 1", "{k: c[k] for k in some if k in c}"
    one_call = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.scope["c"] = {"n": 0}

    def set(self, kind: Kind) -> str:
        return "c[key] = value"


class Forklore(Rival):
    name, title = "forklore", "Forklore"
    hit = "get_or_compute, a hit", "c.get_or_compute(key, dict)"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.version = f"forklore {forklore.__version__}"
        self.cache = self.scope["c"] = forklore.Cache(place.name, "64MB")
        self.cache.set("n", 0)

    def close(self) -> None:
        forklore.remove(self.cache.name)


class BytesAlone(Rival):
    """Keeps bytes: str as UTF-8, int in digits, the others pickled."""

    def to_bytes(self, kind: Kind) -> str:
        own = {bytes: "value", str: "value.encode()", int: "b'%d' % value"}
        return own.get(type(kind.value), "dumps(value, protocol)")

    def from_bytes(self, kind: Kind, read: str) -> str:
        own = {bytes: "{}", str: "{}.decode()", int: "int({})"}
        return own.get(type(kind.value), "loads({})").format(read)


class Lmdb(BytesAlone):
    name, title = "lmdb", "py-lmdb"
    bytes_keys = True
    # A read transaction for each call, as a cache wants it: what others have written is seen. No syncing to the disk.
    miss = "with begin() as t: t.get(b'absent:profile:1')"
    many = "with begin() as t: {k: v.decode() for k, v in t.cursor().getmulti(some)}"
    incr = "with begin(write=True) as t: t.put(b'n', b'%d' % (int(t.get(b'n')) + 1))"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import lmdb

        self.version = version_of("lmdb")
        self.environment = lmdb.open(str(place.directory / "lmdb"), map_size=1 << 28, writemap=True, sync=False)
        self.scope["begin"] = self.environment.begin
        with self.environment.begin(write=True) as transaction:
            transaction.put(b"n", b"0")

    def get(self, kind: Kind) -> str:
        return "with begin() as t: " + self.from_bytes(kind, "t.get(key)")

    def set(self, kind: Kind) -> str:
        return f"with begin(write=True) as t: t.put(key, {self.to_bytes(kind)})"

    def close(self) -> None:
        self.environment.close()


class DiskCache(Rival):
    name, title = "diskcache", "diskcache"
    many = None

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import diskcache

        self.version = version_of("diskcache")
        self.cache = self.scope["c"] = diskcache.Cache(str(place.directory / "diskcache"))
        self.cache.set("n", 0)

    def close(self) -> None:
        self.cache.close()


class PyMemcache(Rival):
    name, title = "pymemcache", "pymemcache, Unix socket"
    incr = "c.incr('n', 1)"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from pymemcache import serde
        from pymemcache.client.base import Client

        self.version = version_of("pymemcache")
        self.client = self.scope["c"] = Client(str(place.memcached()), serde=serde.pickle_serde, default_noreply=False)
        self.client.set("n", 0)

    def close(self) -> None:
        self.client.close()


class PyLibMc(Rival):
    name, title = "pylibmc", "pylibmc, Unix socket"
    many = "c.get_multi(some)"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import pylibmc

        self.version = version_of("pylibmc")
        self.client = self.scope["c"] = pylibmc.Client([str(place.memcached())])
        self.client.set("n", 0)

    def close(self) -> None:
        self.client.disconnect_all()


class RedisPy(BytesAlone):
    name, title = "redis", "redis-py, Unix socket"
    many = "{k: v.decode() for k, v in zip(some, c.mget(some))}"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        import redis

        self.version = version_of("redis", "hiredis")
        self.client = self.scope["c"] = redis.Redis(unix_socket_path=str(place.redis()))
        self.client.set("n", 0)

    def get(self, kind: Kind) -> str:
        return self.from_bytes(kind, "c.get(key)")

    def set(self, kind: Kind) -> str:
        return "c.set(key, value)" if kind.plain else "c.set(key, dumps(value, protocol))"

    def close(self) -> None:
        self.client.close()


class UltraDict(Rival):
    name, title = "ultradict", "UltraDict"
    many, incr = "{k: c[k] for k in some}", None
    one_call = False

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from UltraDict import UltraDict

        self.version = version_of("UltraDict")
        # Its plain lock, for a process and its children; the one for unrelated processes makes a set slower.
        self.dict = self.scope["c"] = UltraDict(name=place.name + "-ultra", create=True, buffer_size=1 << 22)

    def set(self, kind: Kind) -> str:
        return "c[key] = value"

    def close(self) -> None:
        self.dict.close()
        self.dict.unlink()


class SharedMemoryDict(Rival):
    """One for each kind of value, since each call reads all of it."""

    name, title = "shared-memory-dict", "shared-memory-dict"
    many, incr = None, None
    miss = "str_dict.get('absent:profile:1')"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        from shared_memory_dict import SharedMemoryDict

        self.version = version_of("shared-memory-dict")
        self.dicts = {}
        for kind in KINDS:
            size = kind.keys * (len(pickle.dumps(kind.value)) + 64) + 4096
            self.dicts[kind.name] = SharedMemoryDict(name=f"{place.name}-{kind.name}", size=size)
            self.scope[self.of(kind)] = self.dicts[kind.name]

    @staticmethod
    def of(kind: Kind) -> str:
        return f"{kind.name}_dict" if kind.name.isidentifier() else f"of_{kind.name}"

    def get(self, kind: Kind) -> str:
        return f"{self.of(kind)}.get(key)"

    def set(self, kind: Kind) -> str:
        return f"{self.of(kind)}[key] = value"

    def close(self) -> None:
        for one in self.dicts.values():
            one.shm.close()
            one.shm.unlink()


class ManagerDict(Rival):
    name, title = "manager", "multiprocessing.Manager().dict()"
    many, incr = None, None

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.manager = multiprocessing.Manager()
        self.scope["c"] = self.manager.dict()

    def set(self, kind: Kind) -> str:
        return "c[key] = value"

    def close(self) -> None:
        self.manager.shutdown()


RIVALS: tuple[type[Rival], ...] = (
    Forklore,
    Dict,
    Lmdb,
    UltraDict,
    DiskCache,
    PyLibMc,
    PyMemcache,
    RedisPy,
    ManagerDict,
    SharedMemoryDict,
)

"""The rivals as Django's caches[...]. The settings are those of each backend's documentation, and nothing more."""

from __future__ import annotations

from typing import Any, ClassVar

import django
from django.conf import settings
from django.core.cache import caches
from django.utils.connection import ConnectionProxy
from rivals import Rival, version_of
from servers import Place

import forklore

settings.configure(CACHES={})
django.setup()


class DjangoRival(Rival):
    """A backend and its alias, which is its name."""

    backend: ClassVar[str]
    proxy = "proxy.get(key)"
    hit = "get_or_set, a hit", "c.get_or_set(key, dict)"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        caches.settings[self.name] = {"BACKEND": self.backend, **self.entry(place)}
        self.cache = self.scope["c"] = caches[self.name]
        self.scope["proxy"] = ConnectionProxy(caches, self.name)  # what django.core.cache.cache is
        self.cache.set("n", 0)

    def entry(self, place: Place) -> dict[str, Any]:
        """What CACHES has beside BACKEND."""
        raise NotImplementedError

    def close(self) -> None:
        self.cache.close()


class ForkloreBackend(DjangoRival):
    name, title = "django-forklore", "Forklore"
    backend = "forklore.django.ForkloreCache"

    def entry(self, place: Place) -> dict[str, Any]:
        self.version = f"forklore {forklore.__version__}"
        self.segment = place.name + "-django"
        return {"LOCATION": self.segment, "OPTIONS": {"CAPACITY": "64MB"}}

    def close(self) -> None:
        forklore.remove(self.segment)


class LocMem(DjangoRival):
    name, title = "django-locmem", "LocMemCache (not shared)"
    backend = "django.core.cache.backends.locmem.LocMemCache"
    one_call = False

    def entry(self, place: Place) -> dict[str, Any]:
        return {"LOCATION": place.name}


class FileBased(DjangoRival):
    name, title = "django-file", "FileBasedCache"
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    one_call = False

    def entry(self, place: Place) -> dict[str, Any]:
        return {"LOCATION": str(place.directory / "file-based")}


class DiskCacheBackend(DjangoRival):
    name, title = "django-diskcache", "diskcache.DjangoCache"
    backend = "diskcache.DjangoCache"
    one_call = False

    def entry(self, place: Place) -> dict[str, Any]:
        self.version = version_of("diskcache")
        return {"LOCATION": str(place.directory / "django-diskcache")}


class PyMemcacheBackend(DjangoRival):
    name, title = "django-pymemcache", "PyMemcacheCache"
    backend = "django.core.cache.backends.memcached.PyMemcacheCache"

    def entry(self, place: Place) -> dict[str, Any]:
        self.version = version_of("pymemcache")
        return {"LOCATION": f"unix:{place.memcached()}", "KEY_PREFIX": "pymemcache"}


class PyLibMcBackend(DjangoRival):
    name, title = "django-pylibmc", "PyLibMCCache"
    backend = "django.core.cache.backends.memcached.PyLibMCCache"

    def entry(self, place: Place) -> dict[str, Any]:
        self.version = version_of("pylibmc")
        return {"LOCATION": f"unix:{place.memcached()}", "KEY_PREFIX": "pylibmc"}


class RedisBackend(DjangoRival):
    name, title = "django-redis", "RedisCache"
    backend = "django.core.cache.backends.redis.RedisCache"

    def entry(self, place: Place) -> dict[str, Any]:
        self.version = version_of("redis", "hiredis")
        return {"LOCATION": f"unix://{place.redis()}"}


DJANGO_RIVALS: tuple[type[DjangoRival], ...] = (
    ForkloreBackend,
    LocMem,
    DiskCacheBackend,
    FileBased,
    PyLibMcBackend,
    PyMemcacheBackend,
    RedisBackend,
)

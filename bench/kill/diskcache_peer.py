"""diskcache: SQLite and files. Each worker opens the directory for itself, as its documentation asks."""

from __future__ import annotations

from pathlib import Path

import diskcache


class DiskCache:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self) -> None:
        self._cache = diskcache.Cache(str(self._directory / "cache"), eviction_policy="none", cull_limit=0)

    def get(self, key: str) -> bytes | None:
        return self._cache.get(key)

    def set(self, key: str, value: bytes) -> bool:
        return self._cache.set(key, value)

"""One handle for each (name, options) in a process, shared by all that ask for it: Django, memoize, adapters.

A framework makes a client for each thread, request or alias. Here opening is paid once. A handle that was opened before
a fork works in the child. Each interpreter of a process has handles of its own, as it has modules of its own.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Mapping
from typing import Any

from . import clock
from ._core import Cache, OpenError


class SharedHandle:
    """A handle that its first use opens. Any thread may use it. Do not close the handle: it is everybody's."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.arguments = dict(arguments)
        self._handle: Cache | None = None
        self._error: OpenError | None = None  # of the last attempt to open
        self._retry_at = 0.0

    @property
    def handle(self) -> Cache:
        """Raises what forklore.Cache raises. Who cannot open waits a while before the next attempt: until then this
        raises the same OpenError at once."""
        if self._handle is None or self._handle.closed:
            if self._error is not None and clock.now() < self._retry_at:
                raise copy.copy(self._error)
            opened = self._open()
            # No lock, which a fork could leave held: of two that open at once the second handle is dropped.
            if self._handle is None or self._handle.closed:
                self._handle = opened
        return self._handle

    def is_open(self) -> bool:
        return self._handle is not None

    def _open(self) -> Cache:
        begin = clock.now()
        try:
            opened = Cache(**self.arguments)
        except OpenError as error:
            if error.errno != errno.EINVAL:  # of a wrong argument, which costs nothing to find
                end = clock.now()
                # Some attempts wait for others: they take up a twentieth of the time at most.
                self._error, self._retry_at = error, end + max(1.0, 20 * (end - begin))
            raise
        self._error = None
        return opened


_shared: dict[str, SharedHandle] = {}


def shared(arguments: Mapping[str, Any]) -> SharedHandle:
    """What all of this process with these arguments of forklore.Cache share. Opens nothing. An argument that is None
    counts as not given; a size that is written in another way is another argument."""
    known = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in arguments.items()}
    key = repr(sorted((name, value) for name, value in known.items() if value is not None))
    # One dict operation, which no other thread comes between.
    return _shared.get(key) or _shared.setdefault(key, SharedHandle(known))


def shared_cache(name: str, capacity: int | str | None = None, **options: Any) -> Cache:
    """The handle that all callers of this process with these arguments share; the first call opens it. The arguments
    are those of forklore.Cache. Do not close it. Raises as forklore.Cache does; after an OpenError the next attempt
    is a second later at the earliest."""
    return shared({"name": name, "capacity": capacity, **options}).handle

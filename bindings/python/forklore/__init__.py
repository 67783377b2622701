"""A cache that all processes of one host share under a name, with no server between them.

>>> import forklore
>>> cache = forklore.Cache("site", "64MB")
>>> cache.set("greeting", "hello", ttl=60)
>>> cache.get("greeting")
'hello'

Linux with glibc, one host. Entries leave when the segment is full and when they expire: every read may miss.
A process may die at any instruction; the others go on, and what was stored stays.
"""

try:
    from ._core import (
        DEFAULT,
        Busy,
        Cache,
        Error,
        Full,
        OpenError,
        ReadOnly,
        SerializerError,
        TooLarge,
        Unreadable,
        __version__,
        remove,
        segments,
    )
except ImportError as _refused:
    if "subinterpreters" not in str(_refused):  # CPython's words to an interpreter with a GIL of its own
        raise
    raise ImportError(
        "forklore works in every interpreter that shares the GIL, and this one has its own. Run the application in the "
        "main interpreter. Apache with mod_wsgi: WSGIApplicationGroup %{GLOBAL}. uWSGI: single-interpreter = true"
    ) from None
from .failing import ComputeFailed
from .handles import shared_cache
from .kept import Kept
from .locks import Lock, NotHeld
from .memoize import memoize
from .rates import RateLimit, RateLimited, WindowCount, rate_limited
from .stats import EntryInfo, LockHolder, SegmentInfo, Stats

__all__ = [
    "DEFAULT",
    "Busy",
    "Cache",
    "ComputeFailed",
    "EntryInfo",
    "Error",
    "Full",
    "Kept",
    "Lock",
    "LockHolder",
    "NotHeld",
    "OpenError",
    "RateLimit",
    "RateLimited",
    "ReadOnly",
    "SegmentInfo",
    "SerializerError",
    "Stats",
    "TooLarge",
    "Unreadable",
    "WindowCount",
    "__version__",
    "memoize",
    "rate_limited",
    "remove",
    "segments",
    "shared_cache",
]

"""A computed value that says itself how long it is to be kept."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kept:
    """What a function given to get_or_compute, memoize or Django's get_or_set may answer in place of the value: the
    value with its own time to live, such as a token that says when it expires. The caller gets the value."""

    value: Any
    ttl: Any
    """As of Cache.set. Zero or less: it is not kept."""

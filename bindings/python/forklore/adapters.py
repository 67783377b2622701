"""What the adapters to other packages have in common: forklore.dogpile, forklore.cachelib and forklore.limits, each of
which needs its package. Nothing else here imports them."""

from __future__ import annotations

import inspect
from typing import Any

from ._core import Cache
from .handles import shared_cache

OPTIONS = frozenset(inspect.signature(Cache).parameters) - {"name"}
"""What Cache() takes beside a name."""


def handle(name: str, **options: Any) -> Cache:
    """The cache of that name, shared with whoever asks for it by the same options."""
    return shared_cache(name, **options)

"""Which calls are Django's own: it has what it stores after a miss, and makes anew what it cannot read. Neither raises,
whatever ON_ERROR and ON_UNREADABLE say."""

from __future__ import annotations

import sys
from types import FrameType

AFTER_A_MISS = frozenset(
    {
        "django.middleware.cache",
        "django.utils.cache",
        "django.templatetags.cache",
        "django.contrib.sessions.backends.cached_db",
    }
)
"""Modules of Django that store what they have just made or read elsewhere, and have it in hand."""

MOST_FRAMES = 50
"""That are looked at. A subclass and the wrappers of a debug panel are a few."""


def follows_a_miss() -> bool:
    """Whether the call that is under way is one of theirs: the nearest frame of Django's says so. Asked after an error
    alone."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(MOST_FRAMES):
        if frame is None:
            return False
        module = _module(frame)
        if module.startswith("django.") and not module.startswith("django.core.cache"):
            return module in AFTER_A_MISS
        frame = frame.f_back
    return False


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""

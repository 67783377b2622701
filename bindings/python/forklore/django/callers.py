"""Who calls: what Django itself stores after a miss is not the program's set, whatever ON_ERROR says."""

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


def follows_a_miss() -> bool:
    """Whether the set that is under way is one of theirs. Asked after an error alone."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame).startswith("forklore."):
        frame = frame.f_back
    return frame is not None and _module(frame) in AFTER_A_MISS


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""

"""Computations that failed: what the others are told, and what the log is."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any, NoReturn

from ._core import Error
from .clock import now

MOST_WORDS = 500  # bytes that are kept of what an error said, as the library has it
SAY_EVERY = 60.0  # seconds between two lines that say the same

_logger = logging.getLogger("forklore")
_said: dict[tuple[str, str, type], tuple[float, int]] = {}  # when, and how many since
_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


class ComputeFailed(Error):
    """Somebody computed this value no longer than error_ttl ago and failed, and there is no older value. In words, what
    that error said; in which process it was raised, the log there tells."""

    key: Any = None
    """As the caller gave it."""
    error: str = ""
    """The first error: its class, and what it said."""


def words_of(error: BaseException) -> bytes:
    """What is remembered of an error."""
    try:
        said = str(error)
    except Exception:
        said = ""
    words = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return words.encode("utf-8", "replace")[:MOST_WORDS]


def raise_failed(key: Any, words: bytes) -> NoReturn:
    first = words.decode("utf-8", "ignore")
    failed = ComputeFailed(f"computing {key!r} failed a moment ago, and is not tried again yet: {first}")
    failed.key, failed.error = key, first
    raise failed


def say_served_stale(path: str, key: Any, error: BaseException) -> None:
    """To the log, with the traceback: at once, and then once a minute of this kind of error."""
    if since := _due(path, "stale", error):
        more = "" if since == 1 else f" ({since} since the last such line)"
        _logger.warning(
            "computing %r failed, and the old value is served: %s%s", key, words_of(error).decode("utf-8", "ignore"),
            more, exc_info=error,
        )  # fmt: skip


def say_not_refreshed(path: str, key: Any, error: BaseException) -> None:
    """Likewise of a refresh in the background, whose error has no caller."""
    if since := _due(path, "background", error):
        more = "" if since == 1 else f" ({since} since the last such line)"
        _logger.warning("refreshing %r in the background failed: %s%s", key, error, more, exc_info=error)


def say_not_stored(path: str, key: Any, error: BaseException) -> None:
    """Likewise of a value that could not be stored and was computed for one caller."""
    if since := _due(path, "alone", error):
        more = "" if since == 1 else f" ({since} since the last such line)"
        _logger.warning("computed and not stored: %r: %s%s", key, error, more)


def _due(path: str, what: str, error: BaseException) -> int:
    with _lock:
        moment, place = now(), (path, what, type(error))
        said, since = _said.get(place, (-SAY_EVERY, 0))
        due = moment - said >= SAY_EVERY
        _said[place] = (moment, 0) if due else (said, since + 1)
    return since + 1 if due else 0

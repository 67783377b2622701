"""Keys for calls: the same arguments give the same key in every process, and others another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .names import Unknown
from .words import words_of

LONGEST = 200  # what is longer becomes a digest: Django warns beyond 250 characters, prefix and version included


def key_of_call(name: str, positional: tuple[Any, ...], by_name: dict[str, Any]) -> str:
    """The key of a call of what has that name: "name(a,b,1:c=d)". Raises Unknown for an argument that cannot be
    told."""
    try:
        words = [words_of(value) for value in positional]
        if by_name:
            words += [f"{len(word)}:{word}={words_of(value)}" for word, value in sorted(by_name.items())]
    except RecursionError:
        raise Unknown("it is nested too deep, or in itself") from None
    return shortened(f"{name}({','.join(words)})")


def in_key(name: str) -> str:
    """A name as it stands in keys, where the first parenthesis ends it."""
    return name.replace("%", "%25").replace("(", "%28")


def shortened(key: str) -> str:
    """The key itself if it is short and plain, else a digest of it behind its beginning."""
    if len(key) <= LONGEST and key.isprintable() and key.isascii() and " " not in key:
        return key
    import hashlib  # not for all who import forklore

    begin = "".join(letter for letter in key.partition("(")[0] if letter.isprintable() and letter != " ")[
        : LONGEST // 2
    ]
    return f"{begin}#{hashlib.blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=20).hexdigest()}"


def key_from(name: str, key: Callable[..., Any] | None, positional: tuple[Any, ...], by_name: dict[str, Any]) -> str:
    """The key of a call, by a function of the caller's if there is one: what it answers stands for the arguments."""
    if key is None:
        return key_of_call(name, positional, by_name)
    return key_of_call(name, (key(*positional, **by_name),), {})

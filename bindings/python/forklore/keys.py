"""Keys for calls: the same arguments give the same key in every process, and others another. Of memoized functions
memoized_keys.cpp makes the very same ones."""

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
            words += [word_of_name(word) + words_of(value) for word, value in sorted(by_name.items())]
    except RecursionError:
        raise Unknown("it is nested too deep, or in itself") from None
    return shortened(f"{name}({','.join(words)})")


def word_of_name(name: str) -> str:
    """What stands before an argument that has a name."""
    return f"{len(name)}:{name}="


def in_key(name: str) -> str:
    """A name as it stands in keys, where the first parenthesis ends it."""
    return name.replace("%", "%25").replace("(", "%28")


def shortened(key: str) -> str:
    """The key itself if it is short and plain: printable ASCII without a space. Else as in a URL, with a % behind it
    that no key of in_key() ends with; and if that is long, a digest of the key behind its name."""
    if len(key) <= LONGEST:
        if key.isprintable() and key.isascii() and " " not in key:
            return key
        escaped = (
            "".join(letter if "!" <= letter <= "~" and letter != "%" else _escaped(letter) for letter in key) + "%"
        )
        if len(escaped) <= LONGEST:
            return escaped
    return before_digest(key.partition("(")[0]) + digest_of(key.encode("utf-8", "surrogatepass"))


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def before_digest(name: str) -> str:
    """What a key of that name begins with in place of itself."""
    return "".join(letter for letter in name if letter.isprintable() and letter != " ")[: LONGEST // 2] + "#"


def digest_of(key: bytes) -> str:
    import hashlib  # not for all who import forklore

    return hashlib.blake2b(key, digest_size=20).hexdigest()


def key_from(name: str, key: Callable[..., Any] | None, positional: tuple[Any, ...], by_name: dict[str, Any]) -> str:
    """The key of a call, by a function of the caller's if there is one: what it answers stands for the arguments."""
    if key is None:
        return key_of_call(name, positional, by_name)
    return key_of_call(name, (key(*positional, **by_name),), {})

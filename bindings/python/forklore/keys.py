"""Keys for calls: the same arguments give the same key in every process."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any

LONGEST = 200  # what is longer becomes a digest: Django warns beyond 250 characters, prefix and version included

_BUILT_IN = (str, bytes, int, float, complex, bool, type(None))
_PLAIN = {  # by name, so that their modules are imported by who uses them
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "decimal.Decimal",
    "fractions.Fraction", "uuid.UUID",
}  # fmt: skip


class Unknown(TypeError):
    """An argument whose value does not say what it is."""


def name_of(thing: Any) -> str:
    """Of a function or class."""
    return f"{thing.__module__}.{thing.__qualname__}"


def own_name(function: Any, name: str | None, decorator: str) -> str:
    """What stands for a function in its keys: the name that was given, else its own. Raises TypeError if it has none
    that is its alone."""
    if name is not None:
        return name
    if not hasattr(function, "__qualname__") or function.__name__ == "<lambda>":
        raise TypeError(f"{function!r} has no name of its own: give {decorator} a name")
    return name_of(function)


def unseen_by(function: Any) -> list[str]:
    """What a function uses that is neither its argument nor of its module: variables of the function around it, and the
    instance that it is bound to."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    found = [] if code is None else [name for name in code.co_freevars if name not in ("__class__", inner.__name__)]
    if inspect.ismethod(inner) and not isinstance(inner.__self__, type):
        found.insert(0, "self")
    return found


def words_of(value: Any) -> str:
    """The value in words, equal for equal values of the same type alone. Raises Unknown for what it cannot tell so."""
    kind = type(value)
    if kind in _BUILT_IN or f"{kind.__module__}.{kind.__qualname__}" in _PLAIN:
        return repr(value)
    if kind in (tuple, list):
        inner = ",".join(words_of(each) for each in value)
        return f"({inner})" if kind is tuple else f"[{inner}]"
    if kind in (set, frozenset):
        return f"{kind.__name__}{{{','.join(sorted(words_of(each) for each in value))}}}"
    if kind is dict:
        return f"{{{','.join(sorted(f'{words_of(name)}:{words_of(each)}' for name, each in value.items()))}}}"
    if isinstance(value, Enum):
        return f"{name_of(kind)}.{value.name}"
    if isinstance(value, type):
        return name_of(value)
    if dataclasses.is_dataclass(value):
        fields = (words_of(getattr(value, field.name)) for field in dataclasses.fields(value))
        return f"{name_of(kind)}({','.join(fields)})"
    if isinstance(value, (str, bytes, int, float)):  # of a class of its own, such as Django's SafeString
        base = next(base for base in (str, bytes, int, float) if isinstance(value, base))
        return f"{name_of(kind)}({base.__repr__(value)})"
    row = getattr(value, "_meta", None)
    if row is not None and getattr(value, "pk", None) is not None:  # a Django model's instance
        return f"{row.label}({value.pk!r})"
    raise Unknown(f"a {name_of(kind)} has no words that are the same in every process")


def key_of_call(name: str, positional: tuple[Any, ...], by_name: dict[str, Any]) -> str:
    """The key of a call of what has that name."""
    words = [words_of(value) for value in positional]
    words += [f"{word}={words_of(value)}" for word, value in sorted(by_name.items())]
    return shortened(f"{name}({','.join(words)})")


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
    said = key(*positional, **by_name)
    return shortened(f"{name}:{said}" if isinstance(said, str) else f"{name}({words_of(said)})")

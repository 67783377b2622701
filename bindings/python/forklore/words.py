"""Values in words: equal for equal values of one type, and for nothing else, in every process. Of the usual types
words.cpp makes the very same ones.

A word begins with a mark of its type and tells where it ends, so that words in a row are never those of other values:

    N T F E         None, True, False, ...
    i5 x1f          int; beyond 64 bits in hexadecimal digits
    f1.5            float: the shortest digits that are it; of a nan its 64 bits
    s3:abc b2:0aff  str and its length, bytes and theirs
    (a,b) [a,b]     tuple, list
    {a:b}           dict, S{a,b} set, Z{a,b} frozenset: in the order of their words
    n8:shop:buy     a class or function, by module and qualified name, which it must be found under
    o9:shop:Item(a,b){a:b}   an object: its class, what it is made of, and the attributes that it has beside
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime
import functools
import struct
import sys
import types
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .names import Unknown, place_of, plain_name

Writer = Callable[[Any], str]


def words_of(value: Any) -> str:
    """The value in words. Raises Unknown for what it cannot tell from others so."""
    kind: Any = type(value)
    return (_WRITERS.get(kind) or _writer_of(kind))(value)


def _int(value: int) -> str:
    return f"i{value}" if -(2**63) <= value < 2**63 else f"x{value:x}"


def _float(value: float) -> str:
    return f"f{value!r}" if value == value else f"fnan{struct.pack('>d', value).hex()}"


def _joined(values: Iterable[Any]) -> str:
    return ",".join([words_of(each) for each in values])


def _sorted(values: Iterable[Any]) -> str:
    return ",".join(sorted([words_of(each) for each in values]))


def _dict(value: dict[Any, Any]) -> str:
    return f"{{{','.join(sorted([f'{words_of(name)}:{words_of(each)}' for name, each in value.items()]))}}}"


def _named(thing: Any) -> str:
    place = place_of(thing)
    return f"n{len(place)}:{place}"


def _object(place: str, content: str, state: dict[str, Any] | None = None) -> str:
    return f"o{len(place)}:{place}({content}){_dict(state) if state else ''}"


_WRITERS: dict[type, Writer] = {
    type(None): lambda _: "N",
    bool: lambda value: "T" if value else "F",
    type(...): lambda _: "E",
    int: _int,
    float: _float,
    str: lambda value: f"s{len(value)}:{value}",
    bytes: lambda value: f"b{len(value)}:{value.hex()}",
    tuple: lambda value: f"({_joined(value)})",
    list: lambda value: f"[{_joined(value)}]",
    set: lambda value: f"S{{{_sorted(value)}}}",
    frozenset: lambda value: f"Z{{{_sorted(value)}}}",
    dict: _dict,
    types.FunctionType: _named,
    types.BuiltinFunctionType: _named,
    type: _named,
    types.MethodType: lambda value: _object("types:MethodType", _joined((value.__func__, value.__self__))),
}

# From which other classes derive: the value of that type that is in one of theirs, whatever they override.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: bytes.join(b"", (value,)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
}


# What objects of other types are made of, their subclasses' too, whatever these override. Called with the type.
Parts = Callable[[Any, Any], Iterable[Any]]
_PARTS: dict[type, Parts] = {
    complex: lambda _, v: (v.real, v.imag),
    bytearray: lambda _, v: (bytes(v),),
    range: lambda _, v: (v.start, v.stop, v.step),
    slice: lambda _, v: (v.start, v.stop, v.step),
    collections.OrderedDict: lambda kind, v: kind.items(v),
    collections.defaultdict: lambda kind, v: (v.default_factory, dict(kind.items(v))),
    collections.deque: lambda kind, v: (v.maxlen, *kind.__iter__(v)),
    datetime.date: lambda kind, v: (kind.isoformat(v),),
    datetime.datetime: lambda kind, v: (kind.isoformat(v), v.fold, v.tzinfo),
    datetime.time: lambda kind, v: (kind.isoformat(v), v.fold, v.tzinfo),
    datetime.timedelta: lambda _, v: (v.days, v.seconds, v.microseconds),
    functools.partial: lambda _, v: (v.func, v.args, v.keywords),
    types.GenericAlias: lambda _, v: (v.__origin__, v.__args__),
    types.UnionType: lambda _, v: v.__args__,
}
# By name, so that only programs that use these modules import them.
_PARTS_BY_NAME: dict[str, Parts] = {
    "decimal.Decimal": lambda kind, v: (kind.__str__(v).upper(),),  # 1.0 and 1.00 are two; upper: whatever the context
    "fractions.Fraction": lambda _, v: (v.numerator, v.denominator),
    "uuid.UUID": lambda _, v: (v.int,),
    "django.contrib.auth.models.AnonymousUser": lambda _, v: (),
}
for _name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"):
    _PARTS_BY_NAME[f"pathlib.{_name}"] = _PARTS_BY_NAME[f"pathlib._local.{_name}"] = lambda _, v: v.parts
for _name in ("IPv4Address", "IPv4Interface", "IPv4Network", "IPv6Address", "IPv6Interface", "IPv6Network"):
    _PARTS_BY_NAME[f"ipaddress.{_name}"] = lambda kind, v: (kind.__str__(v),)


def _content_of(kind: type) -> Writer | None:
    """What tells of an object the part that it has from this class. None if that is not known."""
    plain = _PLAIN.get(kind)
    if plain is not None:
        return lambda value: _WRITERS[kind](plain(value))
    parts = _PARTS.get(kind)
    if parts is None and (parts := _PARTS_BY_NAME.get(plain_name(kind))) is not None:
        place_of(kind)  # and no other of that name
    return None if parts is None else lambda value: _joined(parts(kind, value))


def _slots_in(base: type) -> list[Any]:
    return [each for each in vars(base).values() if type(each) is types.MemberDescriptorType]


def _values_in(slots: list[Any], value: Any) -> dict[Any, Any]:
    """What is in those that are set. By number too: an attribute or another class's slot may have the same name."""
    found = {}
    for number, slot in enumerate(slots):
        with contextlib.suppress(AttributeError):  # not set
            found[number, slot.__name__] = slot.__get__(value)
    return found


def _computed_in(kind: type) -> set[str]:
    """The names of cached properties that equality does not look at: it is the one that dataclass made, of fields. Any
    other may look at all, and such a property can be set by hand."""
    made = getattr(kind.__eq__, "__code__", None)
    if not dataclasses.is_dataclass(kind) or made is None or made.co_filename != "<string>":
        return set()
    properties = {
        name for base in kind.__mro__ for name, each in vars(base).items() if type(each).__name__ == "cached_property"
    }
    return properties - {field.name for field in dataclasses.fields(kind)}


def _object_writer(kind: type) -> Writer:
    """How to tell an object of a class: by the part that it has from a known one, and its other attributes but those
    that are computed of a dataclass's fields. Raises Unknown if it may hold more."""
    content: Writer | None = None
    known: type = object
    slots: list[Any] = []
    for base in kind.__mro__:
        if content is None and (content := _content_of(base)) is not None:
            known = base
        if issubclass(known, base):
            continue
        if not isinstance(base.__dict__.get("__new__", staticmethod(object)), staticmethod):  # written in C
            raise Unknown(f"a {plain_name(kind)} may hold more than can be seen of it")
        slots += _slots_in(base)
    if content is None and not dataclasses.is_dataclass(kind):
        raise Unknown(f"a {plain_name(kind)} has no words that are the same in every process")
    tell = content or (lambda _: "")
    if kind is known:
        begin = _object(f"{kind.__module__}:{kind.__qualname__}", "")[:-1]
        return lambda value: f"{begin}{tell(value)})"
    if kind.__eq__ is object.__eq__:
        raise Unknown(f"a {plain_name(kind)} is equal to itself alone")
    computed = _computed_in(kind)

    def write(value: Any) -> str:
        try:
            state = object.__getattribute__(value, "__dict__")
        except AttributeError:  # it has slots alone
            state = {}
        if slots or computed:
            state = {name: each for name, each in state.items() if name not in computed}
            state.update(_values_in(slots, value))
        return _object(place_of(kind), tell(value), state)

    return write


def _member(value: Enum) -> str:
    """By name. A flag of several may have none: by value."""
    name = value._name_
    named = name is not None and type(value)._member_map_.get(name) is value
    return _object(place_of(type(value)), words_of(name) if named else f"N,{words_of(value._value_)}")


def _typing(value: Any) -> str:
    """list[int] and its like of typing; List, Any and type variables are what is found under their names."""
    if not hasattr(value, "__args__"):
        return _named(value)
    parts = (value.__origin__, value.__args__, getattr(value, "__metadata__", None))
    return _object(f"typing:{type(value).__name__}", _joined(parts))


def _zone(value: Any) -> str:
    """A time zone: as pickle would make it again, and its slots, which Python 3.10 leaves out there."""
    if value is datetime.timezone.utc:
        return _UTC
    try:
        made = value.__reduce_ex__(4)
    except Exception as why:  # such as of a ZoneInfo from a file, which has no name
        raise Unknown(f"a {plain_name(type(value))} cannot be told: {why}") from None
    if isinstance(made, str):  # the name of a global
        raise Unknown(f"a {plain_name(type(value))} is made again by its name alone")
    slots = [slot for base in type(value).__mro__ if "__slots__" in vars(base) for slot in _slots_in(base)]
    content = _joined(made[:3])  # by what, of what arguments, with what state
    return _object("datetime:tzinfo", content, _values_in(slots, value))


def _row(value: Any) -> str:
    """A saved instance of a Django model, by its database and primary key."""
    if value.pk is None or value._state.adding or value._state.db is None:
        raise Unknown(f"a {plain_name(type(value))} that is not saved is equal to itself alone")
    return _object(place_of(type(value)), _joined((value._state.db, value.pk)))


def _lazy(value: Any) -> str:
    """As request.user is: what it stands for."""
    if value._wrapped is sys.modules["django.utils.functional"].empty:  # type: ignore[attr-defined]
        value._setup()
    return words_of(value._wrapped)


def _is_a(kind: type, module: str, name: str) -> bool:
    """Whether it derives from that class. If that is not imported, nothing does."""
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and issubclass(kind, base)


def _find_writer(kind: type) -> Writer:
    if issubclass(kind, (type, types.BuiltinFunctionType)):
        return _named
    if issubclass(kind, Enum):
        return _member
    if kind.__module__ == "typing":
        return _typing
    if issubclass(kind, datetime.tzinfo):
        return _zone
    if _is_a(kind, "django.db.models", "Model"):
        return _row
    if _is_a(kind, "django.utils.functional", "LazyObject"):
        return _lazy
    return _object_writer(kind)


_writer_of: Callable[[Any], Writer] = functools.lru_cache(maxsize=1024)(_find_writer)
_UTC = _object("datetime:tzinfo", _joined(datetime.timezone.utc.__reduce_ex__(4)[:3]))  # the usual one

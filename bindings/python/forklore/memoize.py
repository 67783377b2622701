"""memoize: a function's results, shared by all processes and computed by one of them at a time."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from ._core import DEFAULT, Cache, Memoized
from .keys import before_digest, in_key, key_of_call, word_of_name
from .names import Unknown, own_name, plain_name, unseen_by
from .targets import HOW, CacheTarget, Target, target_of
from .words import words_of

P = ParamSpec("P")
R = TypeVar("R")


class _Behind:
    """What Memoized leaves to Python: keys of rare calls, the words of errors, and where the results lie if that is not
    a forklore.Cache."""

    def __init__(
        self, function: Callable[..., Any], target: Target, key: Callable[..., Any] | None, name: str, said: str
    ) -> None:
        self._key, self._name, self.said = key, in_key(name), said  # in keys, and for people
        self._signature = inspect.signature(function)
        plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._has_others = any(each.kind not in plain for each in self._signature.parameters.values())
        self.compute, self.acompute, self.delete = target.compute, target.acompute, target.delete

    def parameters(self) -> tuple[Any, ...]:
        """The parameters, in the format that Memoized takes."""
        every = self._signature.parameters.values()
        alone = [each for each in every if each.kind is each.POSITIONAL_ONLY]
        by_position = alone + [each for each in every if each.kind is each.POSITIONAL_OR_KEYWORD]
        by_name = sorted((each for each in every if each.kind is each.KEYWORD_ONLY), key=lambda each: each.name)
        kept = [*by_position, *by_name]
        names, defaults = tuple(sys.intern(each.name) for each in kept), tuple(each.default for each in kept)
        more = any(each.kind is each.VAR_POSITIONAL for each in every)
        words = tuple(word_of_name(each.name) for each in by_name)
        return names, defaults, inspect.Parameter.empty, len(by_position), len(alone), more, words

    def beginnings(self) -> tuple[bytes, bytes]:
        """Of its keys, and of those with a digest."""
        return f"{self._name}(".encode("utf-8", "surrogatepass"), before_digest(self._name).encode()

    def key(self, *args: Any, **kwargs: Any) -> str:
        """The key of a call, made here. TypeError for arguments that cannot be told, or do not fit; of too many by
        position the function itself says it better."""
        all_by_position = not kwargs and not self._has_others
        if not all_by_position or len(args) < len(self._signature.parameters):
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        try:
            return key_of_call(self._name, args, kwargs)
        except Unknown as why:
            blamed = self._to_blame(self._signature.bind(*args, **kwargs).arguments)
            raise TypeError(f"{self.said}(): argument {blamed}: {why}; give memoize a key") from None

    def key_of(self, answer: Any) -> str:
        """The key of a call for which the caller's function answered that."""
        try:
            return key_of_call(self._name, (answer,), {})
        except Unknown as why:
            raise TypeError(f"{self.said}(): what key answered: {why}; give memoize another key") from None

    def _to_blame(self, arguments: dict[str, Any]) -> str:
        """The first argument that cannot be told, by its name and type."""
        for name, value in arguments.items():
            kind = self._signature.parameters[name].kind
            each = {name: value}
            if kind is inspect.Parameter.VAR_POSITIONAL:
                each = {f"{name}[{index}]": item for index, item in enumerate(value)}
            elif kind is inspect.Parameter.VAR_KEYWORD:
                each = value
            for said, item in each.items():
                try:
                    words_of(item)
                except (Unknown, RecursionError):
                    return f"{said!r} ({plain_name(type(item))})"
        raise AssertionError("all of them can be told")

    def bound(self, memoized: Memoized[..., Any], instance: Any) -> BoundMemoized:
        return BoundMemoized(memoized, instance)


class MemoizedCoroutine(Memoized[P, R]):
    """The same of a coroutine function."""

    _behind: _Behind
    __wrapped__: Callable[P, Any]

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        key = self.cache_key(*args, **kwargs)
        function: Callable[[], Any] = functools.partial(self.__wrapped__, *args, **kwargs)
        return await self._behind.acompute(key, function)


class BoundMemoized:
    """A memoized method of one instance, which is the first argument of all that it does."""

    def __init__(self, memoized: Memoized[..., Any], instance: Any) -> None:
        self.__func__, self.__self__ = memoized, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def cache_key(self, *args: Any, **kwargs: Any) -> str:
        return self.__func__.cache_key(self.__self__, *args, **kwargs)

    def forget(self, *args: Any, **kwargs: Any) -> bool:
        return self.__func__.forget(self.__self__, *args, **kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoundMemoized):
            return NotImplemented
        return self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.__self__, self.__name__)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    def __getattr__(self, name: str) -> Any:
        """Its name, its module, whether it is a coroutine function: as of the function."""
        if name == "__func__":  # of one that is not made yet, as unpickling asks for
            raise AttributeError(name)
        return getattr(self.__func__, name)


def _memoized(
    function: Callable[P, R], target: Target, key: Callable[..., Any] | None, name: str, said: str
) -> Memoized[P, R]:
    behind = _Behind(function, target, key, name, said)
    is_coroutine = inspect.iscoroutinefunction(function)
    kind: Any = MemoizedCoroutine if is_coroutine else Memoized
    where = target.native() if isinstance(target, CacheTarget) else None
    made = kind(function, behind, *behind.beginnings(), key, *(where or (None,) * (2 + len(HOW))), *behind.parameters())
    functools.update_wrapper(made, function)
    if is_coroutine:
        made._behind = behind
        _mark_coroutine(made)
    return made


def _mark_coroutine(wrapper: Any) -> None:
    """For who asks whether it is to be awaited: inspect since 3.12, asgiref and so Django always."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(wrapper)
    else:
        import asyncio.coroutines

        wrapper._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


@overload
def memoize(ttl: Callable[P, R], /) -> Memoized[P, R]: ...
@overload
def memoize(
    ttl: Any = DEFAULT,
    stale_for: Any = None,
    key: Callable[..., Any] | None = None,
    *,
    early: float | None = None,
    stale_if_error: bool | None = None,
    error_ttl: Any = None,
    compute_timeout: Any = None,
    refresh: str | None = None,
    cache: Cache | Mapping[str, Any] | str = "default",
    name: str | None = None,
) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...
def memoize(
    ttl: Any = DEFAULT,
    stale_for: Any = None,
    key: Callable[..., Any] | None = None,
    *,
    early: float | None = None,
    stale_if_error: bool | None = None,
    error_ttl: Any = None,
    compute_timeout: Any = None,
    refresh: str | None = None,
    cache: Cache | Mapping[str, Any] | str = "default",
    name: str | None = None,
) -> Any:
    """Decorates a function, method or coroutine function: its results are shared by all processes, and for each
    arguments one of them computes at a time, as Cache.get_or_compute has it.

    ttl, stale_for, early, stale_if_error, error_ttl, compute_timeout, refresh: as of Cache.get_or_compute. A result of
        None is kept like any other.
    key: a function of the same arguments; what it answers stands for them. Without it they must be of types that can be
        told. These are numbers, str, bytes, dates, UUID, Decimal, paths, enums, dataclasses, classes and functions of
        modules, saved instances of Django models and request.user. Tuples, lists, sets and dicts of these can be told
        too (docs/python.md names all). TypeError for others, which names the argument. Arguments that are unequal, or
        of different type, never share a result. Of a method, self is the first of them.
    cache: a forklore.Cache; a dict of the arguments of one, which the first call opens; or an alias of Django's
        CACHES. An alias of another backend works, without the single flight.
    name: stands for the function in the key; its module and qualified name unless given, and of a function of a script
        the script's file. Change it when what the function answers changes its meaning. A lambda, a partial, and a
        function of no file (-c, stdin, exec, manage.py shell) need one; TypeError if they have none.

    A function that uses variables of the function around it may answer otherwise each time that one is called, and its
    key would be the same: TypeError, unless a key or a name is given.

    The decorated function has cache_key(*args) and forget(*args), the method of an instance too.
    """
    if callable(ttl) and not isinstance(ttl, type):  # @memoize without parentheses
        return memoize()(ttl)

    def decorate(function: Callable[P, R]) -> Memoized[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{plain_name(function)} is a generator: what it yields can be had once, so it cannot be kept"
            )
        if isinstance(function, (staticmethod, classmethod)):
            raise TypeError(f"put memoize below @{type(function).__name__}")
        unseen = unseen_by(function) if name is None and key is None else ()
        if unseen:
            raise TypeError(f"{plain_name(function)} uses {', '.join(unseen)} from around it, which its key does not "
                            "tell; make it an argument, or give memoize a key or a name")  # fmt: skip
        named = own_name(function, name, "memoize")
        return _memoized(function, target, key, named, name or plain_name(function))

    if key is not None and not callable(key):
        raise TypeError(f"key is a function of the same arguments, not {type(key).__name__}")
    target = target_of(cache, ttl, stale_for=stale_for, early=early, stale_if_error=stale_if_error,
                       error_ttl=error_ttl, compute_timeout=compute_timeout, refresh=refresh)  # fmt: skip
    return decorate

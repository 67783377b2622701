"""memoize: a function's results, shared by all processes and computed by one of them at a time."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ._core import DEFAULT, Cache
from .keys import in_key, key_from
from .names import Unknown, own_name, plain_name, unseen_by
from .targets import Target, target_of
from .words import words_of

P = ParamSpec("P")
R = TypeVar("R")


class Memoized(Generic[P, R]):
    """What memoize makes of a function: called like it, and answers what one call of it answered."""

    def __init__(
        self, function: Callable[P, R], target: Target, key: Callable[..., Any] | None, name: str, said: str
    ) -> None:
        functools.update_wrapper(self, function)
        self._function, self._target, self._key = function, target, key
        self._name, self._said = in_key(name), said  # in keys, and for people
        self._signature = inspect.signature(function)
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        self._all_by_position = kinds <= {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        if inspect.iscoroutinefunction(function):
            _mark_coroutine(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        key = self.cache_key(*args, **kwargs)
        return self._target.compute(key, functools.partial(self._function, *args, **kwargs))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else BoundMemoized(self, instance)

    def __reduce__(self) -> str:
        """By its name, as functions are pickled. A copy is the same object."""
        return self.__qualname__  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<memoized {self._said}>"

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key under which the result for these arguments lies."""
        if self._key is None and (kwargs or not self._all_by_position or len(args) < len(self._signature.parameters)):
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs  # type: ignore[assignment]
        try:
            return key_from(self._name, self._key, args, kwargs)
        except Unknown as why:
            if self._key is not None:
                raise TypeError(f"{self._said}(): what key answered: {why}; give memoize another key") from None
            blamed = self._to_blame(self._signature.bind(*args, **kwargs))
            raise TypeError(f"{self._said}(): argument {blamed}: {why}; give memoize a key") from None

    def _to_blame(self, bound: inspect.BoundArguments) -> str:
        """The first argument that cannot be told, by its name and type."""
        for name, value in bound.arguments.items():
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

    def forget(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Removes the result for these arguments; what is being computed of it now will not be stored. False: there was
        none."""
        return self._target.delete(self.cache_key(*args, **kwargs))


class MemoizedCoroutine(Memoized[P, R]):
    """The same of a coroutine function."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        key = self.cache_key(*args, **kwargs)
        function: Callable[[], Any] = functools.partial(self._function, *args, **kwargs)
        return await self._target.acompute(key, function)


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
    cache: Cache | str = "default",
    name: str | None = None,
) -> Callable[[Callable[P, R]], Memoized[P, R]]: ...
def memoize(
    ttl: Any = DEFAULT,
    stale_for: Any = None,
    key: Callable[..., Any] | None = None,
    *,
    early: float | None = None,
    cache: Cache | str = "default",
    name: str | None = None,
) -> Any:
    """Decorates a function, method or coroutine function: its results are shared by all processes, and for each
    arguments one of them computes at a time, as Cache.get_or_compute has it.

    ttl, stale_for, early: as of Cache.get_or_compute. A result of None is kept like any other.
    key: a function of the same arguments; what it answers stands for them. Without it they must be of types that can be
        told: numbers, str, bytes, dates, UUID, Decimal, paths, enums, dataclasses, classes and functions of modules,
        saved instances of Django models, request.user, and tuples, lists, sets and dicts of these (docs/python.md names
        all). TypeError for others, which names the argument. Arguments that are unequal, or of different type, never
        share a result. Of a method, self is the first of them.
    cache: a forklore.Cache, or an alias of Django's CACHES. An alias of another backend works, without the single
    flight.
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
        kind = MemoizedCoroutine if inspect.iscoroutinefunction(function) else Memoized
        return kind(function, target, key, named, name or plain_name(function))

    if key is not None and not callable(key):
        raise TypeError(f"key is a function of the same arguments, not {type(key).__name__}")
    target = target_of(cache, ttl, stale_for, early)
    return decorate

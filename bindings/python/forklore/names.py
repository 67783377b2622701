"""What functions and classes are called in keys: alike in every process, and each its own."""

from __future__ import annotations

import inspect
import os
import sys
import types
from typing import Any

MAINS = ("__main__", "__mp_main__")  # the second: as multiprocessing imports the first into what it spawns
SHELL = "django.core.management.commands.shell"  # what is typed into it says that it is of this module


class Unknown(TypeError):
    """What cannot be told from others by words that are the same in every process."""


def _codes_of(function: Any) -> list[types.CodeType]:
    """Of the function, and of those that it wraps."""
    codes = []
    while function is not None:
        if hasattr(function, "__code__"):
            codes.append(function.__code__)
        function = getattr(function, "__wrapped__", None)
    return codes


def _is_of_file(path: str) -> bool:
    """Whether code with this file name was read from a file: not <string>, <stdin> or <console>."""
    return not path.startswith("<") or path.startswith("<frozen ")


def module_of(thing: Any) -> str:
    """The module of a function or class. Its file stands for a module that was run, not imported: every script is
    __main__, and what runpy.run_path runs is <run_path>. Raises Unknown if there is no file."""
    module = thing.__module__
    loaded = sys.modules.get(module)
    codes = _codes_of(thing)
    from_files = module != SHELL and all(_is_of_file(code.co_filename) for code in codes)
    if from_files and isinstance(module, str) and module not in MAINS:
        imported = getattr(getattr(loaded, "__spec__", None), "name", None) == module
        if imported or (not codes and not hasattr(loaded, "__file__")):  # or made by C, as some modules in modules
            return module
    around = getattr(inspect.unwrap(thing), "__globals__", None) or getattr(loaded, "__dict__", {})
    path = around.get("__file__") or (codes[-1].co_filename if codes else None)
    if path is None or not from_files or not _is_of_file(path):
        name = f"{module}.{thing.__qualname__}"
        raise Unknown(f"{name} is of no file, but of -c, stdin, exec or an interactive session")
    return os.path.realpath(path)


def plain_name(thing: Any) -> str:
    """Of a function or class, for people. Others may have the same."""
    return f"{thing.__module__}.{getattr(thing, '__qualname__', None) or thing.__name__}"


_places: dict[int, tuple[Any, str]] = {}  # by id: of what is found there
_found_at: dict[str, int] = {}


def place_of(thing: Any) -> str:
    """module:qualified.name of a function or class. Raises Unknown unless it is what is found there."""
    known = _places.get(id(thing))
    if known is not None:
        return known[1]
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    if module is None and isinstance(owner := getattr(thing, "__self__", None), type):  # dict.fromkeys, written in C
        return f"{place_of(owner)}.{thing.__name__}"
    if not isinstance(module, str) or not isinstance(name, str):
        raise Unknown(f"a {plain_name(type(thing))} has no name to be found under")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if type(found) is types.MethodType:
        found = found.__func__
    if found is not thing and not (module == "builtins" and getattr(types, name, None) is thing):
        raise Unknown(f"{module}.{name} is not what is found under that name")
    place = f"{module_of(thing)}:{name}"
    _places.pop(_found_at.get(place, 0), None)  # what was found there before
    _places[id(thing)], _found_at[place] = (thing, place), id(thing)
    return place


_owners: dict[tuple[str, str], tuple[Any, Any]] = {}  # of names in this process, for each decorator


def _is_its_own(name: str, decorator: str, function: Any) -> bool:
    """Whether no other function has the name; then it has it from now on. It is the same one if all its code is. What
    was defined before its module was loaded again counts no more."""
    made_of = _codes_of(function) or function
    loading = getattr(inspect.unwrap(function), "__globals__", {}).get("__spec__")
    owner = _owners.get((decorator, name))
    if owner is None or owner[1] is not loading:
        _owners[decorator, name] = owner = made_of, loading
    return owner[0] == made_of


def own_name(function: Any, name: str | None, decorator: str) -> str:
    """What stands for a function in its keys: the name that was given, else its module and its own; its line too if
    others have that, or may. Raises TypeError if it has none that is its alone."""
    if name is not None:
        return name
    if not hasattr(function, "__qualname__") or function.__name__ == "<lambda>":
        raise TypeError(f"{function!r} has no name of its own: give {decorator} a name")
    inner = inspect.unwrap(function)
    try:
        if inspect.ismethod(inner) and isinstance(inner.__self__, type):  # a class method, which knows its class
            said = f"{place_of(inner.__self__)}.{function.__name__}"
        else:
            said = f"{module_of(function)}:{function.__qualname__}"
    except Unknown as why:
        raise TypeError(f"{plain_name(function)} has no name of its own: {why}; give {decorator} a name") from None
    if "<locals>" not in said and _is_its_own(said, decorator, function):
        return said
    said += "@" + ".".join(str(code.co_firstlineno) for code in _codes_of(function))
    if not _is_its_own(said, decorator, function):
        raise TypeError(f"another function has the name {said}: give {decorator} a name")
    return said


def unseen_by(function: Any) -> list[str]:
    """What a function uses that is neither its argument nor of its module: variables of the function around it, and the
    instance that it is bound to."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    found = [] if code is None else [name for name in code.co_freevars if name not in ("__class__", inner.__name__)]
    if inspect.ismethod(inner) and not isinstance(inner.__self__, type):
        found.insert(0, "self")
    return found

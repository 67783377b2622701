"""Writes docstrings.hpp: the docstrings and signatures of a stub as the native module gives them to help() and inspect.

usage: docstrings.py _core.pyi docstrings.hpp

So the stub is the one place for both. Cache.get_many becomes docs::kGetMany, the class itself docs::kCache with the
parameters and the text of its __init__. A default that the stub leaves out (...) is forklore.DEFAULT.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

Function = ast.FunctionDef
MODULE = "$module"
MOST = 16_000  # of one literal, which C++ compilers take as it is


def constant(name: str) -> str:
    return "k" + "".join(part[0].upper() + part[1:] for part in name.strip("_").split("_"))


def documentation(node: Function | ast.ClassDef) -> str:
    return inspect.cleandoc(ast.get_docstring(node, clean=False) or "")


def documented(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef | Function) and bool(documentation(node))


class Stub:
    def __init__(self, path: str) -> None:
        self.source = Path(path).read_text()
        self.tree = ast.parse(self.source)

    def default(self, node: ast.expr) -> str:
        is_left_out = isinstance(node, ast.Constant) and node.value is ...
        return "forklore.DEFAULT" if is_left_out else ast.get_source_segment(self.source, node) or ""

    def signature(self, function: Function, name: str, own: str) -> str:
        """As CPython's __text_signature__ wants it; own stands for self, the type or the module, "" where a class is
        called."""
        given = function.args
        positional = [*given.posonlyargs, *given.args]
        defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
        words = [arg.arg if value is None else f"{arg.arg}={self.default(value)}"
                 for arg, value in zip(positional, defaults, strict=True)]  # fmt: skip
        words[: 0 if own == MODULE else 1] = [own] if own else []
        if given.posonlyargs or own:
            words.insert(max(len(given.posonlyargs) + (own == MODULE), 1), "/")
        if given.kwonlyargs:
            words.append("*")
            words += [arg.arg if value is None else f"{arg.arg}={self.default(value)}"
                      for arg, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)]  # fmt: skip
        return f"{name}({', '.join(words)})\n--\n\n"

    def of_cache(self, cache: ast.ClassDef) -> Iterator[tuple[str, str]]:
        overloads: dict[str, list[Function]] = {}
        for node in cache.body:
            if isinstance(node, Function):
                overloads.setdefault(node.name, []).append(node)
        [opening] = overloads.pop("__init__")
        yield cache.name, f"{self.signature(opening, cache.name, '')}{documentation(cache)}\n\n{documentation(opening)}"
        for name, methods in overloads.items():
            # Of overloads the first has the default, the last the text.
            decorators = [node.id for node in methods[0].decorator_list if isinstance(node, ast.Name)]
            own = "$type" if "classmethod" in decorators else "$self"
            signature = "" if "property" in decorators else self.signature(methods[0], name, own)
            yield name, signature + documentation(methods[-1])

    def all(self) -> Iterator[tuple[str, str]]:
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == "Cache":
                yield from self.of_cache(node)
            elif isinstance(node, ast.ClassDef) and node.name == "Memoized":
                yield from ((each.name, documentation(each)) for each in (node, *node.body) if documented(each))
            elif isinstance(node, Function) and not node.args.vararg:
                yield node.name, self.signature(node, node.name, MODULE) + documentation(node)
            elif isinstance(node, ast.ClassDef | Function):
                yield node.name, documentation(node)


def main() -> None:
    stub, header = sys.argv[1:]
    lines = ["// Written by docstrings.py.", "#pragma once", "", "namespace forklore::python::docs {"]
    for name, text in Stub(stub).all():
        assert len(text) < MOST, name
        lines.append(f'inline constexpr const char* {constant(name)} = R"doc({text})doc";')
    Path(header).write_text("\n".join([*lines, "}  // namespace forklore::python::docs", ""]))


if __name__ == "__main__":
    main()

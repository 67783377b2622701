"""One list of options and one of counts. What cannot be made of a list is held to it here: each test says which place
lacks which line.

The lists: FORKLORE_OPTIONS (option.hpp), the arguments of forklore.Cache (argument_list.hpp), the settings that Django
has beside them (policy.py), and FORKLORE_COUNTS (counts.hpp).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle
import re
from pathlib import Path

import pytest

import forklore
from forklore import _core, stats

ROOT = Path(__file__).resolve().parent.parent.parent
STUB = ROOT / "bindings/python/forklore/_core.pyi"
HANDLE_AND_SEGMENT = ("FORKLORE_OF_HANDLE", "FORKLORE_OF_SEGMENT")


def text_of(path: str) -> str:
    return (ROOT / path).read_text()


def macro(path: str, name: str) -> list[str]:
    """The first words of the lines of a list."""
    found = re.search(rf"#define {name}\(X\)((?:.*\\\n)*.*\n)", text_of(path))
    assert found is not None, f"{path}: there is no {name}"
    return re.findall(r"X\((\w+)", found[1])


def body_of(path: str, struct: str) -> str:
    found = re.search(rf"struct (?:\w+\([^)]*\) )?{struct} \{{\n(.*?)^\}};", text_of(path), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{path}: there is no struct {struct}"
    return found[1]


def same(place: str, has: list[str], wanted: list[str]) -> None:
    lacks, too_many = [x for x in wanted if x not in has], [x for x in has if x not in wanted]
    assert not lacks, f"{place} lacks {', '.join(lacks)}"
    assert not too_many, f"{place} has {', '.join(too_many)}, which the list lacks"


def method_of_stub(name: str) -> ast.FunctionDef:
    [cache] = [x for x in ast.parse(STUB.read_text()).body if isinstance(x, ast.ClassDef) and x.name == "Cache"]
    [method] = [x for x in cache.body if isinstance(x, ast.FunctionDef) and x.name == name]
    return method


def parameters(function: ast.FunctionDef) -> list[str]:
    return [x.arg for x in (*function.args.args[1:], *function.args.kwonlyargs)]


# Options


def test_the_list_of_options_is_the_fields_of_options() -> None:
    body = re.sub(r"//.*", "", body_of("include/forklore/options.hpp", "Options"))
    fields = [re.search(r"(\w+)\s*(?:=|\{|$)", x.strip())[1] for x in body.split(";") if x.strip()]  # type: ignore[index]
    options = macro("include/forklore/option.hpp", "FORKLORE_OPTIONS")
    same("struct Options", fields, options)
    assert fields == options, "FORKLORE_OPTIONS has another order than struct Options"


def test_python_has_every_option() -> None:
    named = [x.removesuffix("_bytes") for x in macro("include/forklore/option.hpp", "FORKLORE_OPTIONS")]
    lacks = [x for x in named if x not in _core._OPTIONS]
    assert not lacks, f"the lists of arguments in argument_list.hpp lack {', '.join(lacks)}"


def test_signatures_and_the_stub_have_every_argument() -> None:
    opening, attaching = method_of_stub("__init__"), method_of_stub("attach")
    of_handle = macro("bindings/python/argument_list.hpp", "FORKLORE_OF_HANDLE")
    same("Cache.__init__ in _core.pyi", parameters(opening), list(_core._OPTIONS))
    same("Cache.attach in _core.pyi", parameters(attaching), ["name", *of_handle])
    same("inspect.signature(Cache)", list(inspect.signature(forklore.Cache).parameters), list(_core._OPTIONS))
    says = ast.get_docstring(opening) or ""
    untold = [x for x in _core._OPTIONS if not re.search(rf"^{x}: |`{x}`", says, re.MULTILINE)]
    assert not untold, f"the docstring of Cache.__init__ in _core.pyi does not say what is {', '.join(untold)}"


def test_a_pickle_has_every_argument_of_a_handle(name: str) -> None:
    with forklore.Cache(name, "1MB") as cache:
        arguments = cache.__reduce__()[1][2]
        same("the pickle of a Cache", list(arguments), macro("bindings/python/argument_list.hpp", "FORKLORE_OF_HANDLE"))
        assert pickle.loads(pickle.dumps(cache)).name == name


def test_each_argument_is_named_where_its_type_is_wrong(name: str) -> None:
    for option in _core._OPTIONS:
        if option in ("path", "read_only"):
            continue  # os.fspath says what a path may be, and every object is true or false
        with pytest.raises((forklore.OpenError, TypeError)) as caught:
            forklore.Cache(**{"name": name, option: object()})
        parts = caught.value._parts
        assert any(part[0] == option for part in parts if isinstance(part, tuple)), (option, parts)
        assert str(caught.value).removeprefix("[Errno 22] ").startswith(option)


def test_django_has_every_option() -> None:
    pytest.importorskip("django")
    from forklore.django import ForkloreCache, handles, policy

    same("OPTIONS of Django, or ELSEWHERE in handles.py", [*(x.lower() for x in handles.OPTIONS), *handles.ELSEWHERE],
         list(_core._OPTIONS))  # fmt: skip
    known = [*handles.OPTIONS, *policy.NAMES]
    options = text_of("docs/django.md").split("\n## Options\n")[1]
    same("the tables of options in docs/django.md", re.findall(r"^\| ([A-Z][A-Z_]+) \|", options, re.MULTILINE), known)
    settings = (ForkloreCache.__doc__ or "").split("Where Django leaves room")[0]
    untold = [x for x in known if not re.search(rf"\b{x}\b", settings)]
    assert not untold, f"the docstring of ForkloreCache does not name {', '.join(untold)}"


# Counts


def test_the_segment_counts_what_the_list_says() -> None:
    layout = "src/store/layout.hpp"
    words = re.findall(r"\bWord (\w+)", body_of(layout, "CounterLine"))
    same("CounterLine", [x for x in words if x != "owner"], names("FORKLORE_CALL_COUNTS"))
    counting = body_of(layout, "StripeHeader").split("Counts of the stripe's work")[1]
    same("StripeHeader", re.findall(r"\bWord (\w+)", counting),
         names("FORKLORE_WORK_COUNTS") + names("FORKLORE_LEASE_COUNTS"))  # fmt: skip


def names(list_: str) -> list[str]:
    found = re.search(rf"#define {list_}\(X\)((?:.*\\\n)*.*\n)", text_of("include/forklore/counts.hpp"))
    assert found is not None
    return re.findall(r"X\([\w:<>]+, (\w+),", found[1])


def test_the_python_record_has_every_count_with_its_words() -> None:
    same("forklore.Stats", [x.name for x in dataclasses.fields(forklore.Stats)], [x.name for x in stats.COUNTS])
    [record] = [x for x in ast.parse(text_of("bindings/python/forklore/stats.py")).body
                if isinstance(x, ast.ClassDef) and x.name == "Stats"]  # fmt: skip
    told = {
        field.target.id: (ast.unparse(field.annotation), says.value.value)
        for field, says in zip(record.body, record.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(says, ast.Expr) and isinstance(says.value, ast.Constant)
    }  # fmt: skip
    types = {"counter": "int", "gauge": "int", "word": "str", "list": "tuple[int, ...]"}
    for count in stats.COUNTS:
        assert told.get(count.name) == (types[count.kind], count.help), f"stats.py says otherwise of {count.name}"
        assert f"{count.name}: {count.help}" in (forklore.Stats.__doc__ or "")


def test_the_page_has_every_count() -> None:
    table = text_of("docs/python.md").split("\n## Counts\n")[1].split("\n## ")[0]
    rows = [f"| {x.name} | {x.kind} | {x.unit} | {x.help} |" for x in stats.COUNTS]
    same("the table of counts in docs/python.md", re.findall(r"^\| [a-z]\w+ \|.*\|$", table, re.MULTILINE)[1:], rows)


def test_a_count_says_what_it_is() -> None:
    for count in stats.COUNTS:
        assert count.kind in ("counter", "gauge", "word", "list")
        assert re.fullmatch(r"[A-Z].*\.", count.help), count.name
        assert bool(count.unit) == (count.kind != "word"), count.name
        assert re.fullmatch(r"[a-z][a-z_]*", count.name), count.name


# The errors that name options


def test_an_error_is_data(name: str, tmp_path: Path) -> None:
    with pytest.raises(forklore.OpenError) as caught:
        forklore.Cache(name, "64TB")
    error = caught.value
    assert (error.option, error.bound, error.path) == ("capacity", "128 KiB to 16 GiB", None)
    assert error.remedy == "leave it out to take what is there"
    missing = tmp_path / "none" / "x"
    with pytest.raises(forklore.OpenError) as caught:
        forklore.Cache(name, place="file", path=missing)
    error = caught.value
    assert (error.option, error.bound, error.remedy, error.path) == ("path", None, "make it first", str(missing))
    assert error.filename is None
    for again in (pickle.loads(pickle.dumps(error)), error.with_traceback(None)):
        assert (again.option, again.remedy, again.path, str(again)) == (
            "path",
            "make it first",
            str(missing),
            str(error),
        )
    own = forklore.OpenError(5, "made by hand")
    assert (own.option, own.bound, own.remedy, own.path) == (None, None, None, None)


def test_django_says_it_in_the_words_of_settings(name: str) -> None:
    pytest.importorskip("django")
    from forklore.django.handles import in_settings_words

    def says(**arguments: object) -> str:
        with pytest.raises((forklore.OpenError, TypeError)) as caught:
            forklore.Cache(**{"name": name, **arguments})  # type: ignore[arg-type]
        return in_settings_words(caught.value)

    assert says(name="a b").startswith("LOCATION must be 1 to 128 characters")
    assert (
        says(place="file")
        == 'PATH: PLACE "file" needs it; give PATH the absolute path of a file on a local file system'
    )
    assert says(capacity="1MB", when_full="reject", max_value="1MB").startswith(
        'MAX_VALUE: 1 MiB does not fit a CAPACITY of 1 MiB with WHEN_FULL "reject", where at most '
    )
    assert says(stripes="8") == "STRIPES is an int, not str"
    # A value keeps its own words, whatever they are.
    assert says(name="capacity max_value").endswith('not "capacity max_value"')
    with forklore.Cache(name, "1MB", mode=0o660) as cache:
        cache.set("capacity", "max_value")
        assert says(mode=0o600).endswith("its mode is 0660, and 0600 does not allow that; give MODE 0o660, or chmod it")
        with pytest.raises(forklore.TooLarge) as caught:
            cache.set("stripes", b"x" * (1 << 20))
        assert re.fullmatch(r"\d+ bytes under 'stripes': this segment takes values of up to \d+; MAX_VALUE raises it",
                            in_settings_words(caught.value))  # fmt: skip
    assert in_settings_words(ValueError("capacity")) == "capacity"

"""How Django's own types lie in the cache: SafeString as its text, everything else as the serializer has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.template import engines
from django.utils import translation
from django.utils.functional import lazy
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

import forklore

from .django_site import configured

TEXTS = [
    "",
    "a",
    "<b>",
    "<p>text</p>" * 20,
    "<p>é</p>" * 9,
    "<p>жук</p>" * 9,
    "a" * 99 + "ж",
    "\U0001f600" * 5,
    "\udcff",
]

BY_PLAIN_CACHE = """
import sys
import forklore
with forklore.Cache.attach(sys.argv[1], serializer=sys.argv[2]) as cache:
    value = cache.get(":1:k")
assert "django" not in sys.modules
assert type(value) is str, type(value)
assert value == "<p>text</p>" * 20, value
"""


@pytest.fixture
def backend(name: str) -> Iterator[Any]:
    with configured(name, TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}]):
        yield caches["default"]


@pytest.mark.parametrize("text", TEXTS)
def test_safe_strings_come_back_safe(backend: Any, text: str) -> None:
    value = mark_safe(text)
    backend.set("k", value)
    for read in (
        backend.get("k"),
        backend.get_many(["k"])["k"],
        backend.get_or_set("k", None),
        backend.handle.get(":1:k"),
    ):
        assert type(read) is SafeString
        assert read == text
        assert hash(read) == hash(text)
        assert type(read + value) is SafeString
        assert type(read + "&") is str
        assert type(read.upper()) is str
        assert read.__html__() is read
    assert not isinstance(backend.get("k").encode("utf-8", "surrogatepass"), SafeString)


def test_no_serializer_is_asked(name: str) -> None:
    with configured(name, {"SERIALIZER": "none"}):
        caches["default"].set("k", mark_safe("<b>"))
        assert type(caches["default"].get("k")) is SafeString


def test_a_subclass_of_safe_string_is_pickled(backend: Any) -> None:
    backend.set("k", Own("<b>"))
    assert type(backend.get("k")) is Own


class Own(SafeString):
    pass


@pytest.mark.parametrize("serializer", ["pickle", "json", "none"])
def test_who_has_no_django_reads_a_str(name: str, backend: Any, serializer: str) -> None:
    backend.set("k", mark_safe("<p>text</p>" * 20))
    done = subprocess.run(
        [sys.executable, "-c", BY_PLAIN_CACHE, name, serializer], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_a_pickle_of_before_holds_is_read(backend: Any) -> None:
    """Of a segment that lay there when Django's backend was brought up to date."""
    backend.set("k", [mark_safe("<b>")])
    assert [type(value) for value in backend.get("k")] == [SafeString]


def test_results_of_lazy_strings(backend: Any) -> None:
    backend.set("str", str(gettext_lazy("Yes")))
    backend.set("safe", mark_safe(str(gettext_lazy("Yes"))))
    assert type(backend.get("str")) is str
    assert type(backend.get("safe")) is SafeString


def test_a_lazy_string_stays_lazy(backend: Any) -> None:
    """As with each backend of Django: the language is the reader's."""
    backend.set("k", gettext_lazy("Yes"))
    value = backend.get("k")
    with translation.override("de"):
        assert str(value) == "Ja"
    with translation.override("fr"):
        assert str(value) == "Oui"
    backend.set("markup", lazy(make_markup, SafeString)())
    assert str(backend.get("markup")) == "<b>"


def make_markup() -> SafeString:
    return mark_safe("<b>")


def test_a_template_fragment(backend: Any) -> None:
    template = engines["django"].from_string("{% load cache %}{% cache 60 part %}<b>{{ word }}</b>{% endcache %}")
    assert template.render({"word": "first & last"}) == "<b>first &amp; last</b>"
    assert template.render({"word": "other"}) == "<b>first &amp; last</b>"
    [key] = backend.handle.keys()
    assert type(backend.handle.get(key)) is SafeString


def test_a_plain_cache_of_a_process_with_django(name: str, backend: Any) -> None:
    with forklore.Cache(name, serializer="none") as plain:
        plain.set("k", mark_safe("<b>"))
        assert type(plain.get("k")) is SafeString

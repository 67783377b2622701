"""What the Python half of the Django backend tells the native half is checked when it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches

from forklore.contract import KeyHeads, Usual
from forklore.django import ForkloreCache

from .django_site import configured


@pytest.fixture
def backend(name: str) -> Iterator[ForkloreCache]:
    with configured(name):
        yield caches["default"]


def says(backend: ForkloreCache, said: Any) -> None:
    backend._usual = lambda: said  # type: ignore[method-assign]


def test_the_backend_says_what_the_contract_wants(backend: ForkloreCache) -> None:
    usual = backend._usual()
    assert type(usual) is Usual
    assert usual.heads == KeyHeads(":", ":1:")
    assert usual.ttl == 300
    assert usual.stale_for is None
    assert usual.spreads is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heads": (":", ":1:")}, "forklore.contract.KeyHeads is wanted, not tuple"),
        ({"heads": KeyHeads(b":", ":1:")}, "KeyHeads.prefix is a str, not bytes"),
        ({"heads": KeyHeads(":", 1)}, "KeyHeads.own_version is a str, not int"),
        ({"spreads": 1}, "Usual.spreads is a bool, not int"),
        ({"ttl": "long"}, "str"),
        ({"stale_for": "long"}, "stale_for is seconds"),
    ],
)
def test_a_field_of_another_type_is_refused(backend: ForkloreCache, change: dict[str, Any], words: str) -> None:
    says(backend, backend._usual()._replace(**change))
    with pytest.raises(TypeError, match=words):
        backend.get("k")


def test_heads_that_do_not_fit_are_refused(backend: ForkloreCache) -> None:
    says(backend, backend._usual()._replace(heads=KeyHeads("a:", "b:1:")))
    with pytest.raises(ValueError, match="own_version begins with"):
        backend.get("k")


def test_a_plain_tuple_is_refused(backend: ForkloreCache) -> None:
    says(backend, tuple(backend._usual()))
    with pytest.raises(TypeError, match=r"forklore.contract.Usual is wanted, not tuple"):
        backend.get("k")


def test_it_is_asked_again_once_it_is_right(backend: ForkloreCache) -> None:
    usual = backend._usual()
    says(backend, None)
    with pytest.raises(TypeError):
        backend.get("k")
    says(backend, usual)
    backend.set("k", 1)
    assert backend.get("k") == 1

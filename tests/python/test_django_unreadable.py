"""ON_UNREADABLE: a value that cannot be read back, as after a deploy that renamed its class."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.views.decorators.cache import cache_page as django_cache_page

import forklore
from forklore.django import ForkloreCache, cache_page

from .django_site import configured

Ask = Callable[[ForkloreCache, str], Any]


@pytest.fixture(params=["miss", "raise"])
def on_unreadable(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cache(name: str, on_unreadable: str) -> Iterator[ForkloreCache]:
    with configured(name, {"ON_UNREADABLE": on_unreadable}):
        yield caches["default"]


def spoil(cache: ForkloreCache, key: str) -> None:
    """Stores an instance of a class that is gone from then on, under a full key."""
    module = ModuleType("vanishing")
    exec("class Order: pass", module.__dict__)
    module.Order.__module__ = "vanishing"
    sys.modules["vanishing"] = module
    try:
        cache.handle.set(key, module.Order())
    finally:
        del sys.modules["vanishing"]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "forklore.django"]


@pytest.mark.parametrize(
    "get",
    [lambda cache: cache.get("k", "missed"), lambda cache: asyncio.run(cache.aget("k", "missed"))],
    ids=["get", "aget"],
)
def test_a_get(cache: ForkloreCache, on_unreadable: str, get: Any, caplog: pytest.LogCaptureFixture) -> None:
    spoil(cache, ":1:k")
    if on_unreadable == "raise":
        with pytest.raises(forklore.Unreadable) as caught:
            get(cache)
        assert caught.value.key == "k"
        assert lines(caplog) == []
        return
    assert get(cache) == get(cache) == "missed"
    [line] = lines(caplog)  # once a minute
    assert "unreadable, and so a miss: 'k'" in line
    assert "vanishing" in line
    assert cache.failed_calls == 0
    assert "k" in cache


def test_cas_replaces_it(cache: ForkloreCache, on_unreadable: str) -> None:
    spoil(cache, ":1:k")
    if on_unreadable == "raise":
        with pytest.raises(forklore.Unreadable):
            cache.get_with_version("k")
        return
    value, stamp = cache.get_with_version("k", 0)
    assert value == 0
    assert stamp is not None
    assert cache.cas("k", 1, stamp) is True
    assert cache.get("k") == 1


def test_get_many_leaves_it_out(cache: ForkloreCache, caplog: pytest.LogCaptureFixture) -> None:
    for key in "kl":
        spoil(cache, f":1:{key}")
    cache.set("fine", 1)
    assert cache.get_many(["k", "fine", "l", "absent"]) == {"fine": 1}
    assert asyncio.run(cache.aget_many(["k", "fine"])) == {"fine": 1}
    assert len(lines(caplog)) == 1


def page(cache: ForkloreCache, key: str) -> Any:
    @cache_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("made")

    return view(RequestFactory().get("/a")).content.decode()


def django_page(cache: ForkloreCache, key: str) -> Any:
    @django_cache_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("made")

    return view(RequestFactory().get("/a")).content.decode()


def fragment(cache: ForkloreCache, key: str) -> Any:
    return Template("{% load cache %}{% cache 60 part %}made{% endcache %}").render(Context())


def memoized(cache: ForkloreCache, key: str) -> Any:
    return forklore.memoize(60, name="memoized")(lambda: "made")()


async def made() -> str:
    return "made"


COMPUTED: dict[str, Ask] = {
    "get_or_set": lambda cache, key: cache.get_or_set(key, lambda: "made"),
    "get_or_set of a value": lambda cache, key: cache.get_or_set(key, "made"),
    "aget_or_set": lambda cache, key: asyncio.run(cache.aget_or_set(key, made)),
    "aget_or_set of a value": lambda cache, key: asyncio.run(cache.aget_or_set(key, "made")),
    "cache_page": page,
    "Django's cache_page": django_page,
    "fragment": fragment,
    "memoize": memoized,
}


@pytest.mark.parametrize("ask", COMPUTED)
def test_what_is_computed_is_computed_anew_and_replaced(cache: ForkloreCache, ask: str) -> None:
    """Whatever ON_UNREADABLE says."""
    if ask in ("cache_page", "Django's cache_page", "fragment", "memoize"):
        assert COMPUTED[ask](cache, "k") == "made"
        keys = list(cache.handle.keys())
    else:
        keys = [":1:k"]
    for key in keys:
        spoil(cache, key)
    assert COMPUTED[ask](cache, "k") == "made"
    for key in cache.handle.keys():
        cache.handle.get(key)  # each can be read again
    assert cache.handle.stats().entries == len(keys)

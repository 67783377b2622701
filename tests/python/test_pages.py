"""forklore.django.cache_page: Django's rules, and one view call for all that ask at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.views.decorators.cache import cache_page as django_cache_page

import forklore
from forklore.django import cache_page

from .django_site import configured
from .test_django_flight import together

factory = RequestFactory()


class View:
    """A view that counts its calls and answers as told."""

    def __init__(self, answer: Callable[[Any], Any] | None = None, seconds: float = 0) -> None:
        self.answer, self.seconds = answer, seconds
        self.calls = self.inside = self.most = 0  # most: that were inside at once
        self.lock = threading.Lock()

    def __call__(self, request: Any) -> Any:
        number = self.enter()
        time.sleep(self.seconds)
        self.leave()
        return HttpResponse(f"page {number}") if self.answer is None else self.answer(request)

    def enter(self) -> int:
        with self.lock:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            return self.calls

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1


class AsyncView(View):
    async def __call__(self, request: Any) -> Any:
        number = self.enter()
        await asyncio.sleep(self.seconds)
        self.leave()
        return HttpResponse(f"page {number}") if self.answer is None else self.answer(request)


def as_function(view: View) -> Any:
    if isinstance(view, AsyncView):

        async def wrapped(request: Any) -> Any:
            return await view(request)
    else:

        def wrapped(request: Any) -> Any:  # type: ignore[misc]
            return view(request)

    return wrapped


@pytest.fixture(autouse=True)
def cache(name: str) -> Iterator[Any]:
    with configured(name):
        yield caches["default"]


def test_a_page_is_made_once_and_then_found() -> None:
    view = View()
    page = cache_page(60)(as_function(view))
    first = page(factory.get("/a"))
    second = page(factory.get("/a"))
    assert first.content == second.content == b"page 1"
    assert "max-age=60" in second["Cache-Control"]
    assert second["Expires"]
    assert page(factory.get("/a?x=1")).content == b"page 2"
    assert page(factory.head("/a")).content == b"page 1"
    assert view.calls == 2


def test_asked_together_it_is_made_once() -> None:
    view = View(seconds=0.2)
    page = cache_page(60)(as_function(view))
    assert {response.content for response in together(12, lambda: page(factory.get("/a")))} == {b"page 1"}
    assert view.calls == 1


def test_expired_and_asked_together_it_is_made_once() -> None:
    view = View(seconds=0.1)
    cache_page(1)(as_function(view))(factory.get("/a"))
    page = cache_page(60)(as_function(view))
    time.sleep(1.2)
    assert {response.content for response in together(12, lambda: page(factory.get("/a")))} == {b"page 2"}
    assert view.calls == 2


def test_the_old_page_while_one_makes_the_next() -> None:
    begun, go = threading.Event(), threading.Event()

    def answer(request: Any) -> HttpResponse:
        if view.calls > 1:
            begun.set()
            assert go.wait(10)
        return HttpResponse(f"page {view.calls}")

    view = View(answer)
    page = cache_page(0.2, stale_for=30)(as_function(view))
    page(factory.get("/a"))
    time.sleep(0.4)
    thread = threading.Thread(target=lambda: page(factory.get("/a")))
    thread.start()
    assert begun.wait(10)
    assert {response.content for response in together(5, lambda: page(factory.get("/a")))} == {b"page 1"}
    go.set()
    thread.join()
    assert view.calls == 2


def test_pages_vary_by_headers() -> None:
    def answer(request: Any) -> HttpResponse:
        response = HttpResponse(request.headers.get("X-Who", "nobody"))
        patch_vary_headers(response, ["X-Who"])
        return response

    view = View(answer)
    page = cache_page(60)(as_function(view))
    for _ in range(2):
        for who in ("ada", "bob"):
            assert page(factory.get("/a", headers={"X-Who": who})).content == who.encode()
    assert view.calls == 2


def refused(request: Any) -> Any:
    response = HttpResponse("mine")
    patch_cache_control(response, private=True)
    return response


def with_cookie(request: Any) -> Any:
    response = HttpResponse("mine")
    response.set_cookie("session", "1")
    patch_vary_headers(response, ["Cookie"])
    return response


NOT_CACHED = {
    "private": refused,
    "cookie": with_cookie,
    "status": lambda request: HttpResponse("gone", status=500),
    "streaming": lambda request: StreamingHttpResponse([b"a", b"b"]),
    "vary by all": lambda request: HttpResponse("x", headers={"Vary": "*"}),
}


@pytest.mark.parametrize("answer", NOT_CACHED.values(), ids=NOT_CACHED)
def test_what_django_does_not_cache_is_let_through_at_once(answer: Callable[[Any], Any]) -> None:
    """Also those that waited for the first: they do not queue for a page that nobody may keep."""
    view = View(answer, seconds=0.2)
    page = cache_page(60)(as_function(view))
    responses = together(10, lambda: page(factory.get("/a")))
    assert view.most > 1  # and not one after the other
    assert view.calls == len(responses) == 10
    plain = django_cache_page(60)(as_function(View(answer)))(factory.get("/plain"))
    assert {response.status_code for response in responses} == {plain.status_code}


def test_a_view_that_raises(cache: Any) -> None:
    def answer(request: Any) -> HttpResponse:
        if view.calls < 3:
            raise Http404("not yet")
        return HttpResponse("now")

    view = View(answer)
    page = cache_page(60)(as_function(view))
    for _ in range(2):
        with pytest.raises(Http404, match="not yet"):
            page(factory.get("/a"))
    assert [page(factory.get("/a")).content for _ in range(2)] == [b"now"] * 2  # what may be kept is kept again
    assert view.calls == 3
    assert cache.handle.stats().leases_held == 0


def test_other_methods_and_other_caches_are_djangos(name: str) -> None:
    view = View()
    page = cache_page(60)(as_function(view))
    assert [page(factory.post("/a")).content for _ in range(2)] == [b"page 1", b"page 2"]
    backend = "django.core.cache.backends.locmem.LocMemCache"
    with configured(name, params={"BACKEND": backend, "LOCATION": name, "OPTIONS": {}}):
        assert [page(factory.get("/a")).content for _ in range(2)] == [b"page 3"] * 2
    with pytest.raises(TypeError, match="method_decorator"):
        page("no request")


def test_a_template_response_is_rendered() -> None:
    template = engines["django"].from_string("page {{ number }}")
    view = View(lambda request: TemplateResponse(request, template, {"number": view.calls}))
    page = cache_page(60)(as_function(view))
    assert [page(factory.get("/a")).rendered_content for _ in range(1)] == ["page 1"]
    assert [page(factory.get("/a")).content for _ in range(2)] == [b"page 1"] * 2


def test_it_does_not_mix_with_djangos(cache: Any) -> None:
    ours, theirs = View(), View()
    cache_page(60)(as_function(ours))(factory.get("/a"))
    assert django_cache_page(60)(as_function(theirs))(factory.get("/a")).content == b"page 1"
    assert theirs.calls == 1


def test_an_async_view() -> None:
    view = AsyncView(seconds=0.2)
    page = cache_page(60)(as_function(view))
    requests = AsyncRequestFactory()

    async def main() -> None:
        responses = await asyncio.gather(*(page(requests.get("/a")) for _ in range(20)))
        assert {response.content for response in responses} == {b"page 1"}
        assert (await page(requests.get("/a"))).content == b"page 1"
        private = AsyncView(refused, seconds=0.2)
        await asyncio.gather(*(cache_page(60)(as_function(private))(requests.get("/b")) for _ in range(10)))
        assert private.most > 1
        assert private.calls == 10

    asyncio.run(main())
    assert view.calls == 1


def boom(request: Any) -> Any:
    raise ValueError("the source is down")


FAILURES = {"raises": boom, "answers 503": lambda request: HttpResponse("down", status=503)}


def stale_page(name: str, answer: Callable[[Any], Any], **how: Any) -> Any:
    """A page that has been made once and has expired; the view fails from then on."""
    view = View(lambda request: HttpResponse("page 1") if view.calls == 1 else answer(request))
    page = cache_page(1, **how)(as_function(view))
    page(factory.get("/a"))
    time.sleep(1.2)
    return page


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_a_view_that_fails_leaves_the_old_page_served(answer: Callable[[Any], Any], name: str) -> None:
    page = stale_page(name, answer, stale_for=600)
    assert [page(factory.get("/a")).content for _ in range(3)] == [b"page 1"] * 3


def test_stale_for_of_the_settings_counts_for_pages(name: str) -> None:
    with configured(name + "s", params={"BACKEND": "forklore.django.ForkloreCache", "LOCATION": name,
                                        "OPTIONS": {"STALE_FOR": 600}}):  # fmt: skip
        assert stale_page(name, boom)(factory.get("/a")).content == b"page 1"


def test_the_old_page_is_not_served_unless_wanted(name: str) -> None:
    page = stale_page(name, boom, stale_for=600, stale_if_error=False)
    with pytest.raises(ValueError, match="down"):
        page(factory.get("/a"))


def test_a_404_is_no_failure(name: str) -> None:
    page = stale_page(name, lambda request: (_ for _ in ()).throw(Http404("gone")), stale_for=600)
    with pytest.raises(Http404):
        page(factory.get("/a"))


def test_a_failure_is_remembered() -> None:
    view = View(boom)
    page = cache_page(60, error_ttl=30)(as_function(view))
    with pytest.raises(ValueError, match="down"):
        page(factory.get("/a"))
    with pytest.raises(forklore.ComputeFailed, match="down"):
        page(factory.get("/a"))
    assert view.calls == 1


def test_an_async_view_that_fails_leaves_the_old_page_served() -> None:
    view = AsyncView(lambda request: HttpResponse("page 1", status=200 if view.calls == 1 else 503))
    page = cache_page(1, stale_for=600)(as_function(view))
    requests = AsyncRequestFactory()

    async def main() -> list[int]:
        first = await page(requests.get("/a"))
        await asyncio.sleep(1.2)
        return [first.status_code, *[(await page(requests.get("/a"))).status_code for _ in range(3)]]

    assert asyncio.run(main()) == [200] * 4
    assert view.calls > 1

# mypy: disable-error-code="import-untyped"
"""cache_page with one computation for all workers, by the rules of Django's own cache middleware."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.middleware.cache import CacheMiddleware
from django.utils.cache import get_cache_key
from django.views.decorators.cache import cache_page as django_cache_page

import forklore

from ..kept import Kept
from ..keys import shortened
from .backend import ForkloreCache

PASS = "forklore: let everybody through"
"""Lies in the place of a page that is not to be cached: those that ask for it call the view at once, and do not wait
for each other in vain."""
PASS_SECONDS = 5


def cache_page(
    timeout: float | None,
    *,
    cache: str | None = None,
    key_prefix: str | None = None,
    stale_for: Any = None,
    stale_if_error: bool | None = None,
    error_ttl: Any = None,
    compute_timeout: Any = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Django's cache_page, but only one worker calls the view when the page is absent or has expired. The others wait
    for its answer. stale_for: seconds after the timeout for which all but that worker get the old page at once.

    What is cached, for how long and by which headers is decided by Django's own middleware: GET and HEAD, status 200,
    Vary, Cache-Control, cookies, languages. A page that it does not cache, or a view that raises, is let through for
    5 seconds: those that asked meanwhile call the view themselves, at once. A TemplateResponse is rendered here. Pages
    do not mix with those of Django's cache_page.

    A view that raises or answers a status of 500 or more fails. Within stale_for the old page stays and is served, and
    the log says why, unless stale_if_error is False. Http404 and what else Django answers below 500 is no failure.
    stale_for, stale_if_error, error_ttl, compute_timeout: as of get_or_set; what is not given is as the settings say.
    There is no refresh="background": a request does not outlive its answer.

    On a cache of another backend, and while no segment can be had, this is Django's cache_page.
    """
    alias = DEFAULT_CACHE_ALIAS if cache is None else cache
    prefix = f"{key_prefix or ''}.forklore"

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        plain = django_cache_page(timeout, cache=cache, key_prefix=key_prefix)(view)
        given = {
            "stale_for": stale_for,
            "stale_if_error": stale_if_error,
            "error_ttl": error_ttl,
            "compute_timeout": compute_timeout,
        }
        new_visit = functools.partial(
            _Visit, view, page_timeout=timeout, cache_alias=alias, key_prefix=prefix, given=given
        )

        def ours(request: Any) -> bool:
            _check_request(request)
            backend = caches[alias]
            return request.method in ("GET", "HEAD") and isinstance(backend, ForkloreCache) and backend._can_open()

        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def wrapper(request: Any, *args: Any, **kwargs: Any) -> Any:
                if not ours(request):
                    return await plain(request, *args, **kwargs)
                return await new_visit(request=request, arguments=args, named=kwargs).aanswer()

        else:

            @functools.wraps(view)
            def wrapper(request: Any, *args: Any, **kwargs: Any) -> Any:
                if not ours(request):
                    return plain(request, *args, **kwargs)
                return new_visit(request=request, arguments=args, named=kwargs).answer()

        return wrapper

    return decorate


def _check_request(request: Any) -> None:
    if not hasattr(request, "META"):
        raise TypeError("cache_page got no HttpRequest. If you are decorating a method, use @method_decorator.")


def _seconds(stale_for: Any) -> float:
    if stale_for is None:
        return 0
    return stale_for.total_seconds() if isinstance(stale_for, timedelta) else stale_for


_NO_FAILURES = (Http404, PermissionDenied, SuspiciousOperation, BadRequest, MultiPartParserError)
"""What a view raises for Django to answer with a status below 500."""


class ServerErrorAnswer(Exception):
    """The view answered a status of 500 or more. For the log."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"the view answered {response.status_code}")
        self.response = response


class _AgainError(Exception):
    """The page's key has become known meanwhile."""


class _Aside:
    """The cache as the middleware sees it: what is known of headers lies in the backend, a page is put aside."""

    def __init__(self, backend: ForkloreCache, page: Any = None, stale_seconds: float = 0) -> None:
        self.backend, self.page, self.stale_seconds = backend, page, stale_seconds
        self.key: str | None = None
        self.timeout: Any = None

    def get(self, key: str, *rest: Any) -> Any:
        return (
            self.page
            if self.page is not None and ".cache_page." in key
            else self.backend._get_readable(key, *(rest or (None,)))
        )

    def set(self, key: str, value: Any, timeout: Any) -> None:
        if isinstance(value, HttpResponseBase):
            self.key, self.page, self.timeout = key, value, timeout
        else:
            # The headers that a page varies by are known for longer than the page: while it is old, and after.
            self.backend.set(key, value, None if timeout is None else 2 * timeout + self.stale_seconds)


class _Visit(CacheMiddleware):
    """One request for a page."""

    cache: Any = None  # an _Aside

    def __init__(
        self,
        view: Any,
        *,
        request: Any,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        given: dict[str, Any],
        **how: Any,
    ) -> None:
        super().__init__(view, **how)
        self.request = request
        self.call = functools.partial(view, request, *arguments, **named)
        self.backend: ForkloreCache = caches[self.cache_alias]
        usual = self.backend._policy
        self.how = {name: getattr(usual, name) if value is None else value for name, value in given.items()}
        self.failure: Exception | None = None  # for which the old page may be served
        self.response: Any = None
        self.error: Exception | None = None

    def answer(self) -> Any:
        while True:
            key = self.key()
            try:
                value = self.backend.handle.get_or_compute(self.place(key), lambda key=key: self.make(key), **self.how)
            except _AgainError:
                continue
            except Exception as error:
                return self.without_old_page(key, error)
            if self.response is None and self.error is None and value == PASS:
                self.keep(self.call(), None)
            return self.outcome(value)

    async def aanswer(self) -> Any:
        while True:
            key = self.key()

            async def make(key: str | None = key) -> Any:
                return await self.amake(key)

            try:
                value = await self.backend.handle.aget_or_compute(self.place(key), make, **self.how)
            except _AgainError:
                continue
            except Exception as error:
                return self.without_old_page(key, error)
            if self.response is None and self.error is None and value == PASS:
                self.keep(await self.call(), None)
            return self.outcome(value)

    def outcome(self, value: Any) -> Any:
        if self.error is not None:
            raise self.error
        return self.hit(value) if self.response is None else self.response

    def key(self) -> str | None:
        """Of the page for this request; None while it is not known by which headers it varies."""
        known = _Aside(self.backend)
        key = get_cache_key(self.request, self.key_prefix, "GET", cache=known)
        if key is not None and self.request.method == "HEAD" and key not in self.backend:
            key = get_cache_key(self.request, self.key_prefix, "HEAD", cache=known)
        return key

    def place(self, key: str | None) -> str:
        """Under which one at a time computes: the page's key, or of an unknown one what its address says."""
        if key is None:
            key = f"forklore.first_visit.{self.request.method}.{self.address()}"
        return self.backend.make_and_validate_key(key)

    def address(self) -> str:
        return shortened(f"{self.key_prefix}({self.request.build_absolute_uri()})")

    def make(self, key: str | None) -> Kept:
        self.again(key)
        try:
            kept = self.keep(self.call(), key)
        except Exception as error:
            return self.failed(error)
        return self.unless_server_error(kept)

    async def amake(self, key: str | None) -> Kept:
        self.again(key)
        try:
            kept = self.keep(await self.call(), key)
        except Exception as error:
            return self.failed(error)
        return self.unless_server_error(kept)

    def again(self, key: str | None) -> None:
        if key is None and self.key() is not None:
            raise _AgainError

    def failed(self, error: Exception) -> Kept:
        if isinstance(error, _NO_FAILURES):
            self.error = error
            return Kept(PASS, PASS_SECONDS)
        self.failure = error
        raise error

    def unless_server_error(self, kept: Kept) -> Kept:
        if self.response.status_code < 500:
            return kept
        self.failure, self.response = ServerErrorAnswer(self.response), None
        raise self.failure

    def without_old_page(self, key: str | None, error: Exception) -> Any:
        """The view failed, and no old page is served: the others are let through, unless the failure is remembered."""
        if error is not self.failure:
            raise error
        if not self.how["error_ttl"]:
            with contextlib.suppress(forklore.Error):
                self.backend.handle.add(self.place(key), PASS, PASS_SECONDS)
        if isinstance(error, ServerErrorAnswer):
            return error.response
        raise error

    def keep(self, response: Any, key: str | None) -> Kept:
        """Has the middleware decide on a response; what is to be stored under key. What belongs under another key is
        stored there."""
        if hasattr(response, "render") and callable(response.render) and not response.is_rendered:
            response = response.render()
        self.request._cache_update_cache = True
        self.cache = aside = _Aside(self.backend, stale_seconds=_seconds(self.how["stale_for"]))
        self.response = self.process_response(self.request, response)
        if aside.key is None:
            return Kept(PASS, PASS_SECONDS)
        kept = Kept(aside.page, self.backend._ttl(aside.timeout))
        if aside.key == key:
            return kept
        handle, other = self.backend.handle, self.backend.make_and_validate_key(aside.key)
        with contextlib.suppress(forklore.ReadOnly, forklore.Busy, forklore.Unreadable):  # then the page is not kept
            if isinstance(handle.get(other), str):
                handle.delete(other)
        handle.get_or_compute(other, lambda: kept, stale_for=self.how["stale_for"])
        return Kept(PASS, 0)

    def hit(self, page: Any) -> Any:
        """The page as the middleware serves it."""
        self.cache = _Aside(self.backend, page)
        return self.process_request(self.request) or page

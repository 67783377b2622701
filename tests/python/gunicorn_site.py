"""A Django site for gunicorn: the WSGI application `gunicorn_site:application`.

TEST_SEGMENT names the segment, TEST_CAPACITY_FILE a file with its capacity, TEST_PLACE where it lies. Every answer is
JSON with the worker's pid. TEST_OWNER is the segment's OWNER; with TEST_WARM the site answers a request of each kind as
it is loaded.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.cache import cache, caches
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import cache_page

from forklore.django import cache_page as cached_once

settings.configure(
    ALLOWED_HOSTS=["*"],
    CACHES={
        "default": {
            "BACKEND": "forklore.django.ForkloreCache",
            "LOCATION": os.environ["TEST_SEGMENT"],
            "OPTIONS": {
                "CAPACITY": Path(os.environ["TEST_CAPACITY_FILE"]).read_text(),
                "PLACE": os.environ["TEST_PLACE"],
                "OWNER": os.environ.get("TEST_OWNER"),
            },
        }
    },
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests alone",
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
)
django.setup()


class Profile:
    """A user-defined class, which goes through pickle."""

    def __init__(self, text: str) -> None:
        self.text = text


def answer(**words: Any) -> JsonResponse:
    return JsonResponse({"pid": os.getpid(), **words})


def put(request: HttpRequest, key: str, text: str) -> JsonResponse:
    cache.set(key, Profile(text), None)
    return answer()


def get(request: HttpRequest, key: str) -> JsonResponse:
    profile = cache.get(key)
    return answer(text=profile and profile.text)


def count(request: HttpRequest) -> JsonResponse:
    cache.add("count", 0, None)
    return answer(count=cache.incr("count"))


def visit(request: HttpRequest) -> JsonResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return answer(visits=request.session["visits"])


def stats(request: HttpRequest) -> JsonResponse:
    return answer(capacity=caches["default"].handle.stats().capacity_bytes)


@cached_once(60)
def ours(request: HttpRequest) -> JsonResponse:
    return answer()


@cache_page(60)
def page(request: HttpRequest) -> JsonResponse:
    return answer()


def hold(request: HttpRequest, how: str = "") -> JsonResponse:
    """Writes without end, until the worker is killed; deaf to SIGABRT if so asked."""
    if how == "deaf":
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
    cache.set("holder", os.getpid())
    end = time.monotonic() + 20
    while time.monotonic() < end:
        cache.set("held", "x" * 50_000)
    return answer()


urlpatterns = [
    path("put/<key>/<text>", put),
    path("get/<key>", get),
    path("count", count),
    path("visit", visit),
    path("stats", stats),
    path("page", page),
    path("ours", ours),
    path("hold", hold),
    path("hold/<how>", hold),
]
application = get_wsgi_application()
cache.set("warm", 1)  # under --preload this opens the segment before the fork
if os.environ.get("TEST_WARM"):  # imports all that a request needs
    from django.test import Client

    for one in ("put/warm/text", "get/warm", "count", "visit", "stats", "page", "ours"):
        assert Client().get(f"/{one}").status_code == 200

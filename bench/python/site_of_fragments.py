"""The Django site that end_to_end.py serves under gunicorn: one page cached as a whole, one made of fragments that
are cached each by itself. Fragments are SafeString, as `{% cache %}` and render_to_string make them. BENCH_CACHE in the
environment is the entry of CACHES, as JSON."""

from __future__ import annotations

import json
import os

from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import cache_page

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    CACHES={"default": json.loads(os.environ["BENCH_CACHE"])},
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="bench",
)
FRAGMENTS = [f"fragment:{name}:{number}" for number in range(4) for name in ("menu", "offer", "cart", "news", "foot")]


def render(name: str) -> SafeString:
    return mark_safe(f"<section id='{name}'>" + "<p>Lorem ipsum dolor sit amet.</p>" * 16 + "</section>")


def fragments(request: HttpRequest) -> HttpResponse:
    """Twenty reads of the cache."""
    parts = []
    for name in FRAGMENTS:
        part = cache.get(name)
        if part is None:
            part = render(name)
            cache.set(name, part)
        parts.append(part)
    return HttpResponse("".join(parts))


@cache_page(300)
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("".join(render(name) for name in FRAGMENTS))


urlpatterns = [path("fragments", fragments), path("page", page)]
application = get_wsgi_application()

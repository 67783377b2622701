"""The shop's one view. It keeps a page and a visit counter for each product in two ways: in this module, which is
what people try first, and in Forklore."""

import json
import os
import time
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse

from .pages import ProductPage, make_page

PAGES: dict[int, ProductPage] = {}  # each worker process has its own
VISITS: dict[int, int] = {}


def from_dict(number: int) -> tuple[ProductPage, bool, int]:
    """The page, whether it was found, and which visit this is."""
    page = PAGES.get(number)
    found = page is not None
    if page is None:
        page = PAGES[number] = make_page(number)
    VISITS[number] = VISITS.get(number, 0) + 1
    return page, found, VISITS[number]


def from_forklore(number: int) -> tuple[ProductPage, bool, int]:
    """The same, from the cache that all workers share."""
    key = f"page:{number}"
    page = cache.get(key)
    found = page is not None
    if page is None:
        page = make_page(number)
        if not cache.add(key, page):  # another worker was faster
            page, found = cache.get(key), True
    cache.add(f"visits:{number}", 0)
    return page, found, cache.incr(f"visits:{number}")


def product(request: HttpRequest, number: int) -> HttpResponse:
    answer = {"pid": os.getpid(), "product": number}
    for way, look in (("dict", from_dict), ("forklore", from_forklore)):
        page, found, visit = look(number)
        answer[way] = {
            "found": found,
            "made_by": page.made_by,
            "mark": page.mark,
            "whole": type(page) is ProductPage and page.is_whole(),
            "visit": visit,
        }
    if settings.DEMO_DIRECTORY and "X-Demo-Doomed" in request.headers:
        write_until_killed(answer)
    time.sleep(settings.WORK_SECONDS)
    return JsonResponse(answer)


def write_until_killed(answer: dict) -> None:
    """For the demo: tells what this request came to and goes on storing, so that the kill comes amid a write."""
    path = Path(settings.DEMO_DIRECTORY, "doomed.json")
    path.with_suffix(".new").write_text(json.dumps(answer))
    path.with_suffix(".new").rename(path)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        cache.set("doomed", answer)


def ready(request: HttpRequest) -> HttpResponse:
    time.sleep(settings.WORK_SECONDS)
    return JsonResponse({"pid": os.getpid()})

"""Each view in two ways: without.py and with_forklore.py."""

import os
import time
from types import ModuleType

from django.http import HttpRequest, JsonResponse

from . import database, with_forklore, without

WAYS: dict[str, ModuleType] = {"without": without, "with": with_forklore}


def answer(**words: object) -> JsonResponse:
    return JsonResponse({"pid": os.getpid(), **words})


def price(request: HttpRequest, way: str, number: int) -> JsonResponse:
    return answer(price=WAYS[way].price(number, float(request.GET["ttl"])))


def change(request: HttpRequest, way: str, number: int, new: int) -> JsonResponse:
    WAYS[way].change_price(number, new)
    return answer()


def warm(request: HttpRequest, way: str, first: int, count: int) -> JsonResponse:
    """What a deployment does: fills the cache for many products at once."""
    numbers = range(first, first + count)
    WAYS[way].cache.set_many({f"price:{number}": number for number in numbers}, float(request.GET["ttl"]))
    return answer()


def ledger(request: HttpRequest, way: str) -> JsonResponse:
    """What only one worker may do at a time; so slowly, if asked, that it can be killed meanwhile."""
    with WAYS[way].locked("ledger"):
        database.note("inside", 0)
        time.sleep(float(request.GET.get("seconds", 0)))
    return answer()


def ready(request: HttpRequest) -> JsonResponse:
    time.sleep(0.02)
    return answer()

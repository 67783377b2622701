"""The Django site under load: the WSGI application `stampede_site:application`, one view behind one cached value.

Each computation is written to a log outside all caches, two lines each: `begin PID THREAD NANOSECONDS` and `end ...`
of CLOCK_MONOTONIC. An answer's body says what its own request saw: when it asked the cache, how long that
took in microseconds, whether this request computed, and which computation the value is of.
"""

from __future__ import annotations

import json
import os
import threading
import time

import django
from django.conf import settings
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

PLAN = json.loads(os.environ["STAMPEDE_PLAN"])
LOG = os.open(os.environ["STAMPEDE_LOG"], os.O_WRONLY | os.O_APPEND)  # a line is one write, so lines stay whole
PAGE = "<p>A page that takes its time.</p>" * 60

settings.configure(
    ALLOWED_HOSTS=["*"],
    CACHES={"default": PLAN["cache"]},
    DATABASES={},
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the bench alone",
)
django.setup()


def tell(what: str) -> int:
    now = time.monotonic_ns()
    os.write(LOG, f"{what} {os.getpid()} {threading.get_ident()} {now}\n".encode())
    return now


def work() -> None:
    """Takes its time, waiting for a database, or burning its own."""
    if PLAN["work"] == "wait":
        time.sleep(PLAN["cost"])
        return
    end = time.thread_time() + PLAN["cost"]
    while time.thread_time() < end:
        sum(range(1000))


def make_page() -> tuple[int, str]:
    begun = tell("begin")
    work()
    tell("end")
    return begun, PAGE


def page(request: HttpRequest) -> HttpResponse:
    mine = []

    def make() -> tuple[int, str]:
        made = make_page()
        mine.append(made[0])
        return made

    began = time.monotonic_ns()
    made, _ = cache.get_or_set("page", make, PLAN["ttl"], **PLAN["more"])
    took = (time.monotonic_ns() - began) // 1000
    body = f"{began} {took} {len(mine)} {made}"
    return HttpResponse(body, headers={"Content-Length": len(body)})


urlpatterns = [path("page", page)]
application = get_wsgi_application()
tell("ready")

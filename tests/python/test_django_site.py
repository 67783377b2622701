"""The backend where sites use it: settings, checks, sessions, the cache middleware, template fragments, threads."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory
from django.views.decorators.cache import cache_page

import forklore
from forklore.django import ForkloreCache, handles
from forklore.django.checks import check_options

from .conftest import segment_files
from .django_site import BACKEND, configured


@pytest.fixture
def site(name: str) -> Iterator[str]:
    with configured(name):
        yield name


# Settings


def test_location_must_be_given() -> None:
    assert issubclass(InvalidCacheBackendError, ImproperlyConfigured)
    for location in ("", None, ["a", "b"]):
        with pytest.raises(InvalidCacheBackendError, match="needs a LOCATION"):
            ForkloreCache(location, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("CAPACTIY", "CAPACITY"),
        ("capacity", "CAPACITY"),
        ("MAXVALUE", "MAX_VALUE"),
        ("MAX_VALUES", "MAX_VALUE"),
        ("LOCKTIMEOUT", "LOCK_TIMEOUT"),
        ("SERIALISER", "SERIALIZER"),
        ("MAX_ENTRY", "MAX_ENTRIES"),
        ("WHENFULL", "WHEN_FULL"),
    ],
)
def test_a_misspelt_option_is_refused(wrong: str, right: str) -> None:
    with pytest.raises(InvalidCacheBackendError, match=f"'{wrong}'.*Did you mean {right}"):
        ForkloreCache("unused", {"OPTIONS": {wrong: 1}})


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(InvalidCacheBackendError, match=r"'zzz'.*CAPACITY, PLACE"):
        ForkloreCache("unused", {"OPTIONS": {"zzz": 1}})
    with pytest.raises(InvalidCacheBackendError, match="CAPACITY belongs into OPTIONS"):
        ForkloreCache("unused", {"CAPACITY": "64MB"})


WRONG_VALUES = [
    ({"CAPACITY": "64 parsecs"}, "CAPACITY must be a size"),
    ({"CAPACITY": "1KB"}, "CAPACITY must be 128 KiB to 16 GiB, not 1 KiB"),
    ({"CAPACITY": "1MB", "MAX_VALUE": "1MB"}, "MAX_VALUE: 1 MiB does not fit a CAPACITY of 1 MiB"),
    ({"LOCK_TIMEOUT": "x"}, "LOCK_TIMEOUT is seconds"),
    ({"LOCK_TIMEOUT": -1}, "LOCK_TIMEOUT must be 0 to 3600 seconds, not -1"),
    ({"MODE": "0660"}, "MODE is an int such as 0o600, not str"),
    ({"STRIPES": 3}, "STRIPES must be a power of two from 1 to 64, not 3; leave it out to have it chosen by CAPACITY"),
    ({"WHEN_FULL": "explode"}, "WHEN_FULL must be"),
    ({"PLACE": "file"}, 'PATH: PLACE "file" needs it; give PATH'),
    ({"SERIALIZER": "xml"}, "SERIALIZER must be"),
]


@pytest.mark.parametrize(("options", "says"), WRONG_VALUES)
def test_a_wrong_value_is_refused(name: str, options: dict[str, Any], says: str) -> None:
    backend = ForkloreCache(name, {"OPTIONS": options})
    with pytest.raises(InvalidCacheBackendError, match=f"CACHES, LOCATION '{name}': {re.escape(says)}"):
        backend.get("k")
    with configured(name, {"CAPACITY": None, **options}):
        [error] = checks.run_checks(tags=[checks.Tags.caches])
    assert (error.id, error.level, error.obj) == ("forklore.E001", checks.ERROR, "CACHES['default']")
    assert says in error.msg
    assert segment_files(name) == []


def test_a_wrong_location_or_name_of_an_option_fails_the_check(name: str) -> None:
    for params in ({"LOCATION": ""}, {"LOCATION": "not a name"}, {"OPTIONS": {"CAPACTIY": "1MB"}}):
        with configured(name, params=params):
            [error] = check_options(None)
        assert error.id == "forklore.E001"


def test_a_missing_serializer_is_named(name: str) -> None:
    script = f"""
import sys
sys.modules["msgpack"] = None  # as if it were not installed
import forklore
from django.core.cache.backends.base import InvalidCacheBackendError
from forklore.django import ForkloreCache
try:
    forklore.Cache("{name}", "1MB", serializer="msgpack")
except forklore.OpenError as error:
    print(error.strerror)
try:
    ForkloreCache("{name}", {{"OPTIONS": {{"SERIALIZER": "msgpack"}}}}).get("k")
except InvalidCacheBackendError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    says = ': "msgpack" needs the Python package msgpack, which cannot be imported; pip install msgpack'
    assert done.stdout.splitlines() == [f"serializer{says}", f"CACHES, LOCATION '{name}': SERIALIZER{says}"]


def test_another_option_than_is_there_is_refused(name: str) -> None:
    with configured(name, {"CAPACITY": "2MB"}):
        caches["default"].set("k", "v")
    backend = ForkloreCache(name, {"OPTIONS": {"WHEN_FULL": "reject"}})
    with pytest.raises(InvalidCacheBackendError, match=r"WHEN_FULL: reject is asked for, .* give CAPACITY to"):
        backend.get("k")
    assert ForkloreCache(name, {"OPTIONS": {"WHEN_FULL": "evict"}}).get("k") == "v"


def test_all_options(name: str) -> None:
    options = {
        "CAPACITY": "8MB",
        "MAX_VALUE": "64KB",
        "STRIPES": 2,
        "PLACE": "shm",
        "PATH": None,
        "WHEN_FULL": "reject",
        "LOCK_TIMEOUT": 0.5,
        "MODE": 0o660,
        "OWNER": None,
        "SERIALIZER": "json",
        "MAX_ENTRIES": 10,
        "CULL_FREQUENCY": 2,
        "CULL_PROBABILITY": 0.5,
    }
    backend = ForkloreCache(name, {"OPTIONS": options})
    assert segment_files(name) == []
    for i in range(1000):
        backend.set(f"k{i}", i)
    stats = backend.handle.stats()
    assert (stats.capacity_bytes, stats.stripes, stats.when_full) == (8 << 20, 2, "reject")
    assert stats.entries == 1000
    assert backend.handle.serializer == "json"
    [file] = segment_files(name)
    assert file.stat().st_mode & 0o777 == 0o660


def test_many_instances_share_one_handle(site: str) -> None:
    backends = [ForkloreCache(site, {"OPTIONS": {"CAPACITY": "4MB"}}) for _ in range(2000)]
    backends[0].set("k", "v")
    assert all(backend.get("k") == "v" for backend in backends)
    assert len({id(backend.handle) for backend in backends}) == 1
    with open("/proc/self/maps") as maps:
        assert sum(f"-{site}-" in line for line in maps) <= 2
    assert len([opened for opened in handles._counted if opened.arguments["name"] == site]) == 1


def test_threads_share_it(site: str) -> None:
    caches["default"].set("k", "v")
    seen: list[Any] = []

    def look() -> None:
        seen.append((caches["default"].get("k"), id(caches["default"]), id(caches["default"].handle)))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {value for value, _, _ in seen} == {"v"}
    assert len({handle for _, _, handle in seen}) == 1


def test_a_command_that_does_not_use_the_cache_makes_no_segment(site: str) -> None:
    assert checks.run_checks(tags=[checks.Tags.caches]) == []
    assert segment_files(site) == []


# System checks


def test_anonymous_memory_is_warned_about(name: str) -> None:
    with configured(name, {"PLACE": "anonymous"}):
        [warning] = checks.run_checks(tags=[checks.Tags.caches])
        assert warning.id == "forklore.W001"
        assert "default" in warning.msg
        assert "--preload" in warning.hint
    with configured(name):
        assert checks.run_checks(tags=[checks.Tags.caches]) == []


def test_the_app_brings_the_check(name: str) -> None:
    script = f"""
import django
from django.conf import settings
from django.core.management import call_command
settings.configure(
    INSTALLED_APPS=["forklore.django"],
    CACHES={{"default": {{"BACKEND": "{BACKEND}", "LOCATION": "{name}", "OPTIONS": {{"PLACE": "anonymous"}}}}}},
)
django.setup()
call_command("check")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "forklore.W001" in done.stderr


# Sessions


@pytest.fixture
def session_table() -> Iterator[None]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    yield


@pytest.mark.parametrize("engine", ["cache", "cached_db"])
def test_sessions(site: str, engine: str, session_table: None) -> None:
    from importlib import import_module

    store = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore
    session = store()
    session["user"] = {"id": 5}
    session.save(must_create=True)
    key = session.session_key
    assert store(key)["user"] == {"id": 5}
    assert store(key).exists(key) if engine == "cache" else store().exists(key)
    again = store(key)
    again["more"] = 1
    again.save()
    assert dict(store(key).items()) == {"user": {"id": 5}, "more": 1}
    if engine == "cached_db":
        caches["default"].clear()
        assert store(key)["more"] == 1
        assert list(caches["default"].handle.keys())
    again.cycle_key()
    assert again.session_key != key
    assert not store().exists(key)
    again.delete()
    assert "user" not in store(again.session_key or key)


def test_a_session_key_is_created_once(site: str) -> None:
    from django.contrib.sessions.backends.base import CreateError
    from django.contrib.sessions.backends.cache import SessionStore

    first = SessionStore()
    first.create()
    second = SessionStore(first.session_key)
    with pytest.raises(CreateError):
        second.save(must_create=True)


# Middleware and fragments


def test_cache_page(site: str) -> None:
    calls: list[int] = []

    @cache_page(60)
    def view(request: HttpRequest) -> HttpResponse:
        calls.append(1)
        return HttpResponse(f"page {len(calls)}", headers={"X-Mine": "1"})

    factory = RequestFactory()
    first, second = view(factory.get("/a")), view(factory.get("/a"))
    assert (first.content, second.content) == (b"page 1", b"page 1")
    assert second["X-Mine"] == "1"
    assert view(factory.get("/b")).content == b"page 2"
    assert len(calls) == 2
    assert any("cache_page" in key for key in caches["default"].handle.keys())


def test_site_wide_middleware(site: str) -> None:
    from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware

    calls: list[int] = []

    def view(request: HttpRequest) -> HttpResponse:
        calls.append(1)
        return HttpResponse("page")

    handler = UpdateCacheMiddleware(FetchFromCacheMiddleware(view))
    for _ in range(3):
        assert handler(RequestFactory().get("/site")).content == b"page"
    assert len(calls) == 1


def test_template_fragments(site: str) -> None:
    template = Template("{% load cache %}{% cache 60 part who %}{{ value }}{% endcache %}")
    assert template.render(Context({"who": "a", "value": "first"})) == "first"
    assert template.render(Context({"who": "a", "value": "second"})) == "first"
    assert template.render(Context({"who": "b", "value": "third"})) == "third"
    forever = Template("{% load cache %}{% cache None all %}{{ value }}{% endcache %}")
    assert forever.render(Context({"value": 1})) == "1"
    assert forever.render(Context({"value": 2})) == "1"


def test_template_fragments_of_their_own_cache(name: str) -> None:
    with configured(name, more={"template_fragments": {"KEY_PREFIX": "fragments"}}):
        template = Template("{% load cache %}{% cache 60 part %}x{% endcache %}")
        template.render(Context())
        [key] = caches["default"].handle.keys()
        assert key.startswith("fragments:")


# Processes


def test_workers_share_counters_and_locks(site: str, fork: Any) -> None:
    cache = caches["default"]
    cache.set_many({"n": 0, "locks": 0})

    def work() -> None:
        own = caches["default"]
        for i in range(2000):
            own.incr("n")
            if own.add(f"lock{i}", 1):
                own.incr("locks")

    children = [fork(work) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.get_many(["n", "locks"]) == {"n": 8000, "locks": 2000}


def test_a_removed_segment(site: str) -> None:
    cache = caches["default"]
    cache.set("k", 1)
    forklore.remove(site)
    end = time.monotonic() + 5
    while cache.get("k") is not None and time.monotonic() < end:
        time.sleep(0.05)
    assert cache.get("k") is None
    cache.set("k", 2)
    assert forklore.Cache.attach(site).get(":1:k") == 2

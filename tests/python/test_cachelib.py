"""forklore.cachelib, by itself and as Flask-Caching's. (Under the packages' own tests: tests/adapters.)"""

from __future__ import annotations

import datetime
import importlib.metadata
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import flask
import flask_caching
import pytest

import forklore
from forklore.cachelib import ForkloreCache

Fork = Callable[[Callable[[], object]], Any]


def test_counts_are_exact_over_all_processes(name: str, fork: Fork) -> None:
    cache = ForkloreCache(name, capacity="1MB")

    def count() -> None:
        for _ in range(500):
            cache.inc("up")
            cache.dec("down", 2)

    assert [child.wait() for child in [fork(count) for _ in range(4)]] == [0] * 4
    assert (cache.get("up"), cache.get("down")) == (2000, -4000)
    assert 290 < forklore.Cache(name).ttl("up") <= 300
    cache.set("text", "x")
    with pytest.raises(TypeError, match="not an int"):
        cache.inc("text")


def test_timeouts(name: str) -> None:
    cache = ForkloreCache(name, default_timeout=50)
    cache.set("usual", 1)
    cache.set("ever", 1, timeout=0)
    cache.set("delta", 1, timeout=datetime.timedelta(seconds=70))
    cache.set_many({"minute": 1}, timeout=60)
    plain = forklore.Cache(name)
    assert 49 < plain.ttl("usual") <= 50
    assert plain.ttl("ever") is None
    assert 59 < plain.ttl("minute") <= 60
    assert 69 < plain.ttl("delta") <= 70


def test_caches_may_share_a_segment(name: str) -> None:
    one, other = ForkloreCache(name, key_prefix="one:"), ForkloreCache(name, key_prefix="other:")
    one.set("key", 1)
    other.set("key", 2)
    assert one.get_dict("key", "absent") == {"key": 1, "absent": None}
    assert one.clear()
    assert (one.has("key"), other.get("key")) == (False, 2)


def test_what_cannot_be_kept_is_an_answer(name: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = ForkloreCache(name, capacity="4MB")
    cache.set("key", "old")
    assert cache.set("key", "x" * 3_000_000) is False
    assert cache.set_many({"key": "x" * 3_000_000, "small": 1}) == ["small"]
    assert cache.get("key") == "old"
    assert "cachelib: set" in caplog.text
    with pytest.raises(pickle.PickleError):
        cache.set("key", lambda: None)
    forklore.Cache(name, serializer="json").set("json", [1])
    assert cache.get("json") is None
    assert cache.get_many("json", "small") == [None, 1]


OLD = importlib.metadata.version("flask-caching") < "2.5"


@pytest.mark.parametrize(
    "kind", ["flask_cache", pytest.param("ForkloreCache", marks=pytest.mark.skipif(OLD, reason="old"))]
)
def test_flask_caching_takes_it_by_its_path(name: str, kind: str) -> None:
    app = flask.Flask("site")
    app.config |= {
        "CACHE_TYPE": f"forklore.cachelib.{kind}",
        "CACHE_ARGS": [name],
        "CACHE_OPTIONS": {"capacity": "4MB", "key_prefix": "site:"},
    }
    cache = flask_caching.Cache(app)
    called = []

    @app.get("/")
    @cache.cached(60)
    def index() -> str:
        called.append("index")
        return "served"

    @cache.memoize(60)
    def double(x: int) -> int:
        called.append(x)
        return 2 * x

    assert [app.test_client().get("/").data for _ in range(3)] == [b"served"] * 3
    with app.app_context():
        assert [double(2), double(2), double(3)] == [4, 4, 6]
        cache.delete_memoized(double)
        double(2)
    assert called == ["index", 2, 3, 2]
    assert all(key.startswith("site:") for key in forklore.Cache(name).keys())


def test_importing_forklore_imports_none_of_the_packages() -> None:
    script = "import sys, forklore; print([m for m in ('dogpile', 'cachelib', 'limits', 'flask') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_a_name_is_wanted() -> None:
    with pytest.raises(TypeError, match='CACHE_ARGS = \\["mysite"\\]'):
        ForkloreCache()

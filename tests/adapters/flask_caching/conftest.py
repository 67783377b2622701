"""Flask-Caching's own fixtures, with Forklore as the cache of the application, and a clock that is the real one: what
they move on by is slept, and tests that move on by more than 5 seconds are left out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import flask
import flask_caching
import pytest

import forklore

NAME = f"{os.environ.get('FORKLORE_TEST_RUN', '')}suite-flask-caching-{os.getpid()}"
MOST = 5  # seconds to sleep


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[flask.Flask]:
    app = flask.Flask(request.module.__name__, template_folder=os.path.dirname(__file__))
    app.testing = True
    app.config["CACHE_TYPE"] = "forklore_cachelib.Named"
    yield app
    forklore.remove(NAME)


@pytest.fixture
def cache(app: flask.Flask) -> flask_caching.Cache:
    return flask_caching.Cache(app)


@pytest.fixture(params=flask_caching.SUPPORTED_HASH_FUNCTIONS, ids=lambda method: method.__name__)
def hash_method(request: pytest.FixtureRequest) -> Any:
    return request.param


class Clock:
    def advance(self, seconds: float) -> None:
        if seconds > MOST:
            pytest.skip(f"takes {seconds} seconds")
        time.sleep(seconds + 0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()

"""What django-redis' tests are given instead of their conftest.py: this backend in the place of theirs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings as site
from django.core.cache import caches
from django.test import override_settings

import forklore
from forklore.django import ForkloreCache

NAME = f"{os.environ.get('FORKLORE_TEST_RUN', '')}django-redis-{os.getpid()}"
_numbers = itertools.count()


class NoClient:
    """The tests ask which of django-redis' clients they have, and leave out what that cannot do. This is none of them,
    and has nothing to offer."""

    _serializer = None

    @staticmethod
    def _has_compression_enabled() -> bool:
        return False


class Backend(ForkloreCache):
    client = NoClient()


class Settings:
    """Django's settings; what is set here is so until the test ends."""

    def __init__(self) -> None:
        vars(self)["changed"] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(site, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.changed.append(override_settings(**{name: value}))
        self.changed[-1].enable()


@pytest.fixture
def settings() -> Iterator[Settings]:
    changes = Settings()
    yield changes
    for change in reversed(changes.changed):
        change.disable()


@pytest.fixture
def cache() -> Iterator[Backend]:
    """In a segment of its own: those that look for the lock as a key leave the lock held."""
    name = f"{NAME}-{next(_numbers)}"
    entry = {"BACKEND": "fixtures.Backend", "LOCATION": name, "OPTIONS": {"CAPACITY": "4MB"}}
    with override_settings(CACHES={"default": entry}):
        yield caches["default"]
    forklore.remove(name)


def pytest_configure() -> None:
    site.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        SECRET_KEY="for tests alone",
        USE_TZ=False,
    )
    django.setup()

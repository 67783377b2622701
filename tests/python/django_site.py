"""Django's settings for the tests, and CACHES for the length of a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.test.utils import override_settings

BACKEND = "forklore.django.ForkloreCache"

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "forklore.django",
        ],
        ROOT_URLCONF=[],
        SECRET_KEY="for tests alone",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()


@contextlib.contextmanager
def configured(
    name: str,
    options: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    more: dict[str, dict[str, Any]] | None = None,
    **other_settings: Any,
) -> Iterator[None]:
    """CACHES with "default" at the segment `name`, and `more` aliases at the same with params of their own."""
    options = {"CAPACITY": "4MB", **(options or {})}

    def entry(extra: dict[str, Any]) -> dict[str, Any]:
        return {"BACKEND": BACKEND, "LOCATION": name, "OPTIONS": options, **extra}

    aliases = {"default": entry(params or {}), **{alias: entry(extra) for alias, extra in (more or {}).items()}}
    with override_settings(CACHES=aliases, **other_settings):
        yield

# mypy: disable-error-code="import-untyped"
"""System checks of the CACHES setting."""

from __future__ import annotations

import os
from typing import Any

from django import conf
from django.core.cache.backends.base import InvalidCacheBackendError
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

import forklore
from forklore import _core
from forklore.contract import Need

from .backend import ForkloreCache
from .handles import arguments_of, check_arguments, said
from .policy import policy_of


@register(Tags.caches)
def check_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """forklore.E001 for each cache whose LOCATION or OPTIONS no segment could be opened with. Opens none."""
    found: list[CheckMessage] = []
    for alias, config in _ours():
        try:
            check_arguments(arguments_of(config.get("LOCATION", ""), config))
            policy_of(config["LOCATION"], config)
        except InvalidCacheBackendError as error:
            found.append(Error(str(error), obj=f"CACHES['{alias}']", id="forklore.E001"))
    return found


@register(Tags.caches)
def check_anonymous(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """forklore.W001 for each cache in anonymous memory: workers that open it after the fork share nothing."""
    return [
        Warning(
            f"The cache '{alias}' lies in anonymous memory: only processes forked after it was opened share it.",
            hint="Open it before the workers are forked (gunicorn --preload, and one call on the cache in wsgi.py), "
            'or drop PLACE, so that the workers share it by its name. Silence this check by "forklore.W001".',
            obj=f"CACHES['{alias}']",
            id="forklore.W001",
        )
        for alias, config in _ours()
        if config.get("OPTIONS", {}).get("PLACE") == "anonymous"
    ]


@register(Tags.caches, deploy=True)
def check_room(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """forklore.W002 for each cache whose segment is still to be made and would not fit: in its file system (Docker's
    /dev/shm has 64 MB), under the memory limit, beside those of the aliases before it. Makes none."""
    found: list[CheckMessage] = []
    beside: dict[str, dict[str, int]] = {}  # what the aliases so far would take, by directory and file
    for alias, config in _ours():
        try:
            arguments = arguments_of(config.get("LOCATION", ""), config)
            others = beside.setdefault(os.path.dirname(_core._need(0, arguments)[0]), {})
            path, wanted, shortage = Need(*_core._need(sum(others.values()), arguments))
        except (InvalidCacheBackendError, forklore.OpenError, TypeError, ValueError):
            continue  # forklore.E001 says so
        if path in others:
            continue
        others[path] = wanted
        directory = os.path.dirname(path)
        if directory and not os.path.isdir(directory):
            shortage = (f"there is no directory {directory}",), ("make it, owned by the site's user",)
        if shortage is not None:
            what, remedy = map(said, shortage)
            found.append(
                Warning(
                    f"The cache '{alias}' cannot be made here: {what}.",
                    hint=f"{remedy[:1].upper()}{remedy[1:]}. Until then reads miss and what is set is not stored; "
                    "add, incr, delete, locks and new sessions raise OpenError.",
                    obj=f"CACHES['{alias}']",
                    id="forklore.W002",
                )
            )
    return found


def _ours() -> list[tuple[str, dict[str, Any]]]:
    return [(alias, config) for alias, config in conf.settings.CACHES.items() if _is_ours(config.get("BACKEND", ""))]


def _is_ours(backend: str) -> bool:
    try:
        found = import_string(backend)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, ForkloreCache)

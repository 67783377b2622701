"""Forklore's storage as that of the scheme memory://, whose tests then are of it. What the tests want for storages on
servers is not there, and not used."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest import mock

import limits.storage
import pytest

import forklore
from forklore.limits import ForkloreStorage

NAME = f"{os.environ.get('FORKLORE_TEST_RUN', '')}suite-limits-{os.getpid()}"


class Memory(ForkloreStorage):
    STORAGE_SCHEME = ["memory"]  # noqa: RUF012

    def __init__(self, uri: str | None = None, **options: Any) -> None:
        super().__init__(f"forklore://{NAME}?capacity=4MB", **options)


limits.storage.MemoryStorage = Memory  # type: ignore[misc]
for absent in ("redis", "pytest_lazy_fixtures"):
    if importlib.util.find_spec(absent) is None:
        sys.modules[absent] = mock.MagicMock(spec=ModuleType(absent), cluster=mock.MagicMock(), lf=str)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    forklore.remove(NAME)

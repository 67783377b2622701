"""Forklore's cache with the name of this process, as the tests give none."""

from typing import Any

from conftest import NAME

from forklore.cachelib import ForkloreCache


class Named(ForkloreCache):
    def __init__(self, **options: Any) -> None:
        super().__init__(NAME, **options)

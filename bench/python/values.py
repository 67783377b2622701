"""The values that are stored and read. Every rival holds the same keys: few, so that all of it stays in the caches of
the machine and a figure is what the call costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Order:
    """An instance of a class, as a site would cache one."""

    number: int = 4711
    customer: str = "Ada Lovelace"
    total: Decimal = Decimal("129.90")
    lines: list[tuple[str, int]] = field(default_factory=lambda: [("lamp", 2), ("chair", 4)])


@dataclass(frozen=True)
class Kind:
    """One kind of value. plain: Forklore keeps it without a serializer."""

    name: str
    title: str
    value: object
    plain: bool = True
    keys: int = 20

    def names(self, count: int = 0) -> list[str]:
        """Its keys, or so many."""
        return [f"{self.name}:profile:{1000 + i}" for i in range(count or self.keys)]


KINDS = (
    Kind("str", "str of 100", "x" * 100),
    Kind("text", "str of 50 Cyrillic", "ж" * 50),
    Kind("bytes", "bytes of 100", b"x" * 100),
    Kind("int", "int", 123_456_789),
    Kind("dict", "small dict", {"id": 5, "name": "Ada", "tags": ["a", "b"], "active": True}, plain=False),
    Kind("object", "class instance", Order(), plain=False),
    Kind("10k", "str of 10 KB", "x" * 10_240, keys=10),
    Kind("100k", "str of 100 KB", "x" * 102_400, keys=5),
)

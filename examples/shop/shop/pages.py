"""A product's page: an instance of one's own class, as a site would cache it."""

import os
import secrets
from dataclasses import dataclass, field


@dataclass
class ProductPage:
    number: int
    text: str
    made_by: int = field(default_factory=os.getpid)  # the worker
    mark: str = field(default_factory=lambda: secrets.token_hex(8))  # no two pages have the same

    def is_whole(self) -> bool:
        return self.text == describe(self.number)


def describe(number: int) -> str:
    return (f"Product {number}, in stock. " * 64)[:1024]


def make_page(number: int) -> ProductPage:
    return ProductPage(number, describe(number))

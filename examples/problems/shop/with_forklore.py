"""The same with Forklore."""

from django.core.cache import caches

from .database import load_price, store_price

cache = caches["forklore"]


def price(number: int, ttl: float) -> int | None:
    return cache.get_or_set(f"price:{number}", lambda: load_price(number), ttl)


def change_price(number: int, new: int) -> None:
    store_price(number, new)
    cache.delete(f"price:{number}")


def locked(name: str):
    return cache.lock(name)

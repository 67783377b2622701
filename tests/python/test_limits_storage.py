"""forklore.limits: a storage of the package `limits`, exact over all processes. (Under the package's own tests:
tests/adapters.)"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable
from typing import Any

import flask
import flask_limiter
import limits
import limits.strategies
import pytest
from limits.storage import MemoryStorage, storage_from_string

import forklore
import forklore.limits
from forklore.limits import MOST, ForkloreStorage

Fork = Callable[[Callable[[], object]], Any]
STRATEGIES = [
    limits.strategies.FixedWindowRateLimiter,
    limits.strategies.MovingWindowRateLimiter,
    limits.strategies.SlidingWindowCounterRateLimiter,
]


@pytest.fixture
def storage(name: str) -> ForkloreStorage:
    made = storage_from_string(f"forklore://{name}?capacity=4MB")
    assert isinstance(made, ForkloreStorage)
    return made


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_hit_is_lost_or_counted_twice(storage: ForkloreStorage, name: str, fork: Fork, strategy: Any) -> None:
    item = limits.RateLimitItemPerHour(500, 24)
    allowed = forklore.Cache(name)

    def hit() -> None:
        limiter = strategy(storage)
        for _ in range(200):
            if limiter.hit(item, "all"):
                allowed.incr("allowed", initial=0)

    assert [child.wait() for child in [fork(hit) for _ in range(4)]] == [0] * 4
    assert allowed.get("allowed") == 500
    assert strategy(storage).get_window_stats(item, "all").remaining == 0


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000.25
        monkeypatch.setattr(time, "time", lambda: self.now)


def test_the_moving_window_is_that_of_memory(storage: ForkloreStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    draw, clock, model = random.Random(seed), Clock(monkeypatch), MemoryStorage()
    for _ in range(2000):
        clock.now += draw.choice((0, draw.uniform(0, 0.01), draw.uniform(0, 4)))
        amount = draw.choice((1, 1, 1, 3, 11))
        assert storage.acquire_entry("k", 10, 20, amount) == model.acquire_entry("k", 10, 20, amount)
        assert storage.get_moving_window("k", 10, 20) == model.get_moving_window("k", 10, 20)


def test_a_large_moving_window_is_bounded_and_never_allows_more(
    storage: ForkloreStorage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, limit, expiry = Clock(monkeypatch), 5000, 100
    accepted: list[float] = []
    for _ in range(30_000):
        clock.now += 0.01
        if storage.acquire_entry("k", limit, expiry):
            accepted.append(clock.now)
    inside = 0
    for last, at in enumerate(accepted):
        while accepted[inside] < at - expiry:
            inside += 1
        assert last - inside < limit
    assert len(accepted) >= limit * 3 * 0.98  # in 300 s, and hardly any is refused that need not be
    cache = forklore.Cache(name)
    assert max(len(cache.get(key)) for key in cache.keys()) <= 16 * MOST


def test_the_sliding_window_weighs_the_one_before(storage: ForkloreStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    clock.now = 1_800_000_000.0
    assert all(storage.acquire_sliding_window_entry("k", 10, 60) for _ in range(10))
    assert not storage.acquire_sliding_window_entry("k", 10, 60)
    clock.now += 90  # half of the next
    assert storage.get_sliding_window("k", 60) == (10, 30.0, 0, 90.0)
    assert [storage.acquire_sliding_window_entry("k", 10, 60) for _ in range(6)] == [True] * 5 + [False]
    clock.now -= 45  # a clock that is set back forgets nothing
    assert not storage.acquire_sliding_window_entry("k", 10, 60)
    clock.now += 250
    assert storage.get_sliding_window("k", 60)[::2] == (0, 0)
    storage.clear_sliding_window("k", 60)
    assert storage.get_sliding_window("k", 60)[::2] == (0, 0)


def test_a_fixed_window_ends_where_its_first_hit_says(storage: ForkloreStorage) -> None:
    assert storage.incr("k", 100) == 1
    end = storage.get_expiry("k")
    assert storage.incr("k", 100, amount=4) == 5
    assert storage.get_expiry("k") == pytest.approx(end, abs=0.01)
    assert storage.get("k") == 5
    storage.clear("k")
    assert storage.get("k") == 0
    assert storage.get_expiry("k") == pytest.approx(time.time(), abs=1)


def test_reset_takes_limits_alone(storage: ForkloreStorage, name: str) -> None:
    forklore.Cache(name).set("page", "stays")
    storage.incr("a", 60)
    storage.incr("long" * 300, 60)
    storage.acquire_entry("a", 5, 60)
    assert storage.check()
    assert storage.reset() == 4  # with that of check()
    assert storage.get("a") == 0
    assert forklore.Cache(name).get("page") == "stays"


def test_long_keys_are_told_apart(storage: ForkloreStorage) -> None:
    for key in ("x" * 2000, "x" * 2001, "é" * 2000, "x" * 500):
        assert storage.incr(key, 60) == 1


def test_options(name: str) -> None:
    for uri in ("forklore://", f"forklore://{name}?capcity=1MB"):
        with pytest.raises(ValueError, match="forklore"):
            storage_from_string(uri)
    uri = f"forklore://{name}?capacity=8MB&mode=0600&stripes=2&when_full=reject&lock_timeout=0.5"
    storage = storage_from_string(uri, max_value="64KB")
    assert storage.check()
    assert forklore.Cache(name).stats().capacity_bytes == 2**23
    reader: Any = storage_from_string(f"forklore://{name}?read_only=true", wrap_exceptions=True)
    assert not reader.check()
    with pytest.raises(limits.errors.StorageError):
        reader.incr("k", 60)


def test_it_is_pickled_by_its_name(storage: ForkloreStorage) -> None:
    storage.incr("k", 60)
    assert pickle.loads(pickle.dumps(storage)).incr("k", 60) == 2


@pytest.mark.parametrize("strategy", ["fixed-window", "moving-window", "sliding-window-counter"])
def test_flask_limiter_takes_it_by_its_uri(name: str, strategy: str) -> None:
    app = flask.Flask("site")
    limiter = flask_limiter.Limiter(
        flask_limiter.util.get_remote_address,
        app=app,
        storage_uri=f"forklore://{name}?capacity=1MB",
        strategy=strategy,
        headers_enabled=True,
    )

    @app.get("/")
    @limiter.limit("2/hour")
    def index() -> str:
        return "served"

    asked = [app.test_client().get("/") for _ in range(3)]
    assert [answer.status_code for answer in asked] == [200, 200, 429]
    assert asked[1].headers["X-RateLimit-Remaining"] == "0"


@pytest.mark.parametrize(
    ("option", "says"),
    [("lock_timeout=abc", "lock_timeout must be a number of seconds, not 'abc'"),
     ("stripes=x", "stripes must be a whole number, not 'x'"),
     ("mode=rw", "mode must be an octal number, not 'rw'")],
)  # fmt: skip
def test_a_wrong_option_is_named(name: str, option: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        storage_from_string(f"forklore://{name}?{option}")

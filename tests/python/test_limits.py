"""Rate limits and counts in windows, exact over processes."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import forklore

Fork = Callable[[Callable[[], object]], Any]


def test_a_burst_and_then_one_by_one(cache: forklore.Cache) -> None:
    answers = [cache.rate_limit("r", 3, 300) for _ in range(5)]
    assert [bool(answer) for answer in answers] == [True, True, True, False, False]
    assert [answer.remaining for answer in answers] == [2, 1, 0, 0, 0]
    assert answers[0].retry_after == 0
    assert 80 < answers[3].retry_after <= 100
    assert 280 < answers[3].reset_after <= 300
    assert all(answer.limit == 3 for answer in answers)
    assert cache.rate_limit("r", 3, 300, cost=0).allowed is True
    assert cache.rate_limit("r", 3, 300, cost=4).retry_after == float("inf")
    assert cache.delete("r")
    assert cache.rate_limit("r", 3, timedelta(seconds=30), burst=1)
    assert not cache.rate_limit("r", 3, 30, burst=1)


def test_it_comes_back(cache: forklore.Cache) -> None:
    # Who asks twice may be a tenth of a second older by then.
    refused = next(answer for answer in (cache.rate_limit("r", 1, 0.1) for _ in range(1000)) if not answer)
    time.sleep(refused.retry_after)
    assert cache.rate_limit("r", 1, 0.1)


def test_exact_over_processes(cache: forklore.Cache, fork: Fork) -> None:
    def work() -> None:
        for _ in range(200):
            if cache.rate_limit("r", 100, 3600):
                cache.incr("allowed", initial=0)
            cache.count_in_window("w", 3600)

    children = [fork(work) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    assert cache.get("allowed") == 100
    counted = cache.count_in_window("w", 3600, 0)
    assert counted.current + counted.previous == 800


def test_windows(cache: forklore.Cache) -> None:
    days = 366 * 86400  # the clock goes from one window to the next, so seldom amid this
    assert cache.count_in_window("w", days).current == 1
    answer = cache.count_in_window("w", days, add=4)
    assert (answer.current, answer.previous, answer.sliding) == (5, 0, 5.0)
    assert 0 < answer.reset_after <= days


def test_wrong_arguments(cache: forklore.Cache) -> None:
    for limit, period in ((0, 1), (-1, 1), (1, 0), (1, -1), (1, float("nan")), (2**32, 1), (1, 367 * 86400)):
        with pytest.raises(ValueError, match=r"limit|period"):
            cache.rate_limit("r", limit, period)
    with pytest.raises(ValueError, match="burst"):
        cache.rate_limit("r", 1, 86400, burst=400)
    assert cache.rate_limit("r", 1, 366 * 86400, burst=1)
    cache.delete("r")
    for window in (0, 367 * 86400):
        with pytest.raises(ValueError, match="window"):
            cache.count_in_window("w", window)
    cache.set("r", "text")
    with pytest.raises(TypeError, match="'r' is not a count"):
        cache.rate_limit("r", 1, 1)
    assert cache.get("r") == "text"


def test_the_decorator(cache: forklore.Cache) -> None:
    called = []

    @forklore.rate_limited(2, 60, cache=cache, key=lambda user: user)
    def send(user: str) -> str:
        """Sends."""
        called.append(user)
        return user

    assert [send("ada"), send("ada"), send("bob")] == ["ada", "ada", "bob"]
    with pytest.raises(forklore.RateLimited, match=r"send: 2 in 60 s are used up") as caught:
        send("ada")
    assert 20 < caught.value.retry_after <= 30
    assert pickle.loads(pickle.dumps(caught.value)).retry_after == caught.value.retry_after
    assert called == ["ada", "ada", "bob"]
    assert send.__doc__ == "Sends."

    @forklore.rate_limited(1, 60, cache=cache)
    async def fetch() -> int:
        return 1

    async def main() -> None:
        assert await fetch() == 1
        with pytest.raises(forklore.RateLimited):
            await fetch()

    asyncio.run(main())
    with pytest.raises(TypeError, match="alias"):
        forklore.rate_limited(1, 1, cache=5)
    for limit, burst in ((0, None), ("5", None), (1, 0)):
        with pytest.raises(ValueError, match="is an int, at least 1"):
            forklore.rate_limited(limit, 60, burst=burst, cache=cache)
    with pytest.raises(TypeError, match="key is a function"):
        forklore.rate_limited(1, 60, key="abc", cache=cache)
    with pytest.raises(TypeError, match="give rate_limited a name"):
        forklore.rate_limited(1, 60, cache=cache)(lambda: 1)

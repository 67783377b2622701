"""One handle for each (name, options) in a process, whoever asks for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

import forklore
from forklore import clock, handles

from .conftest import Child, segment_files
from .django_site import configured


def test_the_same_arguments_are_one_handle(name: str, tmp_path: Path) -> None:
    first = forklore.shared_cache(name, "1MB")
    assert forklore.shared_cache(name, "1MB") is first
    assert forklore.shared_cache(name, capacity="1MB", serializer=None) is first
    assert forklore.shared_cache(name, "1MB", serializer="json") is not first
    assert forklore.shared_cache(name, "1MB", serializer="json").get("k") is None
    file = tmp_path / "segment"
    in_file = forklore.shared_cache(name, "1MB", place="file", path=file)
    assert forklore.shared_cache(name, "1MB", place="file", path=str(file)) is in_file


def test_django_memoize_and_others_share_it(name: str) -> None:
    with configured(name, {"CAPACITY": "1MB"}):
        backend = caches["default"]
        mine = forklore.shared_cache(name, "1MB")
        assert backend.handle is mine

        @forklore.memoize(cache={"name": name, "capacity": "1MB"}, name="double")
        def double(number: int) -> int:
            return 2 * number

        assert double(4) == 8
        assert mine.get(double.cache_key(4)) == 8


def test_a_decorator_opens_nothing(name: str) -> None:
    @forklore.memoize(cache={"name": name, "capacity": "1MB"}, name="nothing")
    def function() -> int:
        return 1

    @forklore.rate_limited(1, 60, cache={"name": name, "capacity": "1MB"}, name="limited")
    def limited() -> int:
        return 1

    assert segment_files(name) == []
    assert function() == 1
    assert limited() == 1
    with pytest.raises(forklore.RateLimited):
        limited()
    assert len(segment_files(name)) == 1


def test_threads_that_ask_at_once_get_one(name: str) -> None:
    got: list[forklore.Cache] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        got.append(forklore.shared_cache(name, "1MB"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert forklore.shared_cache(name, "1MB") is handles.shared({"name": name, "capacity": "1MB"}).handle
    assert forklore.shared_cache(name, "1MB") in got


def test_it_works_in_a_child_of_fork(name: str) -> None:
    mine = forklore.shared_cache(name, "1MB")
    mine.set("k", os.getpid())

    def in_child() -> None:
        assert forklore.shared_cache(name, "1MB") is mine
        assert mine.get("k") == os.getppid()
        mine.set("k", "child")

    assert Child(in_child).wait() == 0
    assert mine.get("k") == "child"


def test_one_that_somebody_closed_is_opened_anew(name: str) -> None:
    forklore.shared_cache(name, "1MB").close()
    forklore.shared_cache(name, "1MB").set("k", 1)
    assert forklore.shared_cache(name, "1MB").get("k") == 1


def test_who_cannot_open_waits_before_the_next_attempt(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Any] = []
    file = tmp_path / "nowhere" / "segment"
    shared = handles.SharedHandle({"name": name, "capacity": "1MB", "place": "file", "path": str(file)})
    opened = handles.Cache

    def counted(**arguments: Any) -> forklore.Cache:
        attempts.append(arguments)
        return opened(**arguments)

    monkeypatch.setattr(handles, "Cache", counted)
    begin = clock.now()
    monkeypatch.setattr(clock, "now", lambda: begin)
    for _ in range(3):
        with pytest.raises(forklore.OpenError):
            shared.handle  # noqa: B018
    assert len(attempts) == 1
    assert not shared.is_open()
    monkeypatch.setattr(clock, "now", lambda: begin + 60)
    file.parent.mkdir()
    shared.handle.set("k", 1)
    assert len(attempts) == 2
    assert shared.is_open()


def test_wrong_arguments_are_said_each_time(name: str) -> None:
    for _ in range(2):
        with pytest.raises(forklore.OpenError, match="place must be"):
            forklore.shared_cache(name, "1MB", place="nowhere")
    with pytest.raises(TypeError):
        forklore.shared_cache(name, "1MB", unknown=1)


def test_a_removed_segment_is_left_at_the_next_call(name: str) -> None:
    mine = forklore.shared_cache(name, "1MB")
    mine.set("k", "old")
    assert forklore.remove(name)
    mine = forklore.shared_cache(name, "1MB")
    assert mine.get("k") is None
    mine.set("k", "new")
    with forklore.Cache(name) as other:
        assert other.get("k") == "new"

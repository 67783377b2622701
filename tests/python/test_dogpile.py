"""forklore.dogpile under dogpile.cache's own suite for backends, and what it promises beyond that."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
from dogpile.testing.fixtures import (
    _GenericBackendFixture,
    _GenericBackendTestSuite,
    _GenericMutexTestSuite,
    _GenericSerializerTestSuite,
)

import forklore
from forklore.dogpile import Mutex

from .conftest import RUN, eventually

pytestmark = [
    pytest.mark.filterwarnings("ignore:forklore's backend has no such argument"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning"),
]
Fork = Callable[[Callable[[], object]], Any]


class Ours:
    """A segment for each class of tests and process, as pytest-xdist may run a class in several."""

    backend = "forklore"
    config_args: dict[str, Any]

    @classmethod
    def setup_class(cls) -> None:
        super().setup_class()  # type: ignore[misc]

    @classmethod
    def teardown_class(cls) -> None:
        forklore.remove(cls.config_args["arguments"]["name"])


def of(suite: str, **arguments: Any) -> dict[str, Any]:
    return {"arguments": {"name": f"{RUN}pytest-{os.getpid()}-dogpile-{suite}", "capacity": "1MB", **arguments}}


class TestBackend(Ours, _GenericBackendTestSuite):
    config_args = of("backend")


class TestSerializer(Ours, _GenericSerializerTestSuite, _GenericBackendFixture):
    config_args = of("serializer")


class TestMutex(Ours, _GenericMutexTestSuite):
    config_args = of("mutex")


@pytest.fixture
def region(name: str) -> Iterator[Any]:
    yield make_region().configure("forklore", arguments={"name": name, "capacity": "4MB"})


def test_one_of_all_processes_creates(region: Any, fork: Fork) -> None:
    counts = forklore.Cache(region.backend.cache.name)

    def create() -> str:
        counts.incr("created", initial=0)
        time.sleep(0.2)
        return "made"

    def ask() -> None:
        assert region.get_or_create("key", create) == "made"

    assert [child.wait() for child in [fork(ask) for _ in range(5)]] == [0] * 5
    assert counts.get("created") == 1


def test_a_creator_that_dies_holds_up_nobody(region: Any, fork: Fork) -> None:
    mutex = region.backend.get_mutex("key")

    def hold() -> None:
        assert region.backend.get_mutex("key").acquire()
        time.sleep(60)

    child = fork(hold)
    eventually(mutex.locked)
    assert not mutex.acquire(wait=False)
    child.kill()
    child.wait()
    assert region.get_or_create("key", lambda: "made") == "made"


def test_another_thread_may_release(region: Any) -> None:
    """As it does where dogpile creates in the background."""
    done = threading.Event()

    def runner(cache: Any, key: str, creator: Callable[[], Any], mutex: Mutex) -> None:
        def run() -> None:
            try:
                cache.set(key, creator())
            finally:
                mutex.release()
                done.set()

        threading.Thread(target=run).start()

    name = region.backend.cache.name
    region = make_region(async_creation_runner=runner).configure(
        "forklore", expiration_time=0.01, arguments={"name": name}
    )
    region.set("key", "old")
    time.sleep(0.02)
    assert region.get_or_create("key", lambda: "new") == "old"
    assert done.wait(10)
    assert region.get("key", ignore_expiration=True) == "new"
    assert not region.key_is_locked("key")


def test_a_mutex_of_a_time(name: str) -> None:
    region = make_region().configure("forklore", arguments={"name": name, "mutex_ttl": 0.05})
    assert region.backend.has_lock_timeout()
    first, second = region.backend.get_mutex("key"), region.backend.get_mutex("key")
    assert first.acquire()
    assert second.acquire()  # when that is over
    first.release()
    assert second.locked()
    second.release()
    with pytest.raises(forklore.NotHeld):
        second.release()


def test_mutexes_of_each_process(name: str) -> None:
    region = make_region().configure("forklore", arguments={"name": name, "distributed_lock": False})
    assert region.backend.get_mutex("key") is None
    assert region.get_or_create("key", lambda: "made") == "made"


def test_keys_of_any_length_and_values_of_any_type(region: Any) -> None:
    for key in ("k" * 2000, "é" * 900, "a b\n"):
        region.set(key, {"at": 1})
        assert region.get(key) == {"at": 1}
    region.set_multi({"none": None, "text": "x"})
    assert region.get_multi(["none", "absent", "text"]) == [None, NO_VALUE, "x"]


def test_arguments(name: str) -> None:
    with pytest.raises(ValueError, match="want a name"):
        make_region().configure("forklore", arguments={"capacity": "1MB"})
    with pytest.warns(UserWarning, match="no such argument: capcity"):
        make_region().configure("forklore", arguments={"name": name, "capcity": "1MB"})
    region = make_region().configure("forklore", arguments={"name": name, "default_ttl": 30})
    region.set("key", 1)
    assert 29 < forklore.Cache(name).ttl("key") <= 30


def test_a_value_that_is_too_large_is_told(region: Any) -> None:
    region.set("large", "old")
    with pytest.raises(forklore.TooLarge):
        region.set_multi({"large": "x" * 3_000_000, "small": 1})
    assert (region.get("large"), region.get("small")) == ("old", 1)


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, sys
from dogpile.cache import make_region
region = make_region().configure("forklore", arguments={"name": sys.argv[1]})
made, rounds = [], 0
def tick():
    global rounds
    while True:
        rounds += 1
        gevent.sleep(0.01)
ticking = gevent.spawn(tick)
def create():
    made.append(1)
    before = rounds
    while rounds < before + 5:  # the hub runs
        gevent.sleep(0.01)
    return "value"
greenlets = [gevent.spawn(region.get_or_create, "key", create) for _ in range(30)]
gevent.joinall(greenlets, raise_error=True)
assert [greenlet.value for greenlet in greenlets] == ["value"] * 30
assert made == [1], made
"""


def test_greenlets_that_wait_let_others_run(name: str) -> None:
    pytest.importorskip("gevent")
    subprocess.run([sys.executable, "-c", GREENLETS, name], check=True, timeout=60)


def test_what_another_program_stored_is_no_value(name: str) -> None:
    backend = make_region().configure("forklore", arguments={"name": name, "capacity": "1MB"}).backend
    with forklore.Cache(name) as other:
        other.set_many({"int": 5, "pickle": [1], "str": "text"})
    backend.set_serialized("mine", b"bytes")
    assert [backend.get_serialized(key) for key in ("int", "pickle", "str")] == [NO_VALUE] * 3
    assert backend.get_serialized_multi(["int", "mine", "pickle"]) == [NO_VALUE, b"bytes", NO_VALUE]
    assert backend.get_serialized_multi(["int", "mine"]) == [NO_VALUE, b"bytes"]
    region = make_region().configure("forklore", arguments={"name": name})
    assert region.get_or_create("int", lambda: "created") == "created"
    assert region.get("int") == "created"

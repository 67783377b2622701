"""Opening, closing, sizes, errors, and segments as a whole."""

from __future__ import annotations

import copy
import errno
import gc
import os
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import forklore


def test_the_class_tree_of_errors() -> None:
    assert issubclass(forklore.OpenError, (forklore.Error, OSError))
    for error, base in [
        (forklore.OpenError, OSError),
        (forklore.TooLarge, ValueError),
        (forklore.Full, Exception),
        (forklore.Busy, TimeoutError),
        (forklore.SerializerError, TypeError),
    ]:
        assert issubclass(error, forklore.Error)
        assert issubclass(error, base)
        assert error.__module__ == "forklore"


@pytest.mark.parametrize(
    ("size", "number"),
    [
        (1 << 20, 1 << 20),
        ("1MB", 1 << 20),
        ("1 MiB", 1 << 20),
        ("1m", 1 << 20),
        ("1.5MB", 3 << 19),
        ("1048576", 1 << 20),
        ("512KB", 1 << 19),
        ("524288b", 1 << 19),
    ],
)
def test_sizes_are_in_powers_of_1024(name: str, size: int | str, number: int) -> None:
    with forklore.Cache(name, size) as cache:
        assert cache.stats().capacity_bytes == number


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ""}, "name"),
        ({"capacity": 1000}, "capacity"),
        ({"capacity": -1}, "capacity"),
        ({"capacity": "64 parsecs"}, "capacity"),
        ({"capacity": "MB"}, "capacity"),
        ({"capacity": "1.2.3MB"}, "capacity"),
        ({"capacity": "1MB", "max_value": "512MB"}, "max_value"),
        ({"stripes": 3}, "stripes"),
        ({"stripes": 1000}, "stripes"),
        ({"place": "disk"}, "place"),
        ({"place": "file"}, "path"),
        ({"when_full": "explode"}, "when_full"),
        ({"lock_timeout": 10**6}, "lock_timeout"),
        ({"lock_timeout": 10**400}, "lock_timeout"),
        ({"lock_timeout": -1}, "lock_timeout must be 0 to 3600 seconds, not -1"),
        ({"lock_timeout": timedelta(seconds=-1)}, "lock_timeout"),
        ({"lock_timeout": float("nan")}, "lock_timeout must be 0 to 3600 seconds, not nan"),
        ({"default_ttl": float("nan")}, "default_ttl"),
        ({"mode": 0o1777}, "mode must be one such as 0o600 or 0o660, not 0o1777"),
        ({"mode": -1}, "mode"),
        ({"mode": 10**400}, "mode"),
        ({"owner": "nobody-of-that-name"}, "owner"),
        ({"serializer": "xml"}, "serializer"),
    ],
)
def test_a_wrong_option_is_named(name: str, options: dict[str, object], word: str) -> None:
    with pytest.raises(forklore.OpenError, match=word) as caught:
        forklore.Cache(**{"name": name, **options})  # type: ignore[arg-type]
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    "options",
    [{"name": 5}, {"capacity": 1.5}, {"stripes": "8"}, {"default_ttl": "x"}, {"lock_timeout": None}, {"colour": "red"}],
)
def test_a_wrong_type_is_a_type_error(name: str, options: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(options))}|'colour'"):
        forklore.Cache(**{"name": name, **options})  # type: ignore[arg-type]


def test_attach(name: str) -> None:
    with pytest.raises(forklore.OpenError) as caught:
        forklore.Cache.attach(name)
    assert caught.value.errno == errno.ENOENT
    with forklore.Cache(name, "2MB") as first:
        first.set("k", 1)
        with forklore.Cache.attach(name, default_ttl=5, serializer="json") as second:
            assert second.get("k") == 1
            assert second.serializer == "json"
            second.set("t", 1)
            assert second.ttl("t") is not None
        assert first.get("k") == 1


def test_without_a_capacity_one_sees_what_is_there(name: str) -> None:
    with forklore.Cache(name, "2MB") as first, forklore.Cache(name) as second:
        first.set("k", 1)
        assert second.get("k") == 1
        assert second.stats().capacity_bytes == 2 << 20


def test_what_is_not_given_is_left_to_what_is_there(name: str) -> None:
    with forklore.Cache(name, "2MB", when_full="reject", stripes=2) as made:
        made.set("k", 1)
        for options in ({}, {"capacity": "2MB"}, {"when_full": "reject"}, {"capacity": "2MB", "stripes": 2}):
            with forklore.Cache(name, **options) as same:  # type: ignore[arg-type]
                assert same.get("k") == 1
                assert same.stats().when_full == "reject"
        for options, says in [
            ({"when_full": "evict"}, "when_full: evict is asked for, and reject is there"),
            ({"max_value": "5KB"}, r"max_value: 5 KiB \(5120\) is asked for"),
            ({"stripes": 4}, "stripes: 4 is asked for, and 2 is there"),
        ]:
            with pytest.raises(forklore.OpenError, match=f"{says}.*; leave it out .* or give capacity to put"):
                forklore.Cache(name, **options)  # type: ignore[arg-type]
        with forklore.Cache(name, "1MB") as successor:
            assert successor.stats().when_full == "reject"
            assert successor.get("k") is None


def test_errors_that_name_a_remedy(name: str, tmp_path: Path) -> None:
    with pytest.raises(forklore.OpenError, match=r"path: there is no directory .*; make it first"):
        forklore.Cache(name, "1MB", place="file", path=tmp_path / "none" / "x")
    with pytest.raises(forklore.OpenError, match=r"check name, and owner \(now user \d+\); its owner makes one"):
        forklore.Cache.attach(name)
    with forklore.Cache(name, "1MB", place="anonymous"), pytest.raises(forklore.OpenError, match="take another name"):
        forklore.Cache(name, "2MB", place="anonymous")


def test_errors_cut_long_keys_short(cache: forklore.Cache) -> None:
    key = "k" * 1000
    with pytest.raises(forklore.TooLarge) as too_large:
        cache.set(key, b"x" * (cache.stats().max_value_bytes + 1))
    cache.set(key, "text")
    with pytest.raises(TypeError) as no_number:
        cache.incr(key)
    for caught in (too_large, no_number):
        assert "'kkkkkkkk" in str(caught.value)
        assert "kkk..." in str(caught.value)
        assert len(str(caught.value)) < 200


def test_read_only(name: str) -> None:
    with forklore.Cache(name, "1MB") as writer, forklore.Cache.attach(name, read_only=True) as reader:
        writer.set("k", [1])
        assert reader.get("k") == [1]
        for call in (lambda: reader.set("k", 2), lambda: reader.delete("k"), lambda: reader.clear(),
                     lambda: reader.set_many({"k": 2})):  # fmt: skip
            with pytest.raises(forklore.Error, match="read_only"):
                call()
        assert writer.get("k") == [1]


def test_too_large(cache: forklore.Cache) -> None:
    cache.set("k", "old")
    most = cache.stats().max_value_bytes
    cache.set("most", b"x" * most)
    assert len(cache.get("most")) == most
    for call in (cache.set, cache.replace):
        with pytest.raises(forklore.TooLarge, match=f"{most}.*max_value"):
            call("k", b"x" * (most + 1))
    assert cache.get("k") == "old"
    with pytest.raises(forklore.TooLarge):
        cache.add("new", b"x" * (most + 1))
    assert "new" not in cache


def test_full(name: str) -> None:
    with forklore.Cache(name, "256KB", when_full="reject") as cache:
        stored = 0
        with pytest.raises(forklore.Full):
            for i in range(100_000):
                cache.set(f"k{i}", b"x" * 1000)
                stored += 1
        assert 50 < stored < 300
        assert all(cache.get(f"k{i}") is not None for i in range(stored))
        assert cache.set_many({"more": b"x" * 5000}) == ["more"]
        assert cache.verify() == []


def test_a_full_cache_goes_on(name: str) -> None:
    with forklore.Cache(name, "512KB") as cache:
        for i in range(5000):
            cache.set(f"k{i}", b"x" * 1000)
            assert cache.get(f"k{i}") is not None
        assert cache.stats().evictions > 1000
        assert cache.verify() == []


def test_after_close(name: str) -> None:
    cache = forklore.Cache(name, "1MB")
    listing = cache.keys()
    cache.close()
    cache.close()
    assert cache.closed
    assert "closed" in repr(cache)
    for call in (lambda: cache.get("k"), lambda: cache.set("k", 1), lambda: "k" in cache, lambda: cache.stats(),
                 lambda: cache.get_many(["k"]), lambda: next(listing), lambda: pickle.dumps(cache)):  # fmt: skip
        with pytest.raises(forklore.Error, match="closed"):
            call()
    with pytest.raises(forklore.Error, match="not been opened"):
        forklore.Cache.__new__(forklore.Cache).get("k")
    with forklore.Cache(name) as again:
        assert "1" not in again
    with pytest.raises(forklore.Error, match="closed"):
        again.get("k")


def test_close_while_others_call(name: str) -> None:
    for _ in range(20):
        cache = forklore.Cache(name, "1MB")
        cache.set_many({f"k{i}": i for i in range(200)})
        ended = []

        def work(cache: forklore.Cache = cache, ended: list[bool] = ended) -> None:
            try:
                while True:
                    cache.verify()
                    list(cache.keys())
            except forklore.Error:
                ended.append(True)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        cache.stats()
        cache.close()
        for thread in threads:
            thread.join()
        assert ended == [True] * 3


def test_subclass_and_weak_reference(name: str) -> None:
    class Mine(forklore.Cache):
        def get(self, key: str | bytes, default: object = None) -> object:
            return ("mine", super().get(key, default))

    cache = Mine(name, "1MB")
    cache.note = "has a dict"  # type: ignore[attr-defined]
    cache.set("k", 1)
    assert cache.get("k") == ("mine", 1)
    assert type(Mine.attach(name)) is Mine
    reference = weakref.ref(cache)
    del cache
    gc.collect()
    assert reference() is None


def test_pickled_by_name(name: str) -> None:
    with forklore.Cache(name, "2MB", default_ttl=60, serializer="json", lock_timeout=0.5) as cache:
        cache.set("k", [1])
        other = pickle.loads(pickle.dumps(cache))
        assert other.get("k") == [1]
        assert other.serializer == "json"
        other.set("t", 1)
        assert cache.ttl("t") is not None
        assert copy.copy(cache).get("k") == [1]
        data = pickle.dumps(cache)
    forklore.remove(name)
    with pytest.raises(forklore.OpenError):
        pickle.loads(data)
    assert pickle.loads(pickle.dumps(forklore.DEFAULT)) is forklore.DEFAULT
    assert copy.deepcopy(forklore.DEFAULT) is forklore.DEFAULT


def test_a_removed_segment_that_cannot_be_made_anew(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with forklore.Cache(name, "1MB") as writer, forklore.Cache.attach(name, read_only=True) as reader:
        writer.set("k", 1)
        forklore.remove(name)
        end = time.monotonic() + 5
        while reader.get("k") == 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert reader.get("k") is None
        assert reader.get_many(["k"]) == {}
        assert list(reader.keys()) == []
        time.sleep(1)
        assert reader.get("k") is None
        assert sum("reads misses" in record.getMessage() for record in caplog.records) == 1


def test_anonymous(name: str) -> None:
    with forklore.Cache(name, "1MB", place="anonymous") as cache:
        cache.set("k", 1)
        assert cache.get("k") == 1
        assert cache.path == f"anonymous:{name}"
        with pytest.raises(forklore.Error, match="cannot be pickled"):
            pickle.dumps(cache)


def test_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cache.forklore"
    try:
        cache = forklore.Cache(name, "1MB", place="file", path=path)
    except forklore.OpenError as error:
        if "overlay" in str(error):
            pytest.skip(str(error))
        raise
    with cache:
        cache.set("k", 1)
        assert cache.path == str(path)
        with forklore.Cache.attach(str(path), place="file") as other:
            assert other.get("k") == 1
        assert pickle.loads(pickle.dumps(cache)).get("k") == 1
    assert forklore.remove(str(path), place="file") is True
    assert not path.exists()


def test_remove_and_segments(name: str) -> None:
    assert forklore.remove(name) is False
    with forklore.Cache(name, "1MB") as cache:
        [info] = [segment for segment in forklore.segments() if segment.name == name]
        assert info.capacity_bytes == 1 << 20
        assert info.owner == os.geteuid()
        assert info.attached
        assert info.path == cache.path
        assert (Path(cache.path).stat().st_mode & 0o777) == 0o600
        assert forklore.remove(name) is True
    assert name not in [segment.name for segment in forklore.segments()]


def test_segments_of_other_formats_and_owners(name: str) -> None:
    me = os.geteuid()
    owners = [me, 1] if me == 0 else [me]
    files = [Path(f"/dev/shm/forklore-{owner}-{name}-v1") for owner in owners]
    try:
        for file, owner in zip(files, owners, strict=True):
            file.write_bytes(b"of another format")
            os.chown(file, owner, -1)
        found = [segment for segment in forklore.segments() if segment.name == name]
        assert [(s.owner, s.format, s.bytes, s.capacity_bytes, s.attached) for s in found] == [
            (owner, 1, 17, 0, False) for owner in owners
        ]
        assert forklore.remove(name) is True
        assert not files[0].exists()
        if me == 0:
            assert files[1].exists()
            assert forklore.remove(name, owner="daemon") is True
            assert forklore.remove(name, owner=1) is False
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    with pytest.raises(forklore.OpenError, match="no user 'nobody of this host'"):
        forklore.remove(name, owner="nobody of this host")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_removing_what_is_anothers(name: str, fork: Callable[[Callable[[], object]], Any]) -> None:
    with forklore.Cache(name, "1MB"):

        def refused() -> None:
            os.setuid(1)
            with pytest.raises(forklore.OpenError, match="belongs to user 0; only that user and root may remove it"):
                forklore.remove(name, owner=0)
            assert forklore.remove(name) is False

        assert fork(refused).wait() == 0


def test_nothing_that_is_given_is_nothing_given(name: str) -> None:
    for option in ({"capacity": 0}, {"capacity": "0MB"}, {"max_value": 0}, {"stripes": 0}):
        with pytest.raises(forklore.OpenError, match=next(iter(option))):
            forklore.Cache(name, **option)


def test_a_removed_segment_is_made_anew(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with forklore.Cache(name, "1MB") as cache:
        cache.set("k", 1)
        forklore.remove(name)
        end = time.monotonic() + 5
        while cache.stats().reattachments == 0 and time.monotonic() < end:
            time.sleep(0.05)
            cache.get("k")
        assert cache.get("k") is None
        cache.set("k", 2)
        assert forklore.Cache.attach(name).get("k") == 2
        assert cache.stats().capacity_bytes == 1 << 20
    assert any(record.name == "forklore" and "moved" in record.getMessage() for record in caplog.records)

"""Interpreters beside the main one, on every Python. test_subinterpreters.py runs each scenario in a process of its
own, which may crash or hang.

usage: interpreters.py SCENARIO SEGMENT
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator

if sys.version_info >= (3, 13):
    import _interpreters as native
else:
    import _xxsubinterpreters as native

SECONDS = 30  # for what another interpreter is to do


class Interpreter:
    """One that shares the GIL, as mod_wsgi and uWSGI make them, or one with its own."""

    def __init__(self, own_gil: bool = False) -> None:
        if sys.version_info >= (3, 13):
            self.id = native.create("isolated" if own_gil else "legacy")
        elif sys.version_info >= (3, 12):
            self.id = native.create(isolated=own_gil)
        else:
            self.id = native.create()

    def run(self, code: str) -> None:
        """Raises RuntimeError with the error's words if code raised."""
        failed = native.run_string(self.id, textwrap.dedent(code))  # before 3.13 it raises one itself
        if failed is not None:
            raise RuntimeError(failed.formatted)

    def destroy(self) -> None:
        native.destroy(self.id)


@contextlib.contextmanager
def interpreters(count: int, prologue: str) -> Iterator[list[Interpreter]]:
    made = [Interpreter() for _ in range(count)]
    try:
        for one in made:
            one.run(prologue)
        yield made
    finally:
        for one in made:
            one.destroy()


@contextlib.contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Runs work in a thread meanwhile, and raises what it raises."""
    errors = []

    def run() -> None:
        try:
            work()
        except BaseException:
            errors.append(traceback.format_exc())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(SECONDS)
        assert not thread.is_alive(), "it hangs"
    assert not errors, errors[0]


def opened(segment: str) -> str:
    return f"""
import time
import forklore

cache = forklore.Cache({segment!r}, "4MB")

def until(condition):
    end = time.monotonic() + {SECONDS}
    while not condition():
        assert time.monotonic() < end, "did not come to be in time"
        time.sleep(0.001)
"""


def calls(segment: str) -> None:
    """Two at once, in threads."""
    work = """
        import datetime, pickle
        for i in range(300):
            cache.set(f"{me}:{i}", {"i": i}, ttl=forklore.DEFAULT)
            assert cache.get(f"{me}:{i}") == {"i": i}
            cache.set("both", [me], datetime.timedelta(seconds=60))
            assert cache.get("both") in (["first"], ["second"])
            cache.incr("count", initial=0)
        assert sorted(cache.keys(me))[0] == f"{me}:0"
        assert cache.get_or_compute("computed:" + me, lambda: forklore.Kept(me, 60)) == me
        assert cache.get_or_compute("computed:" + me, lambda: 1 / 0) == me
        assert cache.rate_limit("rate", 10_000, 60)
        assert cache.stats().entries > 300
        assert any(one.path == cache.path for one in forklore.segments())
        assert pickle.loads(pickle.dumps(cache)).get("both")
        assert pickle.loads(pickle.dumps(forklore.DEFAULT)) is forklore.DEFAULT
        """
    with interpreters(2, opened(segment)) as (first, second):
        first.run("me = 'first'")
        second.run("me = 'second'")
        with beside(lambda: first.run(work)):
            second.run(work)
        first.run("assert cache.get('count') == 600")


def formats(segment: str) -> None:
    """A type that is registered, packages of compression and serializers: each interpreter has its own."""
    work = """
        from forklore import _core
        class Marked(str):
            __slots__ = ()
        large = "<b>text</b>" * 200
        assert type(cache.get("marked")) is str  # another interpreter's type is never seen here
        _core._register_type("safe", Marked)
        cache.set(me, Marked(large))
        for _ in range(1000):
            assert type(cache.get("marked")) is Marked and cache.get("marked") == large
        with forklore.Cache.attach(cache.name, serializer="json", compress_above=100) as packing:
            packing.set(me + ":packed", [large])
            assert packing.get(me + ":packed") == [large]
        assert forklore.shared_cache(cache.name, "4MB") is forklore.shared_cache(cache.name, "4MB") is not cache
        """
    with interpreters(2, opened(segment)) as (first, second):
        first.run("""
            from forklore import _core
            class First(str):
                pass
            _core._register_type("safe", First)
            cache.set("marked", First("<b>text</b>" * 200))
            _core._register_type("safe", type("Another", (str,), {}))
            assert type(cache.get("marked")).__name__ == "Another"
            """)
        second.run("me = 'second'" + work.replace("\n        ", "\n"))
        first.run("assert type(cache.get('second')).__name__ == 'Another'")
    with interpreters(1, opened(segment)) as (third,):
        third.run("me = 'third'" + work.replace("\n        ", "\n"))


def lock(segment: str) -> None:
    """One waits for a lock that the other has."""
    with (
        interpreters(2, opened(segment)) as (holder, waiter),
        beside(
            lambda: waiter.run("""
            lock = cache.lock("job")
            until(lambda: cache.get("held"))
            assert not lock.acquire(0)
            before = cache.stats().waits
            cache.set("waiting", before)
            assert lock.acquire(30)
            assert cache.get("released")
            lock.release()
            """)
        ),
    ):
        # In one go: since 3.13 each has a thread state of its own, and so is a holder of its own.
        holder.run("""
            lock = cache.lock("job")
            assert lock.acquire(0)
            cache.set("held", True)
            until(lambda: cache.get("waiting") is not None and cache.stats().waits > cache.get("waiting"))
            cache.set("released", True)
            lock.release()
            """)


def computing(segment: str) -> None:
    """One waits for the value that the other computes, and takes it."""
    function = """
@forklore.memoize(cache=cache, name="work")
def work(number):
    cache.set("began", True)
    until(lambda: cache.stats().waits > waits)
    return number * 2

waits = cache.stats().waits
"""
    with interpreters(2, opened(segment) + function) as (first, second):
        with beside(lambda: first.run("assert work(21) == 42")):
            second.run("""
            until(lambda: cache.get("began"))
            assert cache.delete("began")
            assert work(21) == 42
            """)
        second.run("assert cache.get('began') is None, 'it computed as well'")


def destroyed(segment: str) -> None:
    """One ends while another waits, and then one more begins."""
    import forklore

    cache = forklore.Cache(segment, "4MB")
    with interpreters(1, opened(segment)) as (waiter,):
        held = cache.lock("job")
        assert held.acquire(0)
        waits = cache.stats().waits
        with beside(lambda: waiter.run("assert cache.lock('job').acquire(30); cache.set('done', True)")):
            while cache.stats().waits == waits:
                pass
            for _ in range(3):
                with interpreters(1, opened(segment)) as (other,):
                    other.run("assert not cache.lock('job').acquire(0); cache.set('other', [1]); cache.get('other')")
            assert cache.get("done") is None
            held.release()
        assert cache.get("done")
        waiter.run("cache.set('after', {1}); assert cache.get('after') == {1}")


def exceptions(segment: str) -> None:
    """Each has its own classes, and the main one's stay."""
    import forklore

    cache = forklore.Cache(segment, "4MB")
    names = ("Error", "OpenError", "TooLarge", "Full", "Busy", "SerializerError", "Cache", "DEFAULT")
    before = {name: getattr(forklore, name) for name in names}

    def main_catches() -> None:
        for wrong, kind, call in (
            ("too large", forklore.TooLarge, lambda: cache.set("key", b"x" * 3_000_000)),
            ("options", forklore.OpenError, lambda: forklore.Cache(segment, "1 apple")),
            ("unpickled", forklore.SerializerError, lambda: cache.set("key", lambda: None)),
        ):
            try:
                call()
            except kind:
                continue
            raise AssertionError(f"nothing was raised: {wrong}")

    main_catches()
    with interpreters(2, opened(segment)) as both:
        for one in both:
            one.run(f"""
            assert id(forklore.TooLarge) != {id(forklore.TooLarge)} and id(forklore.Cache) != {id(forklore.Cache)}
            assert id(forklore.DEFAULT) != {id(forklore.DEFAULT)}
            for kind, call in (
                (forklore.TooLarge, lambda: cache.set("key", b"x" * 3_000_000)),
                (forklore.OpenError, lambda: forklore.Cache("x", "1 apple")),
                (forklore.SerializerError, lambda: cache.set("key", lambda: None)),
            ):
                try:
                    call()
                except kind as error:
                    assert type(error) is kind
                else:
                    raise AssertionError(kind)
            """)
            main_catches()
    main_catches()
    assert all(getattr(forklore, name) is kept for name, kept in before.items())


def logs(segment: str) -> None:
    """What is said where it happens is logged there."""
    handler = """
import logging

class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())

lines = []
logging.getLogger("forklore").addHandler(Lines())
"""
    with interpreters(2, opened(segment) + handler) as (first, second):
        # From the binding, and from the library's hook.
        first.run("""
        cache.get_or_compute("key", lambda: b"x" * 3_000_000)
        assert len(lines) == 1 and "not stored" in lines[0], lines
        """)
        for one, other, seen in ((second, first, 1), (first, second, 1)):
            one.run(f"""
            lines.clear()
            forklore.remove({segment!r})
            until(lambda: cache.get("key") is None and lines)
            assert len(lines) == 1 and "has moved" in lines[0], lines
            """)
            other.run(f"assert len(lines) == {seen}, lines")


def django(segment: str) -> None:
    """Each has its Django, and its settings."""
    settings = f"""
import django
from django.conf import settings

settings.configure(CACHES={{"default": {{
    "BACKEND": "forklore.django.ForkloreCache", "LOCATION": {segment!r}, "KEY_PREFIX": me, "TIMEOUT": timeout,
    "OPTIONS": {{"CAPACITY": "4MB"}}}}}})
django.setup()
from django.core.cache import cache

def work():
    for i in range(200):
        cache.set(f"key {{i % 10}}", [me, i])
        assert cache.get(f"key {{i % 10}}") == [me, i]
        assert cache.get_or_set("made", lambda: me) == me
        cache.add("count", 0)
        cache.incr("count")
    assert timeout - 60 < cache.handle.ttl(cache.make_key("made")) <= timeout
    cache.set_many({{"a": 1, "b": me}})
    assert cache.get_many(["a", "b", "c"]) == {{"a": 1, "b": me}}
"""
    quiet = "import warnings; warnings.simplefilter('ignore')"
    with interpreters(1, f"{quiet}; me, timeout = 'two', 3000" + settings) as (second,):
        one = interpreters(1, f"{quiet}; me, timeout = 'one', 300" + settings)
        with one as (first,), beside(lambda: first.run("work()")):
            second.run("work()")
        second.run("work()")


def again(segment: str) -> None:
    """The native module imported anew, in one interpreter: the same classes."""
    import forklore

    kinds = forklore.TooLarge, forklore.Cache, forklore.DEFAULT
    del sys.modules["forklore._core"]
    other = importlib.import_module("forklore._core")
    assert (other.TooLarge, other.Cache, other.DEFAULT) == kinds
    try:
        other.Cache(segment, "2MB").set("key", b"x" * 3_000_000)
    except forklore.TooLarge:
        return
    raise AssertionError("nothing was raised")


def freed(segment: str) -> None:
    """Nothing native holds the module: an interpreter that ends leaves nothing behind."""
    import gc
    import weakref

    found = importlib.util.find_spec("forklore")
    assert found is not None and found.submodule_search_locations is not None
    spec = importlib.machinery.PathFinder.find_spec("forklore._core", list(found.submodule_search_locations))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cache = module.Cache(segment, "2MB")
    cache.set("key", {"any": "thing"})
    assert cache.get("key") == {"any": "thing"} and list(cache.keys()) == ["key"]
    gone = weakref.ref(module), weakref.ref(module.Cache), weakref.ref(module.TooLarge), weakref.ref(cache)
    del module, cache, spec
    gc.collect()
    assert [one() for one in gone] == [None] * len(gone)


def own_gil(segment: str) -> None:
    """Refused, with the settings that help."""
    one = Interpreter(own_gil=True)
    try:
        one.run("import forklore")
    except RuntimeError as error:
        said = str(error)
    else:
        raise AssertionError("it was imported")
    assert "ImportError" in said
    assert "WSGIApplicationGroup %{GLOBAL}" in said and "single-interpreter" in said, said
    one.destroy()


SCENARIOS = (calls, formats, lock, computing, destroyed, exceptions, logs, django, again, freed, own_gil)

if __name__ == "__main__":
    named = {scenario.__name__: scenario for scenario in SCENARIOS}
    named[sys.argv[1]](sys.argv[2])

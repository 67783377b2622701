"""The small examples, each on a segment of its own."""

from __future__ import annotations

import asyncio
import types
from pathlib import Path

import httpx
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging

EXAMPLES = Path(__file__).resolve().parents[2] / "examples/hello"


def load(file: str, name: str) -> types.ModuleType:
    """An example as a module, with this segment's name and without a broker."""
    source = (EXAMPLES / file).read_text().replace('Cache("hello"', f'Cache("{name}"')
    source = source.replace('broker="redis://localhost"', 'broker="memory://", backend="cache+memory://"')
    module = types.ModuleType(file.removesuffix(".py"))
    exec(compile(source, EXAMPLES / file, "exec"), module.__dict__)
    assert module.cache.name == name
    return module


def test_fastapi(name: str) -> None:
    example = load("hello_fastapi.py", name)

    async def ask() -> list[dict]:
        transport = httpx.ASGITransport(app=example.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = await asyncio.gather(*(client.get("/product/5") for _ in range(4)))
            return [answer.json() for answer in answers]

    assert asyncio.run(ask()) == [{"number": 5, "lookups": 1}] * 4
    example.cache.close()


@setup_logging.connect
def leave_logging(**_: object) -> None:
    """A worker that finds this does not set up logging, which the other tests have as it is."""


def test_celery(name: str) -> None:
    example = load("hello_celery.py", name)
    with start_worker(example.app, perform_ping_check=False, pool="threads", concurrency=2, loglevel="ERROR"):
        results = [example.report.delay() for _ in range(2)]
        assert sorted(result.get(timeout=20) for result in results) == ["another worker is at it", "written"]
        assert example.report.delay().get(timeout=20) == "written"
    example.cache.close()

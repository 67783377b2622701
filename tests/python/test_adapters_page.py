"""The examples of docs/adapters.md are run, each with a segment of its own."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adapters.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(example: str, name: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "example"}
    exec(re.sub(r"\b(mysite|mylimits)\b", name, example).replace(f'Flask("{name}")', 'Flask("mysite")'), scope)
    return scope


def test_dogpile(name: str) -> None:
    scope = run(EXAMPLES[0], name)
    assert scope["profile"](5) == {"id": 5}
    assert 3500 < scope["region"].backend.cache.ttl("example:profile|5") <= 3600


@pytest.mark.skipif(importlib.metadata.version("flask-caching") < "2.5", reason="wants forklore.cachelib.flask_cache")
def test_flask_caching(name: str) -> None:
    scope = run(EXAMPLES[1], name)
    with scope["app"].app_context():
        assert scope["app"].test_client().get("/").data == b"served"
        assert list(scope["cache"].cache.cache.keys("flask:")) == ["flask:view//"]


def test_limits(name: str) -> None:
    scope = run(EXAMPLES[2], name)
    hit, item = scope["limiter"].hit, scope["RateLimitItemPerMinute"](5)
    assert [hit(item, "login", "ada") for _ in range(5)] == [True] * 4 + [False]


def test_there_are_no_others() -> None:
    assert len(EXAMPLES) == 3

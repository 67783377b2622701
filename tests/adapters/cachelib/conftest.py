"""What cachelib's tests take from their own conftest.py, without the servers that it starts."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

shipped = ast.parse((Path(__file__).parent / "shipped_conftest.py").read_text())
[data] = [node for node in shipped.body if isinstance(node, ast.ClassDef) and node.name == "TestData"]
found: dict[str, Any] = {}
exec(compile(ast.Module([data], []), "shipped_conftest.py", "exec"), found)
TestData = found["TestData"]


def under_uwsgi() -> bool:
    return False


@pytest.fixture(autouse=True)
def cache_factory(request: pytest.FixtureRequest) -> Any:
    import os

    import forklore
    from forklore.cachelib import ForkloreCache

    name = f"{os.environ.get('FORKLORE_TEST_RUN', '')}suite-cachelib-{os.getpid()}"
    request.cls.cache_factory = lambda self, *args, **options: ForkloreCache(name, *args, **options)
    yield
    forklore.remove(name)

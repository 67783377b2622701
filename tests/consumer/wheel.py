"""What an installed wheel must do where there is no compiler: scripts/wheels.sh runs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import django
from django.conf import settings

import forklore

NAME = f"{os.environ.get('FORKLORE_TEST_RUN', '')}wheel-{os.getpid()}"


def main() -> None:
    found = [name for name in ("cc", "gcc", "g++", "c++", "clang", "cmake", "ninja") if shutil.which(name)]
    assert not found, f"on PATH: {found}"
    assert Path(forklore.__file__).is_relative_to(sys.prefix), forklore.__file__
    with forklore.Cache(NAME, "1MB") as cache:
        cache.set("key", [1, "two"])
        assert cache.get("key") == [1, "two"]
        assert cache.incr("count", initial=0) == 1
        with cache.lock("lock", wait=0):
            pass
        for command in ([sys.executable, "-m", "forklore"], [Path(sys.executable).parent / "forklore"]):
            shown = subprocess.run([*command, "get", NAME, "count"], capture_output=True, timeout=30, check=True)
            assert shown.stdout == b"1\n"
    settings.configure(CACHES={"default": {"BACKEND": "forklore.django.ForkloreCache", "LOCATION": NAME}})
    django.setup()
    from django.core.cache import caches

    caches["default"].set("greeting", "hello", 60)
    assert caches["default"].get("greeting") == "hello"
    caches["default"].close()


if __name__ == "__main__":
    try:
        main()
    finally:
        forklore.remove(NAME)
    print(f"Python {sys.version.split()[0]}, Django {django.get_version()}, forklore {forklore.__version__}")

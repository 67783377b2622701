"""A process that has loaded much before: what other libraries leave of static thread-local storage is little.

The loader keeps some 1,600 bytes of it for all libraries that come after the program's start.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import forklore

MOST = 64  # bytes
PT_TLS, PT_DYNAMIC = 7, 2
DT_FLAGS, DF_STATIC_TLS = 30, 0x10


def static_tls(library: Path) -> int:
    """The bytes of static thread-local storage that a 64-bit little-endian ELF file asks for."""
    data = library.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    (table,), (entry_bytes, entries) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    size = flags = 0
    for at in range(table, table + entry_bytes * entries, entry_bytes):
        kind, _, offset, _, _, in_file, in_memory, alignment = struct.unpack_from("<IIQQQQQQ", data, at)
        if kind == PT_TLS:
            size = -(-in_memory // alignment) * alignment
        if kind == PT_DYNAMIC:
            words = dict(struct.iter_unpack("<QQ", data[offset : offset + in_file]))
            flags = words.get(DT_FLAGS, 0)
    return size if flags & DF_STATIC_TLS else 0


def test_the_module_asks_for_little_static_thread_local_storage() -> None:
    assert static_tls(Path(forklore._core.__file__)) <= MOST


LOAD = """
import ctypes, sys
ctypes.CDLL("libstdc++.so.6")
loaded = 0
try:
    for library in sys.argv[2:]:
        ctypes.CDLL(library)
        loaded += 1
except OSError as error:
    assert "static TLS" in str(error), error
print(loaded, flush=True)
if sys.argv[1] == "import":
    import forklore
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_it_loads_where_others_have_left_room_for_no_more_than_that(tmp_path: Path) -> None:
    """Libraries that take 64 bytes each, one less than there is room for."""
    source, first = tmp_path / "filler.c", tmp_path / "filler.so"
    source.write_text("static __thread char bytes[64]; char *filler(void) { return bytes; }\n")
    compiled = ["cc", "-shared", "-fPIC", "-ftls-model=initial-exec", source, "-o", first]
    subprocess.run(compiled, check=True, timeout=60)
    assert static_tls(first) == MOST
    fillers = [first, *(Path(shutil.copy(first, tmp_path / f"filler{i}.so")) for i in range(100))]

    def load(what: str, libraries: list[Path]) -> int:
        command = [sys.executable, "-c", LOAD, what, *libraries]
        done = subprocess.run(command, timeout=60, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    room = load("look", fillers)
    assert 1 < room < len(fillers), "nothing was used up"
    assert load("import", fillers[: room - 1]) == room - 1

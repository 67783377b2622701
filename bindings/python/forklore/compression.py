"""How values are compressed: two functions for each name. Native code calls them (compression.cpp).

compress(data) answers bytes. decompress(data, size) answers at most size bytes and one more, and allocates no more than
that, whatever data claims: it may be damaged, or made to harm. It raises if data is not whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

_Calls: TypeAlias = tuple[Callable[[Any], bytes], Callable[[Any, int], bytes]]

ZLIB_LEVEL = 1  # level 6 takes two to three times as long for a tenth less


def _zlib() -> _Calls:
    import zlib

    def compress(data: Any) -> bytes:
        return zlib.compress(data, ZLIB_LEVEL)

    def decompress(data: Any, size: int) -> bytes:
        engine = zlib.decompressobj()
        made = engine.decompress(data, size + 1)  # the one more tells that there is no more
        if not engine.eof or engine.unused_data:
            raise ValueError("the compressed data is cut off, or too long")
        return made

    return compress, decompress


class _OwnOfThread(threading.local):
    """The objects of zstandard, which are for one thread."""

    def __init__(self, make_compressor: Callable[[], Any], make_decompressor: Callable[[], Any]) -> None:
        self.compressor, self.decompressor = make_compressor(), make_decompressor()


def _zstd() -> _Calls:
    import zstandard

    own = _OwnOfThread(lambda: zstandard.ZstdCompressor(level=3), zstandard.ZstdDecompressor)

    def compress(data: Any) -> bytes:
        return own.compressor.compress(data)

    def decompress(data: Any, size: int) -> bytes:
        if zstandard.frame_content_size(data) != size:  # which is what would be allocated
            raise ValueError("the compressed data claims another size")
        return own.decompressor.decompress(data, max_output_size=size)

    return compress, decompress


def _lz4() -> _Calls:
    from lz4 import block

    def compress(data: Any) -> bytes:
        return block.compress(data, store_size=False)

    def decompress(data: Any, size: int) -> bytes:
        return block.decompress(data, uncompressed_size=size)

    return compress, decompress


_ALL = {"zlib": _zlib, "zstd": _zstd, "lz4": _lz4}


def calls_of(name: str) -> _Calls:
    """(compress, decompress). Raises ImportError if the package is not there."""
    return _ALL[name]()

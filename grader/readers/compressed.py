"""Files compressed with zstd or gzip, as the stream of what they hold."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from grader.errors import InputError

SUFFIXES = frozenset({".zst", ".gz"})
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
# So many compressed bytes at once: a block of four can stand for 128 kB, so that no piece is above 32 MB.
_PIECE = 1024
# What comes out may be so many times what went in; below that size nobody counts.
MAX_RATIO = 250
UNCOUNTED = 2**30


@contextmanager
def decompressed(stream: BinaryIO, path: Path) -> Iterator[BinaryIO]:
    """What a file holds: as it is, unless its first bytes say that it is compressed.

    Raises
    ------
    InputError
        While it is read: what was compressed is damaged or cut off, or grows past `MAX_RATIO` times its size.
    """
    magic = stream.read(4) if stream.seekable() else b""
    if magic:
        stream.seek(0)
    if not magic.startswith((_ZSTD, _GZIP)):
        yield stream
        return
    import zstandard

    inflated = cast(Any, gzip.open(stream) if magic.startswith(_GZIP) else _Zstd(stream))
    try:
        yield cast(BinaryIO, io.BufferedReader(_Counted(inflated, stream, path)))
    except (zstandard.ZstdError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"compressed data is damaged or cut off ({error})", file=path) from None


class _Counted(io.RawIOBase):
    """What comes out, as long as it is in some proportion to what went in."""

    def __init__(self, plain: Any, stream: BinaryIO, path: Path) -> None:
        self._plain, self._stream, self._path = plain, stream, path
        self._n_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n: int = self._plain.readinto(buffer)
        self._n_bytes += n
        if self._n_bytes > UNCOUNTED and self._n_bytes > MAX_RATIO * self._stream.tell():
            raise InputError(f"compressed data grows past {MAX_RATIO} times its size", file=self._path)
        return n


class _Zstd(io.RawIOBase):
    """One zstd frame after another. The package's own reader ends without a word where a frame is cut off."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._frame: Any = None
        self._compressed = b""
        self._plain = memoryview(b"")  # to cut a piece off a view copies nothing

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            self._compressed = self._compressed or self._stream.read(_PIECE)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("the last frame has no end")
                return 0
            self._decompress()
        n = min(len(buffer), len(self._plain))
        buffer[:n], self._plain = self._plain[:n], self._plain[n:]
        return n

    def _decompress(self) -> None:
        import zstandard

        if self._frame is None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._plain, self._compressed = memoryview(self._frame.decompress(self._compressed)), b""
        if self._frame.eof:
            self._compressed, self._frame = self._frame.unused_data, None

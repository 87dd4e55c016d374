"""Members of a zip archive, inflated within a bound: deflate, and Zstandard, which zipfile cannot read."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from grader.errors import InputError
from grader.readers.records import open_binary

# A member may inflate to this many bytes; the largest sample logs seen have some 100 MB.
MAX_INFLATED = 512 * 2**20
# All members together: to MAX_INFLATED, or so many times the size of the archive. Members of a bomb share their bytes.
MAX_RATIO = 1000
_ZSTANDARD = 93  # also called 20 by an early draft
_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)


class Archive:
    """An open zip archive: names, and the bytes of one member at a time."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.stream = stream
        self.path = path
        self.inflated = 0
        self._most = max(MAX_INFLATED, MAX_RATIO * stream.seek(0, os.SEEK_END))
        try:
            self.zip = zipfile.ZipFile(stream)
        except _UNREADABLE as error:
            raise InputError(f"no readable zip archive ({error})", file=path) from None
        # A log that was scored again holds two members of one name: the last one is valid.
        self.members = {info.filename: info for info in self.zip.infolist()}

    def read(self, name: str) -> bytes:
        """The inflated bytes of a member.

        Raises
        ------
        InputError
            When the member is damaged, encrypted, compressed by an unknown method, or inflates past
            `MAX_INFLATED` bytes, whatever size the archive claims; or all that were read past `MAX_RATIO`
            times the archive's own size.
        """
        info = self.members[name]
        try:
            if info.compress_type in (_ZSTANDARD, 20):
                data = self._read_zstandard(info)
            else:
                with self.zip.open(info) as member:
                    data = member.read(MAX_INFLATED + 1)
        except _UNREADABLE as error:
            raise InputError(f"damaged member ({error or type(error).__name__})", file=self.path, record=name) from None
        if len(data) > MAX_INFLATED:
            raise InputError(f"inflates past {MAX_INFLATED} bytes", file=self.path, record=name)
        self.inflated += len(data)
        if self.inflated > self._most:
            raise InputError(f"the archive inflates past {self._most} bytes", file=self.path, record=name)
        return data

    def _read_zstandard(self, info: zipfile.ZipInfo) -> bytes:
        if info.flag_bits & _ENCRYPTED:
            raise RuntimeError("encrypted")
        self.stream.seek(info.header_offset)
        magic, name_length, extra_length = _LOCAL_HEADER.unpack(self.stream.read(_LOCAL_HEADER.size))
        if magic != b"PK\x03\x04":
            raise zipfile.BadZipFile("no local header")
        self.stream.seek(name_length + extra_length, 1)
        data = inflate_zstandard(self.stream.read(info.compress_size))
        if len(data) <= MAX_INFLATED and zlib.crc32(data) != info.CRC:
            raise zipfile.BadZipFile("bad checksum")
        return data


def inflate_zstandard(raw: bytes) -> bytes:
    """Inflate Zstandard frames, giving up one byte past `MAX_INFLATED`."""
    window = zstandard.ZstdDecompressor(max_window_size=2**27)
    with window.stream_reader(raw, read_across_frames=True) as reader:
        return reader.read(MAX_INFLATED + 1)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a zip archive for reading.

    Raises
    ------
    InputError
        When the file cannot be read or is no zip archive.
    """
    with open_binary(path) as stream:
        yield Archive(stream, path)

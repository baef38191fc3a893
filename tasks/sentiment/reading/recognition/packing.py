"""Packed files: what one is packed with, as its first bytes say, and its content as a stream.

One layer is unpacked. Of a zip archive the one file in it that holds data is the content.
"""

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO, cast

import pyarrow as pa

from tasks.sentiment.errors import SourceError

BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
_BEGINNINGS = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\0"), "xz"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd"),
    (re.compile(rb"PK(?:\x03\x04|\x05\x06)"), "zip"),  # the latter of an archive of nothing
)
_OFFICE = (
    ("xl/", "an Excel workbook"),
    ("word/", "a Word document: save its table as CSV"),
    ("ppt/", "a presentation, and holds no table"),
    ("mimetype", "an OpenDocument file: save its table as CSV"),
)
_NAMES_SHOWN = 5
_ENCRYPTED = 1  # bit of a member's flags


def packing_of(head: bytes) -> str | None:
    """What a file with these first bytes is packed with; None if it is not packed."""
    return next((name for start, name in _BEGINNINGS if start.match(head)), None)


def unpack(binary: IO[bytes], packing: str, file: str, stack: ExitStack) -> IO[bytes]:
    """The content of a packed file that stands at its beginning.

    Args: stack: closes what had to be opened.
    Raises:
        SourceError: an archive with no file in it or several, with a password, or of an office.
        one of BROKEN, OSError: it is damaged; also while the content is read.
    """
    if packing == "gzip":
        return cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=binary)))
    if packing == "bzip2":
        return cast("IO[bytes]", stack.enter_context(bz2.BZ2File(binary)))
    if packing == "xz":
        return cast("IO[bytes]", stack.enter_context(lzma.LZMAFile(binary)))
    if packing == "zstd":
        stream = pa.CompressedInputStream(pa.PythonFile(binary, "r"), "zstd")
        return cast("IO[bytes]", stack.enter_context(stream))
    return _open_member(binary, file, stack)


def _open_member(binary: IO[bytes], file: str, stack: ExitStack) -> IO[bytes]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(binary))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise SourceError(
            f"{file} begins like an Excel workbook or a zip archive (PK), and is cut off or damaged"
        ) from error
    names = archive.namelist()
    for start, what in _OFFICE:
        if any(name.startswith(start) for name in names):
            raise SourceError(f"{file} is {what}")
    members = [member for member in archive.infolist() if _is_data(member)]
    if len(members) != 1:
        shown = ", ".join(member.filename for member in members[:_NAMES_SHOWN])
        more = ", …" if len(members) > _NAMES_SHOWN else ""
        listed = f" ({shown}{more})" if members else ""
        raise SourceError(
            f"{file} is a zip archive of {len(members)} files{listed}: unpack it and give the"
            " folder, or one file"
        )
    if members[0].flag_bits & _ENCRYPTED:
        raise SourceError(f"{file} is a zip archive with a password: unpack it first")
    try:
        return stack.enter_context(archive.open(members[0]))
    except NotImplementedError as error:  # a method such as Deflate64
        raise SourceError(f"{file} is packed in a way that is not read: {error}") from error


def _is_data(member: zipfile.ZipInfo) -> bool:
    """Not a folder, nor what archivers of other systems add."""
    parts = PurePosixPath(member.filename).parts
    return not member.is_dir() and not any(part.startswith((".", "__MACOSX")) for part in parts)

"""Files that are there whole or not at all, also after a power cut.

Written aside, brought to the disk, put in place, and the folder brought to the disk. Any number
of processes may write the same file: the last one wins.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

ASIDE = ".tmp-"  # how the name of a file begins that is still being written, or whose writer died


@contextmanager
def written_aside(file: Path, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A file to write into, put in the place of `file` at the end of the block.

    Its folder is made. On any error nothing stays of what was written: on a full disk, that is the
    room that a database needs to say so.

    Args:
        mode: its permissions, whatever the umask says.

    Raises: OSError: it cannot be written; names `file`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{ASIDE}{secrets.token_hex(4)}-{file.name}")
    try:
        with open(aside, "xb", opener=lambda path, flags: _open(path, flags, mode)) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(file)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and error.filename in (None, aside, str(aside))
        ):
            raise OSError(error.errno, os.strerror(error.errno), str(file)) from error
        raise
    sync_folder(file.parent)


def write_bytes(file: Path, content: bytes, mode: int | None = None) -> None:
    """Put a file in the place of what was there.

    Raises: OSError: it cannot be written.
    """
    with written_aside(file, mode) as handle:
        handle.write(content)


def write_text(file: Path, content: str) -> None:
    """Put a file of UTF-8 in the place of what was there.

    Raises: OSError: it cannot be written.
    """
    write_bytes(file, content.encode())


def sync_file(file: Path) -> None:
    """Bring a file's content to the disk."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk.

    Raises: OSError: it cannot be done; names the folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(handle)


def _open(path: str, flags: int, mode: int | None) -> int:
    handle = os.open(path, flags, 0o666 if mode is None else mode)
    if mode is not None:
        os.fchmod(handle, mode)
    return handle


def nearest_folder(path: Path) -> Path:
    """The path itself if it is there, else the nearest folder above it that is."""
    return next(each for each in (path, *path.parents) if each.exists())


def file_digest(file: Path) -> str:
    """The sha256 of a file, in hexadecimal digits.

    Raises: OSError: it cannot be read.
    """
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

"""The folder that telemetry arrives in: `<device>/<utc>-<name>.jsonl`, each file whole.

Whoever can write there may be hostile: names that are no device's, links, pipes, and files of any
size. Nothing is followed out of the folder, and nothing is read beyond a ceiling.
"""

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge_detector.contract.names import DEVICE_ID
from edge_detector.contract.telemetry import MAX_BATCH_BYTES

from edge.fleet.errors import InboxError
from edge.fleet.record import clean
from services.storage.files import write_bytes

STALE_S = 86_400.0  # after which a file that was never finished goes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrival:
    """A file that has arrived. `fault`: why it is not read; `content` is then what it begins with.

    device: the name of its folder; where that is no device's, the fault says so. arrived_at: when
    it was written, as the file system tells.
    """

    path: Path
    device: str
    name: str
    content: bytes
    arrived_at: datetime
    fault: str | None = None


def write_batch(inbox: Path, device: str, body: bytes, received_at: datetime) -> Path:
    """Put lines that a device has sent into its folder.

    Raises:
        InboxError: the folder cannot be written.
    """
    name = f"{received_at:%Y%m%dT%H%M%S}-{hashlib.sha256(body).hexdigest()[:12]}.jsonl"
    folder = inbox / device
    try:
        write_bytes(folder / name, body)
    except OSError as error:
        raise InboxError(f"{folder}: {os.strerror(error.errno or 0)}") from error
    return folder / name


def list_devices(inbox: Path) -> list[Path]:
    """The folders in the inbox, sorted; none if it does not exist yet.

    Raises:
        InboxError: it cannot be read.
    """
    try:
        with os.scandir(inbox) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InboxError(f"{inbox}: {os.strerror(error.errno or 0)}") from error
    return sorted(folder for folder in found if not folder.name.startswith("."))


def read_arrivals(folder: Path, limit: int) -> Iterator[Arrival]:
    """The files of one device's folder, oldest first, at most `limit` of them.

    Raises:
        InboxError: the folder cannot be read.
    """
    device = folder.name
    known = DEVICE_ID.accepts(device)
    for name in list_files(folder)[:limit]:
        path = folder / name
        try:
            content, changed, fault = _read(path)
        except FileNotFoundError:
            continue  # another run has loaded it
        except OSError as error:
            logger.warning("%s stays in the inbox: %s", path, error)
            continue
        if not known:
            fault = "its folder is not named like a device"
        arrived_at = datetime.fromtimestamp(changed, UTC)
        yield Arrival(path, clean(device, 64), clean(name, 200), content, arrived_at, fault)


def list_files(folder: Path) -> list[str]:
    """The names of the finished files in a device's folder, sorted.

    Raises:
        InboxError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    except OSError as error:
        raise InboxError(f"{folder}: {os.strerror(error.errno or 0)}") from error
    return sorted(name for name in found if not name.startswith("."))


def remove(arrival: Arrival) -> bool:
    """Take a file out of the inbox; False: it stays, and is found to be known the next time."""
    try:
        arrival.path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s stays in the inbox: %s", arrival.path, error)
        return False
    return True


def sweep(folder: Path, now: float) -> None:
    """Remove what was begun in a device's folder and not finished for a day."""
    for path in folder.glob(".*"):
        try:
            if now - path.lstat().st_mtime > STALE_S:
                path.unlink()
        except OSError:  # gone, or not ours to remove
            continue


def _read(path: Path) -> tuple[bytes, float, str | None]:
    """What a file holds, when that was written, and why it is not to be read, if so."""
    # Neither through a link, nor waiting for the other end of a pipe.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            return b"", 0.0, "is a link"
        raise error
    with os.fdopen(handle, "rb") as file:
        details = os.fstat(handle)
        if not stat.S_ISREG(details.st_mode):
            return b"", 0.0, "is no file"
        if details.st_size > MAX_BATCH_BYTES:
            excess = f"{details.st_size:,} bytes; at most {MAX_BATCH_BYTES:,} are read"
            return file.read(1_000), 0.0, excess
        # A file may bear any time; a date holds not all of them.
        changed = min(max(details.st_mtime, 0.0), float(2**32))
        return file.read(MAX_BATCH_BYTES), changed, None

"""What the machine refuses is told in one line: place, reason, way out; a bug is left as it is."""

import errno
import os
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import httpx
import pytest

from tasks.orchestration import faults

HOME = Path("/srv/home")
Usage = namedtuple("Usage", "total used free")


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """The error as it is after it was raised, with its cause or with none."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def while_handling(first: Exception, second: Exception) -> BaseException:
    try:
        try:
            raise first
        except Exception:
            raise second  # noqa: B904 - not on purpose from the first
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("number", "reason", "way_out"),
    [
        (errno.ENOSPC, "No space left on device", "make room"),
        (errno.EDQUOT, "Disk quota exceeded", "quota"),
        (errno.EFBIG, "File too large", "ulimit -f"),
        (errno.EROFS, "Read-only file system", "TRIPTYCH_HOME"),
        (errno.EACCES, "Permission denied", "TRIPTYCH_HOME"),
        (errno.EPERM, "Operation not permitted", "TRIPTYCH_HOME"),
        (errno.EIO, "Input/output error", "system's log"),
        (errno.ENOTDIR, "Not a directory", "a file stands"),
        (errno.EMFILE, "Too many open files", "ulimit -n"),
    ],
)
def test_error_of_the_home_names_the_file_the_reason_and_what_would_help(number, reason, way_out):
    """One line, whatever the number."""
    line = faults.describe(OSError(number, os.strerror(number), "/srv/home/a/b.parquet"), HOME)

    assert line is not None and "\n" not in line
    assert line.startswith(f"/srv/home/a/b.parquet: {reason}; ")
    assert way_out in line


def test_error_outside_the_home_does_not_send_the_reader_to_the_home():
    """Another home would not help where an output folder is not ours."""
    line = faults.describe(PermissionError(errno.EACCES, "Permission denied", "/etc/out"), HOME)

    assert line == "/etc/out: Permission denied; give this user the right to it"


def test_error_without_a_name_names_the_home():
    """An open file's write knows no name."""
    line = faults.describe(OSError(errno.ENOSPC, "No space left on device"), HOME)

    assert line is not None and line.startswith(f"a file under {HOME}: No space left on device; ")


def _write_with_pathlib() -> None:
    Path("/dev/full").write_text("a page " * 9_999)


def _write_to_a_handle() -> None:
    with Path(__file__).open() as source, Path("/dev/full").open("w") as target:
        target.write(source.read() * 99)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("write", [_write_with_pathlib, _write_to_a_handle])
def test_error_of_a_handle_names_the_file_that_was_written(write):
    """Not the one that was read beside it."""
    with pytest.raises(OSError) as full:
        write()
    assert full.value.filename is None

    line = faults.describe(full.value, HOME)

    assert line is not None and line.startswith("/dev/full: No space left on device; make room")


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("attempt to write a readonly database"),
        sqlite3.OperationalError("unable to open database file"),
        sqlite3.OperationalError("disk I/O error"),
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
        OSError("1024 requested and 512 written"),
        OSError(None, "Unable to create file (errno = 28, message = 'No space left on device')"),
        raised(ValueError("not saved"), OSError(errno.ENOSPC, "No space left on device")),
        while_handling(OSError(errno.ENOSPC, "No space left on device"), ValueError("bars gone")),
    ],
    ids=lambda error: str(error)[:40],
)
def test_relatives_of_a_refused_write_are_known_through_libraries(error):
    """By their words, and by what they came from."""
    line = faults.describe(error, HOME)

    assert line is not None and str(HOME) in line
    assert faults.is_lasting(error) or "disk I/O error" in line


@pytest.mark.parametrize(
    "error",
    [
        KeyError("text"),
        AssertionError("rows got lost"),
        while_handling(FileNotFoundError(errno.ENOENT, "No such file", "x"), KeyError("text")),
        RuntimeError("cannot schedule new futures after shutdown"),
        sqlite3.OperationalError("no such table: places"),
    ],
    ids=repr,
)
def test_bug_is_not_told_as_a_fault_of_the_machine(error, tmp_path):
    """It keeps its traceback, and may be tried again like anything unknown."""
    assert faults.describe(error, tmp_path) is None
    assert not faults.is_lasting(error)


def test_whatever_fails_on_a_full_disk_is_put_down_to_it(monkeypatch, tmp_path):
    """Libraries lose the reason; a disk without a free page is reason enough."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30, 1 << 30, 4096))

    line = faults.describe(ValueError("cannot write the plot"), tmp_path / "not" / "there")

    assert line is not None and line.startswith("the disk of ") and "is full: make room" in line
    assert "cannot write the plot" in line


def test_prefect_server_that_does_not_answer_is_named(tmp_path):
    """With what to do; without a traceback of its client."""
    error = raised(
        RuntimeError("Failed to reach API at http://127.0.0.1:1/api/"),
        httpx.ConnectError("[Errno 111] Connection refused"),
    )

    line = faults.describe(error, tmp_path)

    assert line is not None and "Connection refused" in line and "PREFECT_API_URL" in line


@pytest.mark.parametrize(
    ("message", "advised"),
    [
        ("database sqlite:///a.db: database or disk is full", "make room on that disk"),
        ("database sqlite:///a.db: attempt to write a readonly database", "mount it writable"),
        ("reviews.csv cannot be read: Permission denied", ""),
        ("reviews.csv has no column text", ""),
    ],
)
def test_advice_is_given_behind_what_a_database_says(message, advised):
    """And nothing is put behind other messages."""
    line = faults.advise(message)

    assert line.startswith(message) and advised in line
    assert bool(advised) == (line != message)
    assert faults.advise(line) == line


def test_folder_in_the_place_of_a_database_is_named_as_what_it_is(tmp_path):
    """SQLite tells it in the same words as a missing right."""
    (tmp_path / "triptych.db").mkdir()
    message = f"database sqlite:///{tmp_path}/triptych.db: unable to open database file"

    assert "; a folder stands where a file is needed: move it away" in faults.advise(message)
    assert "; give this user the right" in faults.advise(message.replace("triptych", "other"))


@pytest.mark.parametrize(("free", "helps"), [(0, "make room"), (1 << 30, "the disk fails")])
def test_disk_that_seems_to_fail_is_looked_at_for_room(monkeypatch, tmp_path, free, helps):
    """SQLite says the same of a log's index that finds no room and of a broken disk."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30, (1 << 30) - free, free))
    message = f"database sqlite:///{tmp_path}/triptych.db: disk I/O error"

    line = faults.advise(message, tmp_path)

    assert line.startswith(f"{message}; {helps}")
    assert line.count(";") == 1 and faults.advise(line, tmp_path) == line

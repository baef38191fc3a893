"""What the machine refuses a run: a full disk, a missing right, a Prefect server that is away.

None of it is a mistake in the arguments or in our code. It is told in one line that names the
file or folder, the reason and what would help; with a bug, which keeps its traceback, it is not
mixed up.
"""

import errno
import io
import os
import re
import shutil
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import httpx

from tasks.orchestration.prefect_access import describe_refusal

NO_ROOM_BYTES = 64 << 10  # with less than this free, whatever failed is taken to have failed by it

_AGAIN = ", then run the same command again"
_ELSEWHERE = ", or set TRIPTYCH_HOME to a folder that can be written"
_ADVICE = {  # and what goes with it where the file lies in the home folder
    errno.ENOSPC: (f"make room on that disk{_AGAIN}", ""),
    errno.EDQUOT: (f"make room within the quota, or have it raised{_AGAIN}", ""),
    errno.EFBIG: (
        f"the file system or `ulimit -f` forbids so large a file: raise it{_AGAIN}",
        "",
    ),
    errno.EROFS: ("mount it writable", _ELSEWHERE),
    errno.EACCES: ("give this user the right to it", _ELSEWHERE),
    errno.EPERM: ("give this user the right to it", _ELSEWHERE),
    errno.EIO: ("the disk fails: look into the system's log", _ELSEWHERE),
    errno.ENOTDIR: ("a file stands where a folder is needed: move it away", _ELSEWHERE),
    errno.EEXIST: ("a file stands where a folder is needed: move it away", _ELSEWHERE),
    errno.EISDIR: ("a folder stands where a file is needed: move it away", _ELSEWHERE),
    errno.EMFILE: (f"raise `ulimit -n`{_AGAIN}", ""),
    errno.ENFILE: (f"too many files are open on this machine: end something{_AGAIN}", ""),
    errno.ENOMEM: (f"end something that takes memory{_AGAIN}", ""),
}
# Not of a name that is missing, which a caller may have asked for on purpose, nor of a network.
_OF_THE_DISK = frozenset(_ADVICE)
# Trying again seconds later helps with none of these; somebody has to do something first.
_LASTING = _OF_THE_DISK - {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
# What libraries make of these numbers, by then without the number.
_WORDS = (
    (
        re.compile(r"no space left|os error 28\b|disk is full|failed writing file", re.I),
        errno.ENOSPC,
    ),
    (re.compile(r"\d+ requested and \d+ written"), errno.ENOSPC),  # numpy
    (re.compile(r"quota exceeded", re.I), errno.EDQUOT),
    (re.compile(r"file too large", re.I), errno.EFBIG),
    (re.compile(r"read-?only (file ?system|database)", re.I), errno.EROFS),
    (re.compile(r"unable to open database file", re.I), errno.EACCES),
    (re.compile(r"disk i/o error|input/output error", re.I), errno.EIO),
)
_SQLITE_FILE = re.compile(r"sqlite:///(.+?): ")


def describe(error: BaseException, home: Path) -> str | None:
    """The line for an error that is the machine's; None: it is something else.

    home: where files lie whose name the error does not say.
    """
    for each, is_meant in _chain(error):
        number = _number(each)
        if number in _OF_THE_DISK or (is_meant and isinstance(each, OSError)):
            return _line(each, number, home)
        if is_meant and _is_of_prefect(each):
            return _line_of_prefect(each, home)
    if isinstance(error, Exception) and (full := _full_disk(home)):
        return f"{full} ({_first_line(error)})"
    return None


def advise(message: str, home: Path | None = None) -> str:
    """What would help, behind a message in which a library tells of the disk; else it alone.

    home: is looked at where a full disk may be behind it: SQLite calls that a failing one when
        there is no room for the index of its log.
    """
    number = _number_in(message)
    if number is None:
        return message
    if number == errno.EIO and home is not None and _full_disk(home):
        number = errno.ENOSPC
    advice, elsewhere = _ADVICE[number]
    return message if advice in message else f"{message}; {advice}{elsewhere}"


def is_lasting(error: BaseException) -> bool:
    """Whether the machine will refuse it again in a minute, as nobody has done anything."""
    return any(_number(each) in _LASTING for each, is_meant in _chain(error))


def is_refusal(error: BaseException) -> TypeGuard[httpx.HTTPStatusError]:
    """Whether a server refuses our password."""
    return (
        isinstance(error, httpx.HTTPStatusError)
        and error.response.status_code == httpx.codes.UNAUTHORIZED
    )


def disk_state(home: Path) -> str:
    """ "; …" behind a message, where the disk of `home` is full; else nothing."""
    full = _full_disk(home)
    return f"; {full}" if full else ""


def _chain(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """The error, and what it came from; whether it was raised on purpose as the cause.

    An error that was merely being handled when another one came says nothing about that one,
    unless it is the disk's.
    """
    seen: set[int] = set()
    each: BaseException | None = error
    is_meant = True
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each, is_meant
        is_meant = is_meant and each.__cause__ is not None
        each = each.__cause__ or each.__context__


def _number(error: BaseException) -> int | None:
    """The number of the system's error behind this one."""
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return error.errno
    if isinstance(error, OSError | sqlite3.Error | RuntimeError):
        return _number_in(str(error))
    return None


def _number_in(text: str) -> int | None:
    number = next((number for words, number in _WORDS if words.search(text)), None)
    if number == errno.EACCES and (database := _SQLITE_FILE.search(text)):
        return errno.EISDIR if Path(database[1]).is_dir() else number  # SQLite says the same of it
    return number


def _line(error: BaseException, number: int | None, home: Path) -> str:
    place = getattr(error, "filename2", None) or getattr(error, "filename", None)
    place = place if place is not None else _file_being_written(error)
    reason = getattr(error, "strerror", None) or _first_line(error)
    is_ours = True
    if isinstance(place, str | bytes | os.PathLike):
        is_ours = Path(os.fsdecode(place)).absolute().is_relative_to(home)
        what = f"{os.fsdecode(place)}: {reason}"
    else:  # a handle's error knows no name; many a library puts one into its words
        what = reason if re.search(r"(^|[\s'\"])/", reason) else f"a file under {home}: {reason}"
    advice, elsewhere = _ADVICE.get(number or 0, ("", ""))
    return f"{what}; {advice}{elsewhere if is_ours else ''}" if advice else what


def _file_being_written(error: BaseException) -> str | None:
    """The file that the innermost frame which has one was writing: handles' errors do not say."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        for value in frame.f_locals.values():
            if isinstance(value, io.IOBase) and _is_written(value):
                return str(value.name)  # type: ignore[attr-defined]
        owner = frame.f_locals.get("self")
        if frame.f_code.co_name in ("write_text", "write_bytes") and isinstance(owner, Path):
            return str(owner)
    return None


def _is_written(handle: io.IOBase) -> bool:
    name, mode = getattr(handle, "name", None), str(getattr(handle, "mode", ""))
    is_named = isinstance(name, str) and not name.startswith("<")  # <stdout> is
    return is_named and any(letter in mode for letter in "wax+")


def _is_of_prefect(error: BaseException) -> bool:
    """Whether the Prefect API was asked and did not answer, or answered that it cannot."""
    unreachable = isinstance(error, RuntimeError) and str(error).startswith("Failed to reach API")
    return unreachable or isinstance(error, httpx.HTTPError)


def _line_of_prefect(error: BaseException, home: Path) -> str:
    reason = _first_line(error.__cause__ or error)
    if full := _full_disk(home):  # where a server of our own has its database
        return f"{full} ({reason})"
    if is_refusal(error):
        return describe_refusal(error.request.url)
    return (
        f"the Prefect server does not answer as it should ({_first_line(error)}: {reason}): start"
        " it, or unset PREFECT_API_URL"
    )


def _full_disk(home: Path) -> str | None:
    """That there is no room where `home` is, or will be."""
    folder = next((each for each in (home, *home.parents) if each.exists()), None)
    if folder is None:
        return None
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= NO_ROOM_BYTES:
        return None
    return f"the disk of {home} is full: make room{_AGAIN}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

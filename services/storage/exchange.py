"""Two folders change places in one step, so that a reader finds the old one or the new one."""

import ctypes
import errno
import os
import shutil
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def exchange(new: Path, current: Path) -> None:
    """Put the folder `new` in the place of `current`; what was there, if anything, becomes `new`.

    One step on Linux. Elsewhere, and on file systems that cannot, two renames with an instant
    between them in which `current` is missing.
    """
    if not current.exists():
        new.rename(current)
        return
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.renameat2(
            _AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(current), _RENAME_EXCHANGE
        )
    except AttributeError:  # no Linux, or a C library without it
        failed = True
        ctypes.set_errno(errno.ENOSYS)
    if not failed:
        return
    if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(ctypes.get_errno(), "cannot exchange", str(new), None, str(current))
    old = current.with_name(f".{current.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    current.rename(old)
    new.rename(current)
    shutil.rmtree(old, ignore_errors=True)

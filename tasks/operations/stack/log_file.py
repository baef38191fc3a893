"""Logs of the parts: each process writes into its file itself, which does not grow for ever."""

import shutil
from pathlib import Path

MOST_BYTES = 5 * 2**20  # and as much again in the file of what was before


def limit(log: Path, most_bytes: int = MOST_BYTES) -> None:
    """Move what a log holds aside, once that is much.

    Whoever writes to it appends, and goes on at its new end; a line that is written at this very
    moment may be lost.

    Raises: OSError: it cannot be moved, as on a full disk; both files are as they were.
    """
    before = log.with_suffix(".1.log")
    part = before.with_suffix(".part")
    try:
        if log.stat().st_size <= most_bytes:
            return
        shutil.copyfile(log, part)
        part.replace(before)
        with log.open("r+b") as content:
            content.truncate(0)
    except FileNotFoundError:
        return
    finally:
        part.unlink(missing_ok=True)  # room for whoever writes


def last_line(log: Path, most_characters: int = 80) -> str:
    """The last line that holds something, as it can be shown; empty if there is none."""
    try:
        with log.open("rb") as content:
            content.seek(max(0, log.stat().st_size - 4096))
            lines = content.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    texts = ("".join(filter(str.isprintable, line)).strip() for line in reversed(lines))
    return next(filter(None, texts), "")[:most_characters]

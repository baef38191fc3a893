"""One line on a terminal that is rewritten as things go on, and messages that keep clear of it."""

import logging
import shutil
from typing import TextIO

_CLEAR = "\r\x1b[K"


class Progress:
    """A line that is rewritten; nothing at all where the stream is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._active = stream.isatty()
        self._visible = False

    def show(self, text: str) -> None:
        """Put this in the line's place."""
        if self._active:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"{_CLEAR}{text[:width]}")
            self._stream.flush()
            self._visible = True

    def clear(self) -> None:
        """Take the line away."""
        if self._visible:
            self._visible = False
            self._stream.write(_CLEAR)
            self._stream.flush()


class Messages(logging.StreamHandler[TextIO]):
    """Log records as lines for people: what it is, and how bad if it is."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        super().__init__(stream)
        self._progress = progress

    def format(self, record: logging.LogRecord) -> str:
        self._progress.clear()
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{level}{super().format(record)}"

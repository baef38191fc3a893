"""Tells a live stream that is well from one that only looks so. It sees values, never a device.

A stream is given up, and opened anew, when
- reading has failed `failures` times in a row, as at the end of a connection;
- it has given nothing but garbage for `garbage_s`: no picture, one colour all over, the green
  that decoders leave where data is missing, or another size than at first;
- it has repeated one picture to the last bit for `frozen_s`. A camera's noise never does; a
  drawn or strongly compressed picture may, so the patience doubles each time that opening it
  anew changes nothing, up to `longest_patience_s`.
"""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS = 64  # that are looked at, of each picture
SPREAD = 2  # levels within which a channel counts as one value
GREENS = ((0, 70, 0), (6, 165, 6))  # lowest and highest of a decoder's green, in B, G, R


@dataclass(frozen=True)
class Patience:
    """How long what is borne."""

    failures: int = 5  # reads in a row
    retry_s: float = 0.02  # after a failed read
    garbage_s: float = 3.0
    frozen_s: float = 10.0
    longest_patience_s: float = 600.0  # with a picture that never changes
    blocked_s: float = 20.0  # in one call; beyond the time-outs of the stream itself
    steady_s: float = 5.0  # of changing pictures, after which a stream is well again
    first_pause_s: float = 0.5  # before it is opened anew
    longest_pause_s: float = 30.0
    jitter: float = 0.25  # share by which a pause varies, so that a fleet does not march in step


class Backoff:
    """Pauses that double from the first to the longest, each a little longer or shorter."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._next_s = patience.first_pause_s

    def next_s(self) -> float:
        """The pause before the next attempt, in seconds."""
        pause = self._next_s
        self._next_s = min(self._next_s * 2, self._patience.longest_pause_s)
        return pause * random.uniform(1 - self._patience.jitter, 1 + self._patience.jitter)

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self._next_s = self._patience.first_pause_s


@dataclass(frozen=True)
class Verdict:
    """What a read was worth."""

    usable: bool  # the picture may be looked at
    fault: str | None = None  # why the stream is to be opened anew
    steady: bool = False  # the stream has been well for a while


class StreamHealth:
    """Judges what one stream gives, read by read, over all of its connections."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._frozen_s = patience.frozen_s
        self._last: bytes | None = None  # what the picture looked like, also before the opening
        self.opened(0.0)

    def opened(self, now: float) -> None:
        """A connection begins at `now`, in monotonic seconds."""
        self._well_since = self._changed_at = now
        self._shape: tuple[int, ...] | None = None
        self._failures = 0
        self._garbage_since: float | None = None

    def see(self, image: Any, now: float) -> Verdict:
        """Judge what a read has given at `now`; None: nothing."""
        if image is None:
            self._failures += 1
            failed = self._failures >= self._patience.failures
            return Verdict(False, "it gives no more pictures" if failed else None)
        self._failures = 0
        rows = _sample(image)
        if rows is None or (complaint := self._complaint(image, rows)):
            return self._see_garbage("no picture" if rows is None else complaint, now)
        self._garbage_since = None
        self._shape = image.shape
        return self._see_picture(rows.tobytes(), now)

    def _complaint(self, image: Any, rows: Any) -> str:
        if self._shape is not None and image.shape != self._shape:
            width, height = image.shape[1::-1]
            return f"its size has become {width}x{height}"
        if int(np.ptp(rows, axis=(0, 1)).max()) <= SPREAD:
            return "one colour all over"
        low, high = rows[-1].min(axis=0), rows[-1].max(axis=0)
        if (low >= GREENS[0]).all() and (high <= GREENS[1]).all() and (high - low <= SPREAD).all():
            return "the green of missing data"
        return ""

    def _see_garbage(self, complaint: str, now: float) -> Verdict:
        if self._garbage_since is None:
            self._garbage_since = now
        lasts = now - self._garbage_since >= self._patience.garbage_s
        return Verdict(False, f"it gives garbage: {complaint}" if lasts else None)

    def _see_picture(self, look: bytes, now: float) -> Verdict:
        if look != self._last:
            self._last, self._changed_at = look, now
            self._frozen_s = self._patience.frozen_s
            return Verdict(True, steady=now - self._well_since >= self._patience.steady_s)
        if now - self._changed_at < self._frozen_s:
            return Verdict(True)
        still_s = self._frozen_s
        self._frozen_s = min(self._frozen_s * 2, self._patience.longest_patience_s)
        return Verdict(True, f"its picture has not changed for {still_s:g} s")


def _sample(image: Any) -> Any:
    """Some rows of a picture, the last among them; None if it is no picture."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        return None
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        return None
    return image[:: -max(1, image.shape[0] // ROWS)][::-1]

"""When each frame of a file is shown, and how many come a second: decided from what is known.

What a file states as its rate is often invented, above all where frames come at uneven times; the
times of the frames themselves are right. Where there are none, or where they run backwards or
stand still, a frame follows the one before after one period of the rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

DEFAULT_FPS = 25.0
SLOWEST_FPS, FASTEST_FPS = 0.1, 1000.0  # beyond that no camera's
AGREES = 0.05  # share by which frames may come faster or slower than stated
EVEN = 0.25  # share by which a gap may differ from the one that tells the rate, to count for it
LONGEST_PAUSE_S = 60.0  # between two frames; a longer one is a fault in the times
REWIND_S = 0.5  # a time that runs back by more begins anew; by less, frames came in disorder
_LEAST_S = 1e-6


@dataclass(frozen=True)
class Rate:
    """Frames per second; why what the file states does not count, or None."""

    fps: float | None
    warning: str | None = None


def choose_rate(stated: float, times_s: Sequence[float]) -> Rate:
    """The rate of a file by what it states and by the times of its first frames."""
    measured = measure_rate(times_s)
    plausible = math.isfinite(stated) and SLOWEST_FPS <= stated <= FASTEST_FPS
    if measured is None:
        if plausible and not (len(times_s) > 1 and stated > 240):
            return Rate(stated)
        if not stated:  # as of a folder: it says nothing
            return Rate(None)
        warning = f"states {stated:g} frames a second, and its frames bear no times"
        return Rate(DEFAULT_FPS, f"{warning}: took {DEFAULT_FPS:g}")
    if plausible and abs(stated / measured - 1) <= AGREES:
        return Rate(stated)
    if not stated:
        return Rate(measured)
    return Rate(measured, f"states {stated:g} frames a second; they come {measured:.4g} a second")


def measure_rate(times_s: Sequence[float]) -> float | None:
    """Frames per second as the times of frames have it; None: they do not say.

    Where frames come at uneven times, it is the rate of the short gaps, so that few are left out.
    """
    gaps = sorted(b - a for a, b in pairwise(times_s) if b - a > _LEAST_S)
    if not gaps or len(gaps) < (len(times_s) - 1) / 2:  # most stand still
        return None
    short = gaps[len(gaps) // 4]
    # Times are whole milliseconds in some files: the mean of many is more exact than one of them.
    rate = 1 / fmean(gap for gap in gaps if abs(gap - short) <= EVEN * short + _LEAST_S)
    return rate if SLOWEST_FPS <= rate <= FASTEST_FPS else None


class Timeline:
    """Gives each frame a time after that of the one before."""

    def __init__(self, fps: float | None) -> None:
        self._period_s = 1 / (fps or DEFAULT_FPS)
        self._last: float | None = None  # as given out
        self._position_s = 0.0  # of the frame before, as the file has it
        self._shift_s = 0.0
        self.mended = 0  # frames whose times could not be what they say

    def place(self, position_s: float) -> float:
        """The time of the next frame in seconds, by the position that the file gives it."""
        if not math.isfinite(position_s):
            position_s = self._position_s
        if self._last is None:
            self._last, self._shift_s = 0.0, -position_s
        else:
            following = self._last + self._period_s
            time_s = position_s + self._shift_s
            if not _LEAST_S < time_s - self._last <= LONGEST_PAUSE_S:
                self.mended += 1
                if position_s < self._position_s - REWIND_S or time_s > self._last:
                    self._shift_s = following - position_s  # it goes on from there
                time_s = following
            self._last = time_s
        self._position_s = position_s
        return self._last

"""Waits for the end of a loop, in the main thread, to which windows belong."""

import time
from collections.abc import Callable, Sequence

from edge_detector.loop.pipeline import Pipeline
from edge_detector.outputs.window import Window

WINDOW_S = 1 / 60  # between two looks at the window
IDLE_S = 0.25  # between two looks without one
EVERY_S = 1.0  # between two reports


def supervise(
    pipeline: Pipeline,
    windows: Sequence[Window],
    *,
    stopping: Callable[[], bool],
    on_stop: Callable[[], None],
    on_report: Callable[[], None],
) -> None:
    """Return once the loop has ended; meanwhile show its windows.

    Args:
        stopping: whether somebody has asked for the end.
        on_stop: called when it was asked for, there or in a window, until the loop has ended.
        on_report: called every `EVERY_S`.
    """
    due = time.monotonic() + EVERY_S
    while not pipeline.wait(WINDOW_S if windows else IDLE_S):
        if stopping() or not all(window.show() for window in windows):
            on_stop()
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY_S
            on_report()
    for window in windows:
        window.destroy()

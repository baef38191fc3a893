"""The annotated frames in a window, where there is a screen.

Windows belong to the main thread. The loop leaves its newest picture here, and the main thread
shows it when it comes by.
"""

import os
import subprocess
import sys

import cv2

from edge_detector.capture.frame import Frame
from edge_detector.loop.sink import Result

TITLE = "edge-detector: q ends"
_PROBE = "import cv2; cv2.namedWindow('edge-detector'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PROBE_S = 20.0


class Window:
    """A sink whose picture is shown by `show`, in the main thread."""

    name = "the window"

    def __init__(self) -> None:
        self._newest: Result | None = None
        self._open = False

    def wants_picture(self, frame: Frame) -> bool:
        return True

    def write(self, result: Result) -> None:
        self._newest = result

    def close(self) -> None:
        """Nothing: the main thread closes what it has opened."""

    def show(self) -> bool:
        """Show the newest picture, for the main thread; False once the user wants to end."""
        result, self._newest = self._newest, None
        if result is not None:
            if not self._open:
                cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
                height, width = result.frame.image.shape[:2]
                cv2.resizeWindow(TITLE, width, height)
                self._open = True
            cv2.imshow(TITLE, result.frame.image)
        if not self._open:
            return True
        if cv2.waitKey(1) & 0xFF in (ord("q"), ord("Q")):
            return False
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1  # 0: closed by its cross

    def destroy(self) -> None:
        """Close it, for the main thread."""
        if self._open:
            self._open = False
            cv2.destroyAllWindows()


def why_no_window() -> str | None:
    """Why no window can be shown here; None if one can.

    It is tried in another process: without a usable display the library behind OpenCV's
    windows does not fail, it aborts.
    """
    displays = (os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform == "linux" and not any(displays):
        return "there is no display"
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "the display does not answer"
    return None if probe.returncode == 0 else "OpenCV cannot open a window on this display"

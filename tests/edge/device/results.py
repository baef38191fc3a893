"""Results as the loop gives them to its outputs."""

import time
from types import SimpleNamespace
from typing import Any

from edge_detector.capture.frame import Frame
from edge_detector.contract.pictures import Image
from edge_detector.inference.boxes import Box, Detection
from edge_detector.loop.sink import Result

from tests.edge.device.captures import picture

BOLT = Detection("bolt", 0, 0.87654, Box(1.04, 2.0, 30.26, 40.0))
NUT = Detection("écrou", 1, 0.5, Box(5.0, 6.0, 7.0, 8.0))


def make_result(
    index: int = 0,
    *detections: Detection,
    image: Image | None = None,
    captured_at: float | None = None,
) -> Result:
    """A result of a frame; without detections, nothing was found."""
    at = time.monotonic() if captured_at is None else captured_at
    frame = Frame(picture(index) if image is None else image, index, at, None, 1.0)
    manifest: Any = SimpleNamespace(name="parts", version="1.2.3")
    return Result(frame, detections, manifest)

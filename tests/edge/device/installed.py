"""A device that has the tiny model, and frames that it finds something in."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from edge_detector.contract.manifest import Golden, Manifest, ModelFile
from edge_detector.contract.pictures import Image
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots

from tests.edge.device.tiny import (
    GOLDEN_CELLS,
    SIDE,
    build_tiny,
    golden_detection,
    paint,
    tiny_manifest,
)
from tests.edge.releases import install


def tiny_release(version: str, **changes: Any) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files of a release of the tiny model."""
    model = build_tiny()
    _, data = cv2.imencode(".png", paint(*GOLDEN_CELLS))
    picture = data.tobytes()
    golden = Golden(
        file="golden-0.png",
        sha256=hashlib.sha256(picture).hexdigest(),
        size=len(picture),
        detections=tuple(golden_detection(*cell) for cell in GOLDEN_CELLS),
    )
    manifest = tiny_manifest(
        version=version,
        model=ModelFile(
            sha256=hashlib.sha256(model).hexdigest(), size=len(model), variant="float32"
        ),
        golden=(golden,),
        **changes,
    )
    return manifest, {"model.tflite": model, "golden-0.png": picture}


def install_tiny(home: Path, version: str = "1.0.0", activate: bool = True, **changes: Any) -> Slot:
    """Put the tiny model into a home, proved and current."""
    manifest, files = tiny_release(version, **changes)
    slots = Slots(home)
    slot = install(slots, manifest, files)
    if activate:
        slots.activate(slot)
        slots.commit()
    return slot


def paint_frame(number: int) -> Image:
    """A noisy frame with a red cell; every fifth one has nothing."""
    frame = paint(("red", number % 6 + 1, 3)) if number % 5 else paint()
    noise = np.random.default_rng(number).integers(0, 12, frame.shape, np.uint8)
    frame |= noise
    return frame


def write_clip(path: Path, count: int = 40, fps: float = 20.0) -> Path:
    """A video of such frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (SIDE, SIDE))
    for number in range(count):
        writer.write(paint_frame(number))
    writer.release()
    return path


def count_frames(path: Path) -> int:
    """How many frames of a video can be played."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count

"""The self-test: does a model, on this device, find what its publisher found?

Golden pictures come with the release. On each, the model must find what the manifest says, but for
what lies so close to its threshold that rounding decides, and nothing else that is plain. It must
answer differently to a picture of nothing: a model that says the same of everything passes any
comparison with itself, and helps nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import MANIFEST_FILE, Golden, Manifest, Thresholds
from edge_detector.errors import ModelError, SchemaError
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.detector import Detector, Raw
from edge_detector.inference.runtime import AUTO

MIN_IOU = 0.8
MAX_SCORE_DIFFERENCE = 0.15
EDGE_TOLERANCE = 0.01  # of the picture's longer side; int8 boxes have steps of about half of it
_BLANK = 127  # grey


def self_test(detector: Detector, slot_folder: Path) -> None:
    """Try a model on the golden pictures of its release.

    detector: with the manifest's own labels and thresholds.
    slot_folder: where the release's files lie.

    Raises:
        ModelError: it found something else, or answers the same whatever it sees; or a picture
            cannot be read.
    """
    manifest = detector.manifest
    for golden in manifest.golden:
        frame = _read_picture(slot_folder / golden.file)
        raw = detector.infer(detector.prepare(frame))
        found = detector.read(raw)
        _check_golden(golden, found, manifest.thresholds, max(frame.shape))
        blank = detector.infer(detector.prepare(np.full_like(frame, _BLANK)))
        if _same_outputs(raw, blank) or same_answer(found, detector.read(blank)):
            raise ModelError(
                f"the model answers the same to {golden.file} and to a picture of nothing"
            )


def main(folder: Path, threads: int = 1, runtime: str = AUTO) -> None:
    """Open the release in a folder and try it.

    Raises:
        SchemaError: the manifest is missing or wrong.
        ModelError: the model does not open or fails.
        ConfigError: there is no runtime.
    """
    try:
        manifest = Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise SchemaError(str(folder), f"has no readable {MANIFEST_FILE}: {error}") from error
    detector = Detector(folder / manifest.model.file, manifest, threads, runtime)
    self_test(detector, folder)
    pictures = len(manifest.golden)
    print(
        f"{manifest.name} {manifest.version} passed on {pictures} "
        f"picture{'s' if pictures > 1 else ''} with {detector.runtime_name}"
    )


def same_answer(found: Sequence[Detection], others: Sequence[Detection]) -> bool:
    """Whether two answers show the same things in the same places, and show anything at all."""
    return bool(found) and len(found) == len(others) and not _unmatched(found, others, _SAME)


def _check_golden(
    golden: Golden, found: Sequence[Detection], thresholds: Thresholds, longer_side: int
) -> None:
    expected = [Detection(one.label, -1, one.score, Box(*one.box)) for one in golden.detections]
    agreed = replace(_AGREED, edge_px=EDGE_TOLERANCE * longer_side)
    for problem, unmatched, margin in (
        ("did not find", _unmatched(expected, found, agreed), MAX_SCORE_DIFFERENCE),
        ("also found", _unmatched(found, expected, _RELATED), 2 * MAX_SCORE_DIFFERENCE),
    ):
        for one in unmatched:
            if one.score >= thresholds.of(one.label) + margin:
                raise ModelError(f"on {golden.file} the model {problem} {_describe(one)}")


@dataclass(frozen=True)
class _Tolerance:
    """How far two detections of one thing may be apart."""

    iou: float  # at least
    score: float  # at most
    edge_px: float = 0.0  # at most, where the overlap is less: small boxes move by whole steps

    def admits(self, one: Detection, other: Detection) -> bool:
        if one.label != other.label or abs(one.score - other.score) > self.score:
            return False
        if one.box.iou(other.box) >= self.iou:
            return True
        a, b = one.box, other.box
        moved = max(abs(a.x0 - b.x0), abs(a.y0 - b.y0), abs(a.x1 - b.x1), abs(a.y1 - b.y1))
        return moved <= self.edge_px


_AGREED = _Tolerance(iou=MIN_IOU, score=MAX_SCORE_DIFFERENCE)
_RELATED = _Tolerance(iou=0.5, score=1.0)
_SAME = _Tolerance(iou=0.98, score=0.01)  # nearer than answers to two pictures come by chance


def _unmatched(
    wanted: Sequence[Detection], offered: Sequence[Detection], tolerance: _Tolerance
) -> list[Detection]:
    """What is wanted and not offered; each offer counts once, and the best choose first."""
    unmatched, left = [], list(offered)
    for one in sorted(wanted, key=lambda detection: -detection.score):
        fitting = [other for other in left if tolerance.admits(one, other)]
        if fitting:
            left.remove(max(fitting, key=lambda other: other.box.iou(one.box)))
        else:
            unmatched.append(one)
    return unmatched


def _same_outputs(raw: Raw, other: Raw) -> bool:
    pairs = zip(raw.outputs, other.outputs, strict=True)
    return all(np.array_equal(one, another) for one, another in pairs)


def _read_picture(path: Path) -> NDArray[np.uint8]:
    try:
        frame = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise ModelError(f"the golden picture {path} cannot be read: {error}") from error
    if frame is None:
        raise ModelError(f"the golden picture {path} is no picture")
    return frame.astype(np.uint8, copy=False)


def _describe(detection: Detection) -> str:
    box = detection.box
    return (
        f"{detection.label} {detection.score:.2f} at "
        f"{box.x0:.0f},{box.y0:.0f} to {box.x1:.0f},{box.y1:.0f}"
    )

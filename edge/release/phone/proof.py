"""The proof that a phone finds what a device finds: MediaPipe itself, on the golden pictures.

Both get the same pixels: the pictures as the device's package brings them to the input's size.
What differs then is what MediaPipe makes of the file, and its whole pixels: it cuts off where a box
begins, and how wide and high it is. How it brings pictures of other sizes to the input's is its
own: it stretches them, and reads between pixels in another way.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from edge_detector.contract.manifest import InputSpec
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.tensors import TensorInfo

from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError, NoMediaPipeError
from edge.release.validation.candidate import Candidate

MAX_SCORE_DIFFERENCE = 0.01  # another build of the same kernels rounds differently
MAX_QUANTISED_DIFFERENCE = 0.1  # a byte's step before a sigmoid is 0.06 of what comes after it
_STEPS = 3  # by which boxes of bytes may differ
MAX_PIXELS = 1.1  # of where a box begins, and of its sides: they come without their fractions
_RUNNER = Path(__file__).with_name("mediapipe_runner.py")
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Proof:
    """How MediaPipe's detections compare with the device's; faults: what only one of them found."""

    runtime: str
    agreed: int
    faults: tuple[str, ...]
    largest_score_difference: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.faults and self.agreed > 0


def check_mediapipe(python: Path | None = None) -> None:
    """See that there is a MediaPipe to prove anything by.

    Raises:
        NoMediaPipeError: says where to get one.
    """
    ended = _run(python)
    if ended.returncode != 0:
        raise NoMediaPipeError(
            f"MediaPipe proves what is published for phones, and {python or sys.executable} cannot"
            f" import it ({_last_line(ended)}): install the extra phones, or name the Python of"
            " another environment that has mediapipe by TRIPTYCH_MEDIAPIPE_PYTHON"
        )


def prove(
    candidate: Candidate,
    pictures: Sequence[Image],
    python: Path | None = None,
    step_px: float = 0.0,
) -> Proof:
    """Let MediaPipe open the file, and compare.

    Args:
        candidate: of a phone's file.
        pictures: BGR, of any size.
        python: an interpreter with `mediapipe`; by default this one.
        step_px: of the network's quantised answers, of which another build may be some steps off;
            0 where it answers real values.

    Raises:
        NoMediaPipeError: the interpreter does not run.
        ModelFileError: MediaPipe refuses the file; says why.
    """
    shown = [_at_size(candidate.manifest.input, picture) for picture in pictures]
    runtime, found = _ask(candidate.model, shown, python)
    detector = candidate.open()
    faults: list[str] = []
    agreed, differences = 0, [0.0]
    for number, (picture, theirs) in enumerate(zip(shown, found, strict=True)):
        left = list(theirs)
        for ours in detector.detect(picture):
            same = [other for other in left if _is_same(ours, other, step_px)]
            if same:
                nearest = min(same, key=lambda other: abs(other.score - ours.score))
                left.remove(nearest)
                differences.append(abs(nearest.score - ours.score))
                agreed += 1
            else:
                faults.append(f"picture {number}: MediaPipe did not find {_describe(ours)}")
        faults += [f"picture {number}: only MediaPipe found {_describe(one)}" for one in left]
    return Proof(runtime, agreed, tuple(faults), max(differences))


def _at_size(spec: InputSpec, picture: Image) -> Image:
    """As the device's package has it before it scales values; BGR."""
    shape = (1, spec.height, spec.width, 3)
    plain = replace(spec, dtype="uint8", mean=0.0, std=1.0, colour_order="bgr")
    preprocessor = Preprocessor(plain, TensorInfo(0, "image", shape, np.dtype(np.uint8)))
    levels: Image = preprocessor.prepare(picture)[0][0]
    return levels


def _ask(
    model: Path, pictures: Sequence[Image], python: Path | None
) -> tuple[str, list[list[Detection]]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pictures.npy"
        np.save(file, np.stack(pictures)[..., ::-1])
        ended = _run(python, model, file)
    if ended.returncode != 0:
        raise ModelFileError(f"MediaPipe refuses the file: {_last_line(ended)}")
    answer = json.loads(ended.stdout.splitlines()[-1])
    return answer["runtime"], [
        [
            Detection(label, -1, score, Box(x, y, x + width, y + height))
            for label, score, x, y, width, height in picture
        ]
        for picture in answer["found"]
    ]


def _run(python: Path | None, *arguments: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python or sys.executable), str(_RUNNER), *map(str, arguments)]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoMediaPipeError(f"MediaPipe does not run: {error}") from error


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    """What a process said last, in which Python names the error."""
    said = ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"]
    return said[-1][:300]


def _is_same(ours: Detection, theirs: Detection, step_px: float) -> bool:
    a, b = ours.box, theirs.box
    moved = abs(a.x0 - b.x0), abs(a.y0 - b.y0), abs(a.width - b.width), abs(a.height - b.height)
    most = MAX_QUANTISED_DIFFERENCE if step_px else MAX_SCORE_DIFFERENCE
    return (
        ours.label == theirs.label
        and abs(ours.score - theirs.score) <= most
        and max(moved) <= MAX_PIXELS + _STEPS * step_px
    )


def _describe(found: Detection) -> str:
    box = found.box
    return (
        f"{found.label} {found.score:.2f} at {box.x0:.0f},{box.y0:.0f} to {box.x1:.0f},{box.y1:.0f}"
    )

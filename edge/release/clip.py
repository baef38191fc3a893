"""A video of the running conveyor: parts travel from left to right under one fixed camera."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.release.errors import PublisherError
from edge.release.synthetic.metal import draw_lamp
from edge.release.synthetic.photograph import Conditions, draw_conditions, photograph
from edge.release.synthetic.scenes import HEIGHT, LABELS, WIDTH, Scene, lay_out
from services.reporting.arguments import Parser

FPS = 30.0
SPEED_PX = 4  # travelled per frame
SPACING_PX = 92  # of belt for one part


@dataclass(frozen=True)
class Clip:
    """A written video and what truly is in it.

    belt: the whole belt; its right end comes first.
    """

    path: Path
    frames: int
    fps: float
    belt: Scene

    def in_view(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Boxes (x0, y0, x1, y1 in px) and class ids of the parts wholly in a frame's view."""
        left = _left(self.frames, frame)
        boxes = self.belt.boxes - np.array([left, 0, left, 0], np.float32)
        whole = (boxes[:, 0] >= 0) & (boxes[:, 2] <= WIDTH)
        return boxes[whole], self.belt.class_ids[whole]

    @property
    def counts(self) -> dict[str, int]:
        """How many parts of each label travel by."""
        ids = self.belt.class_ids
        return {label: int(np.count_nonzero(ids == k)) for k, label in enumerate(LABELS)}


def write_clip(path: Path, seconds: float = 12, seed: int = 0) -> Clip:
    """Render the video into an .mp4 file.

    Raises:
        PublisherError: this build of OpenCV cannot write it there.
    """
    rng = np.random.default_rng(seed)
    frames = max(1, round(seconds * FPS))
    length = _left(frames, 0) + WIDTH
    lamp = draw_lamp(rng)
    count = length // SPACING_PX
    belt = lay_out(rng, lamp, HEIGHT, length, count, least_inside=0.98)
    fair = draw_conditions(rng, lamp, HEIGHT, WIDTH)
    # A fixed camera is set up well: it is the belt that brings variety.
    conditions = Conditions(fair.light, focus_px=0.5, motion_px=2, noise=2.5, quality=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of the codecs that OpenCV's packages can write, the one that players know.
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise PublisherError(f"cannot write a video to {path}: is it an .mp4 in a folder of yours?")
    try:
        for frame in range(frames):
            left = _left(frames, frame)
            view = np.ascontiguousarray(belt.image[:, left : left + WIDTH])
            writer.write(photograph(rng, view, conditions))
    finally:
        writer.release()
    return Clip(path, frames, FPS, belt)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m edge.release.clip FILE`: 0, or 1 if it cannot be written."""
    parser = Parser(
        prog="python -m edge.release.clip",
        description="Renders a video of parts on a running conveyor.",
    )
    parser.add_argument("file", type=Path, help="the video, an .mp4")
    parser.add_argument("--seconds", type=float, default=12, help="its length: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="which parts: %(default)s")
    given = parser.read(sys.argv[1:] if arguments is None else arguments)
    try:
        clip = write_clip(given.file, given.seconds, seed=given.seed)
    except (PublisherError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{count} {label}" for label, count in clip.counts.items())
    print(f"{clip.path}: {clip.frames} frames; {counts}")
    return 0


def _left(frames: int, frame: int) -> int:
    """Where on the belt the view of a frame begins."""
    return (frames - 1 - frame) * SPEED_PX


if __name__ == "__main__":
    sys.exit(main())

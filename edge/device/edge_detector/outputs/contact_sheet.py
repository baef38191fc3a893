"""Twelve annotated frames of a run on one sheet, for people.

Nobody knows how long a run will be. Small pictures are kept at even distances, and each time
there are twice too many, one of each two goes, that with fewer detections, and the distance
doubles: at the end they cover the whole run, in memory that does not grow.

Boxes and labels are drawn into the small pictures: from a large frame, nobody could read them.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np

from edge_detector.capture.frame import Frame
from edge_detector.contract.pictures import Image
from edge_detector.errors import ConfigError
from edge_detector.inference.boxes import Detection
from edge_detector.inference.overlay import draw
from edge_detector.loop.sink import Result
from edge_detector.outputs.video import fit, placed
from edge_detector.system.disk import disk_error

COLUMNS, ROWS = 4, 3
CELL_WIDTH = 480  # px
GAP = 4  # px between two pictures
PICTURES = COLUMNS * ROWS


class ContactSheet:
    """A sink for `--contact-sheet`; the sheet is written when it is closed."""

    def __init__(self, path: Path) -> None:
        """Nothing is written yet.

        Raises:
            ConfigError: not a PNG or JPEG name, or no file can be made in that folder.
            EdgeError: none can be made there now, as on a full disk.
        """
        self.name = f"--contact-sheet {path}"
        self._path = path
        self._kept: list[tuple[int, Image]] = []  # detections, and the picture
        self._seen, self._every = 0, 1
        self._clean: tuple[Frame, Image] | None = None  # a frame, small, before it is drawn upon
        if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
            raise ConfigError(f"{self.name} is no picture: end its name in .png or .jpg")
        try:
            taken = path.exists() and not path.is_file()
            with TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise disk_error(f"{self.name} cannot be written", error) from error
        if taken:
            raise ConfigError(f"{self.name} cannot be written: give a file in a folder of yours")

    def observe(self, frame: Frame) -> None:
        """Keep a small copy of a frame before anybody draws upon it."""
        self._clean = None
        if self._seen % self._every == 0:
            self._clean = (frame, self._shrink(frame.image))

    def wants_picture(self, frame: Frame) -> bool:
        return False  # it draws for itself

    def write(self, result: Result) -> None:
        if self._seen % self._every == 0:
            frame, clean = result.frame, self._clean
            known = clean is not None and clean[0] is frame
            cell = clean[1] if clean is not None and known else self._shrink(frame.image)
            draw(cell, _shrunk(result.detections, frame.image, cell))
            self._keep(len(result.detections), cell)
        self._seen += 1

    def close(self) -> None:
        """Raises: OSError: the sheet cannot be written."""
        if not self._kept:
            return
        good, data = cv2.imencode(self._path.suffix, self._sheet())
        if not good:
            raise OSError("OpenCV cannot write such a picture")
        part = self._path.with_name(f".{self._path.name}.part")
        part.write_bytes(data.tobytes())
        part.replace(self._path)
        self._kept = []

    def _shrink(self, image: Image) -> Image:
        height, width = image.shape[:2]
        cell = (CELL_WIDTH, max(1, round(CELL_WIDTH * height / width)))
        if self._kept:  # one size for all
            cell = (self._kept[0][1].shape[1], self._kept[0][1].shape[0])
        small = fit(image, cell)
        return small.copy() if small is image else small

    def _keep(self, detections: int, cell: Image) -> None:
        self._kept.append((detections, cell))
        if len(self._kept) == 2 * PICTURES:
            self._kept = _best_of(self._kept, PICTURES)
            self._every *= 2

    def _sheet(self) -> Image:
        chosen = [picture for _, picture in _best_of(self._kept, PICTURES)]
        count = len(chosen)
        columns = min(COLUMNS, count)
        height, width = chosen[0].shape[:2]
        rows = -(-count // columns)
        size = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3)
        sheet = np.full(size, 255, np.uint8)
        for number, picture in enumerate(chosen):
            row, column = divmod(number, columns)
            y, x = row * (height + GAP), column * (width + GAP)
            sheet[y : y + height, x : x + width] = picture
        return sheet


def _shrunk(detections: Sequence[Detection], image: Image, cell: Image) -> list[Detection]:
    """Detections on an image, as they lie on a small picture of it."""
    scale, x, y = placed(image, (cell.shape[1], cell.shape[0]))
    return [
        replace(found, box=found.box.scale(scale, scale).translate(x, y)) for found in detections
    ]


def _best_of(kept: list[tuple[int, Image]], count: int) -> list[tuple[int, Image]]:
    """Of each of `count` even stretches, the first with the most detections."""
    count = min(count, len(kept))
    ends = [len(kept) * number // count for number in range(count + 1)]
    return [max(kept[a:b], key=lambda cell: cell[0]) for a, b in pairwise(ends)]

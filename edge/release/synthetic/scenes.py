"""Pictures of parts on a conveyor, seen from above, with the box of every part.

A scene follows from its generator alone. Each part's box is computed from the part's own mask:
tight around the whole part, also where another one lies on it (amodal), clipped to the picture.
A part is placed only where at least 40 % of it is in the picture and, at the end, at least half
of that can be seen; a defective one only where the defect itself can be seen: there are no
unlabelled remnants.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.release.synthetic.belt import Picture, draw_belt
from edge.release.synthetic.metal import Lamp, cast_shadow, draw_lamp, shade
from edge.release.synthetic.parts import DEFECTS, KINDS, Relief, draw_part
from edge.release.synthetic.photograph import draw_conditions, photograph
from edge.release.synthetic.shapes import Part

HEIGHT, WIDTH = 480, 640  # px, of a picture
LABELS = ("bolt", "nut", "washer", "defective")

LEAST_INSIDE = 0.4  # of a part, in the picture
LEAST_SEEN = 0.5  # of what is in the picture, not covered by other parts
LEAST_EVIDENCE = 0.75  # of a defect, in the picture and not covered
SIZES = {"bolt": (90, 140), "nut": (62, 108), "washer": (60, 108)}  # px
DEFECTIVE = 0.34  # share of the parts
TRIES = 12  # for a part to find a place


@dataclass(frozen=True)
class Scene:
    """A picture, or a belt not yet photographed, and what is in it.

    image: blue, green, red, shape = (h, w, 3); boxes: x0, y0, x1, y1 in px, shape = (n, 4);
    class_ids: index into `LABELS`, shape = (n,).
    """

    image: Picture
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]


@dataclass
class _Lying:
    """A part in its place: its patch's corner and what of it can be seen."""

    left: int
    top: int
    seen: NDArray[np.bool_]
    evidence: NDArray[np.bool_]
    least_seen: float  # px
    least_evidence: float  # px


def render_scene(rng: np.random.Generator) -> Scene:
    """A scene with 3 to 12 parts (fewer if there is no room), as a camera would see it."""
    lamp = draw_lamp(rng)
    belt = lay_out(rng, lamp, HEIGHT, WIDTH, count=int(rng.integers(3, 13)))
    image = photograph(rng, belt.image, draw_conditions(rng, lamp, HEIGHT, WIDTH))
    return replace(belt, image=image)


def lay_out(
    rng: np.random.Generator,
    lamp: Lamp,
    height: int,
    width: int,
    count: int,
    *,
    least_inside: float = LEAST_INSIDE,
) -> Scene:
    """Lay parts on an empty belt, evenly lit.

    least_inside: share of a part that lies in the picture.
    """
    image = draw_belt(rng, height, width)
    covering = rng.random() < 0.5  # may parts lie on one another in this scene
    lying: list[_Lying] = []
    boxes, class_ids = [], []
    for _ in range(count):
        part = _choose(rng)
        relief = draw_part(rng, part)
        placed = _find_place(rng, relief, lying, (height, width), least_inside, covering)
        if placed is None:
            continue
        lying.append(placed)
        _paint(image, relief, shade(rng, relief, lamp), cast_shadow(relief, lamp), placed, lamp)
        boxes.append(_box(relief, placed, height, width))
        class_ids.append(LABELS.index("defective" if part.defect else part.kind))
    return Scene(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
    )


def write_once(folder: Path, count: int, seed: int) -> Path:
    """Write scenes into a folder, unless they are there; whole or not at all.

    Processes that write the same at once do it twice, and each finds it whole.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
            written = Path(aside) / folder.name
            write_dataset(written, count, seed)
            try:
                written.rename(folder)
            except OSError:
                if not folder.is_dir():  # else somebody was faster
                    raise
    return folder


def write_dataset(folder: Path, count: int, seed: int) -> None:
    """Write scenes as JPEG files, with a COCO file `annotations.json` beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(count):
        scene = render_scene(np.random.default_rng([seed, number]))
        name = f"scene-{number:05d}.jpg"
        height, width = scene.image.shape[:2]
        _, encoded = cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        (folder / name).write_bytes(encoded.tobytes())
        images.append({"id": number + 1, "file_name": name, "width": width, "height": height})
        for box, class_id in zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True):
            x0, y0, x1, y1 = box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 1,
                    "category_id": class_id + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number + 1, "name": label} for number, label in enumerate(LABELS)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(coco, indent=1), "utf-8")


def _choose(rng: np.random.Generator) -> Part:
    kind = KINDS[rng.integers(len(KINDS))]
    defect = None
    if rng.random() < DEFECTIVE:
        defect = DEFECTS[kind][rng.integers(len(DEFECTS[kind]))]
    size = rng.uniform(*SIZES[kind])
    if defect in ("broken", "snapped", "bent", "stripped", "cracked"):
        size = max(size, SIZES[kind][1] * 0.75)  # what is missing is to be seen
    return Part(kind, size, rng.uniform(0, 2 * np.pi), defect)


def _find_place(
    rng: np.random.Generator,
    relief: Relief,
    lying: list[_Lying],
    shape: tuple[int, int],
    least_inside: float,
    covering: bool,
) -> _Lying | None:
    """A place where this part and those below it are seen well enough, or None."""
    height, width = shape
    mask = relief.alpha > 0.5
    area, evidence_area = np.count_nonzero(mask), np.count_nonzero(relief.evidence)
    tall, wide = mask.shape
    for _ in range(TRIES):
        left = int(rng.integers(-wide // 2, width - wide // 2))
        top = int(rng.integers(-tall // 2, height - tall // 2))
        inside = np.s_[max(-top, 0) : height - top, max(-left, 0) : width - left]
        in_picture = np.count_nonzero(mask[inside])
        if in_picture < least_inside * area:
            continue
        if np.count_nonzero(relief.evidence[inside]) < LEAST_EVIDENCE * evidence_area:
            continue
        cover = [(below, *_common(below, left, top, tall, wide)) for below in lying]
        cover = [(below, theirs, ours) for below, theirs, ours in cover if theirs is not None]
        if not all(_allows(below, theirs, mask[ours], covering) for below, theirs, ours in cover):
            continue
        for below, theirs, ours in cover:
            below.seen[theirs] &= ~mask[ours]
            below.evidence[theirs] &= ~mask[ours]
        seen, evidence = np.zeros_like(mask), np.zeros_like(mask)
        seen[inside], evidence[inside] = mask[inside], relief.evidence[inside]
        return _Lying(
            left, top, seen, evidence, LEAST_SEEN * in_picture, LEAST_EVIDENCE * evidence_area
        )
    return None


Slices = tuple[slice, slice]


def _common(
    below: _Lying, left: int, top: int, tall: int, wide: int
) -> tuple[Slices, Slices] | tuple[None, None]:
    """Where two patches meet, as slices of the one below and of the other."""
    x0, x1 = max(left, below.left), min(left + wide, below.left + below.seen.shape[1])
    y0, y1 = max(top, below.top), min(top + tall, below.top + below.seen.shape[0])
    if x0 >= x1 or y0 >= y1:
        return None, None
    theirs = np.s_[y0 - below.top : y1 - below.top, x0 - below.left : x1 - below.left]
    return theirs, np.s_[y0 - top : y1 - top, x0 - left : x1 - left]


def _allows(below: _Lying, theirs: Slices, mask: NDArray[np.bool_], covering: bool) -> bool:
    """Whether a part is still seen well enough with another one on it."""
    hidden = np.count_nonzero(below.seen[theirs] & mask)
    if not hidden:
        return True
    if not covering or np.count_nonzero(below.seen) - hidden < below.least_seen:
        return False
    lost = np.count_nonzero(below.evidence[theirs] & mask)
    return bool(np.count_nonzero(below.evidence) - lost >= below.least_evidence)


def _paint(
    image: Picture,
    relief: Relief,
    colours: NDArray[np.float32],
    shadow: NDArray[np.float32],
    place: _Lying,
    lamp: Lamp,
) -> None:
    """Put a shaded part and its shadow into the picture."""
    tall, wide = relief.alpha.shape
    height, width = image.shape[:2]
    inside = np.s_[
        max(-place.top, 0) : min(tall, height - place.top),
        max(-place.left, 0) : min(wide, width - place.left),
    ]
    top, left = max(place.top, 0), max(place.left, 0)
    alpha = relief.alpha[inside]
    area = image[top : top + alpha.shape[0], left : left + alpha.shape[1]]
    remains = (1 - alpha) * (1 - np.float32(0.3 + 0.35 * lamp.hard) * shadow[inside])
    below = cv2.multiply(area, cv2.merge([remains] * 3), dtype=cv2.CV_32F)
    mixed = below + colours[inside] * alpha[:, :, None]
    area[:] = cv2.convertScaleAbs(mixed)


def _box(relief: Relief, place: _Lying, height: int, width: int) -> tuple[float, ...]:
    """Around the part's mask, clipped to the picture."""
    mask = relief.alpha > 0.5
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return (
        float(max(place.left + columns[0], 0)),
        float(max(place.top + rows[0], 0)),
        float(min(place.left + columns[-1] + 1, width)),
        float(min(place.top + rows[-1] + 1, height)),
    )

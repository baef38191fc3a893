"""Labelled images: Pascal VOC, COCO and YOLO folders, read into one form.

Promises: images come in the order of their paths, whatever the file system says; boxes are
`x0, y0, x1, y1` in pixels of the image as OpenCV reads it, lie inside it, and have an area. What
had to be mended for that is counted in `Dataset.warnings`, never hidden; what cannot be mended is
an error that names the file.

A folder is one of
- COCO: a `.json` with `images`, `annotations` and `categories`, beside its images or in
  `annotations/`;
- Pascal VOC: an `.xml` beside each image, or `Annotations/` and `JPEGImages/` with, optionally,
  `ImageSets/Main/*.txt`;
- YOLO: a `.txt` beside each image, or `labels/` beside `images/`; names from `data.yaml`,
  `classes.txt` or `obj.names`.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.release.datasets.coco import find_coco, read_coco
from edge.release.datasets.pascal_voc import from_zero, is_voc, read_voc
from edge.release.datasets.raw_image import RawImage
from edge.release.datasets.yolo import is_yolo, read_yolo
from edge.release.errors import DatasetError
from edge.release.pictures import Image, decode_image, read_bytes, read_image, read_text

MAX_DROPPED = 0.05  # a larger share of boxes outside or without area: they belong elsewhere
FEW = 3  # so many may be dropped whatever the share
MANY_OUTSIDE = 0.1  # share of boxes that stick out from which on their form is in doubt
PROTRUDES = 1.0  # px; a box that sticks out by less was rounded, not wrong

_Part = tuple[list[RawImage], list[str] | None]  # labels in their order, where the form has one


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and what is on it."""

    path: Path
    width: int  # px
    height: int  # px
    boxes: npt.NDArray[np.float32]  # (n, 4): x0, y0, x1, y1 in px
    class_ids: npt.NDArray[np.int64]  # (n,)
    # (n,): crowds of COCO and VOC's difficult ones: finding such an object is neither right nor
    # wrong.
    ignored: npt.NDArray[np.bool_]

    def read(self) -> Image:
        """The picture, BGR, (height, width, 3).

        Raises:
            DatasetError: it cannot be read any more.
        """
        return read_image(self.path)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images. Class k of theirs is `labels[k]`."""

    labels: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    digest: str  # sha256 over labels, images and boxes
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def counts(self) -> dict[str, int]:
        """How many objects there are of each label, ignored ones left out."""
        found = Counter(int(k) for image in self.images for k in image.class_ids[~image.ignored])
        return {label: found[k] for k, label in enumerate(self.labels)}

    def subset(self, count: int, seed: int = 0) -> "Dataset":
        """At most so many images, drawn by the seed, still in the order of their paths."""
        if count >= len(self.images):
            return self
        chosen = np.random.default_rng(seed).choice(len(self.images), count, replace=False)
        images = tuple(self.images[k] for k in sorted(chosen))
        drawn = f"{self.digest} subset {count} seed {seed}"
        return replace(self, images=images, digest=hashlib.sha256(drawn.encode()).hexdigest())


def read_dataset(folder: Path, labels: Sequence[str] | None = None) -> Dataset:
    """Read a folder of labelled images.

    Args:
        folder: in one of the forms above.
        labels: the order of classes; by default the one of the annotations (YOLO, COCO), or the
            alphabet's (Pascal VOC, which has none).

    Raises:
        DatasetError: no such folder, no annotation, an annotation or image that cannot be read, a
            label that is not in `labels`, boxes that cannot belong to their images.
    """
    _check_folder(folder)
    raw, known = _read_raw(folder, folder)
    from_zero(raw)
    return _checked(folder, raw, known if labels is None else labels)


def read_split(folder: Path, labels: Sequence[str] | None = None) -> tuple[Dataset, Dataset | None]:
    """Read the images to train on, and those to validate with if the folder keeps them apart.

    Apart are `train/` and `val/` (or `valid/`), with Pascal VOC also `ImageSets/Main/train.txt`
    and `val.txt`, with YOLO `images/train` and `images/val`, with COCO two files in
    `annotations/` whose names hold `train` and `val`. Both have the same labels.

    Raises:
        DatasetError: as in `read_dataset`.
    """
    _check_folder(folder)
    train = _read_part(folder, ("train",))
    val = _read_part(folder, ("val", "valid", "validation"))
    if train is None or val is None:
        alone = train or _read_raw(folder, folder)
        from_zero(alone[0])
        return _checked(folder, alone[0], alone[1] if labels is None else labels), None
    from_zero((*train[0], *val[0]))
    known = labels
    if known is None:
        known = list(dict.fromkeys([*(train[1] or ()), *(val[1] or ())]))
        known = known or sorted({name for raw in (*train[0], *val[0]) for name in raw.names})
    return _checked(folder, train[0], known), _checked(folder, val[0], known)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one with images and their annotations")


def _read_part(folder: Path, names: Sequence[str]) -> _Part | None:
    """One part of a split, or None if the folder does not keep it apart."""
    for name in names:
        listed = folder / "ImageSets" / "Main" / f"{name}.txt"
        if (folder / name).is_dir():
            return _read_raw(folder / name, folder)
        if listed.is_file():
            lines = read_text(listed).splitlines()
            stems = {line.split()[0] for line in lines if line.strip()}
            return read_voc(folder, stems), None
        if (folder / "images" / name).is_dir() and not find_coco(folder):
            return read_yolo(folder / "images" / name, folder)
        file = find_coco(folder, name)
        if file is not None:
            return read_coco(file)
    return None


def _read_raw(folder: Path, top: Path) -> _Part:
    """What the annotations of a folder say; top: the folder that it may be a part of."""
    file = find_coco(folder)
    if file is not None:
        return read_coco(file)
    if is_voc(folder):
        return read_voc(folder), None
    if is_yolo(folder):
        images = folder / "images"
        return read_yolo(images if images.is_dir() else folder, top)
    raise DatasetError(
        f"{folder} holds no annotations; put a Pascal VOC .xml or a YOLO .txt beside each image,"
        " or one COCO .json beside all"
    )


@dataclass
class _Mended:
    """Boxes that could not stay as they were, by the annotations they are in."""

    clipped: Counter[Path]
    dropped: Counter[Path]
    kept: int = 0

    def warnings(self) -> tuple[str, ...]:
        return tuple(
            f"{done} {found.total()} of {self.kept + self.dropped.total()} boxes, which {fault}:"
            f" {_listed([file.name for file in found], 3)}"
            for done, fault, found in (
                ("left out", "have no area or lie outside the image", self.dropped),
                ("clipped", "stick out of the image", self.clipped),
            )
            if found
        )


def _checked(folder: Path, found: list[RawImage], labels: Sequence[str] | None) -> Dataset:
    """Hold annotations against their images and make a data set of them."""
    if not found:
        raise DatasetError(f"{folder} holds no images")
    if labels is None:
        labels = sorted({name for one in found for name in one.names})
    if not labels:
        raise DatasetError(f"{folder}: no image has a labelled object")
    ids = {label: k for k, label in reversed(list(enumerate(labels)))}
    found = sorted(found, key=lambda raw: raw.path)
    sizes, digests = [], []
    for one in found:
        unknown = sorted(set(one.names) - ids.keys())
        if unknown:
            raise DatasetError(
                f"{one.source}: unknown label {unknown[0]!r}; known are {_listed(labels, 10)}"
            )
        content = read_bytes(one.path)
        height, width = decode_image(one.path, content).shape[:2]
        sizes.append((width, height))
        digests.append(hashlib.sha256(content).digest())
    warnings = _centred(found, sizes)
    mended = _Mended(Counter(), Counter())
    hashed = hashlib.sha256("\0".join(labels).encode())
    images = []
    for one, size, digest in zip(found, sizes, digests, strict=True):
        image = _held_against(one, *size, ids, mended)
        images.append(image)
        hashed.update(one.path.name.encode() + digest)
        for column in (image.boxes, image.class_ids, image.ignored):
            hashed.update(column.tobytes())
    dropped = mended.dropped.total()
    if dropped > max(FEW, MAX_DROPPED * (mended.kept + dropped)):
        raise DatasetError(
            f"{folder}: {dropped} of {mended.kept + dropped} boxes have no area or lie outside"
            f" their images, first in {next(iter(mended.dropped))}; boxes are in pixels of the"
            " image"
        )
    warnings += mended.warnings()
    return Dataset(tuple(labels), tuple(images), hashed.hexdigest(), warnings)


def _centred(found: Sequence[RawImage], sizes: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Some programs write the middle of a box where COCO has its corner.

    It shows: many boxes would stick out of their images, and as middles none does.
    """
    pairs = [pair for pair in zip(found, sizes, strict=True) if pair[0].from_corner]
    boxes = sum(len(one.boxes) for one, _ in pairs)
    outside = sum(_sticking_out(one, *size) for one, size in pairs)
    if outside <= max(FEW, MANY_OUTSIDE * boxes):
        return ()
    copies = [replace(one) for one, _ in pairs]
    for copy in copies:
        copy.centred()
    if any(_sticking_out(copy, *size) for copy, (_, size) in zip(copies, pairs, strict=True)):
        return ()
    for (one, _), copy in zip(pairs, copies, strict=True):
        one.boxes = copy.boxes
    return (
        f"took bbox for [middle x, middle y, width, height] instead of COCO's [left, top, width,"
        f" height]: {outside} of {boxes} boxes would stick out of their images, and so none does",
    )


def _sticking_out(raw: RawImage, width: int, height: int) -> int:
    """How many boxes end outside of the image."""
    return sum(
        min(x0, y0) < -PROTRUDES or x1 > width + PROTRUDES or y1 > height + PROTRUDES
        for x0, y0, x1, y1 in raw.boxes
    )


def _held_against(
    raw: RawImage, width: int, height: int, ids: Mapping[str, int], mended: _Mended
) -> LabelledImage:
    if raw.size and raw.size != (width, height):
        turned = ", turned by its EXIF data" if raw.size == (height, width) else ""
        raise DatasetError(
            f"{raw.source} is about an image of {raw.size[0]} x {raw.size[1]} pixels, but"
            f" {raw.path.name} has {width} x {height}{turned}; boxes would lie elsewhere"
        )
    given = np.asarray(raw.boxes, np.float64).reshape(-1, 4)
    if raw.relative:
        given = given * (width, height, width, height)
    boxes = given.clip(0, (width, height, width, height))
    # A comparison with NaN is false, so that such a box is left out.
    fit = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    far = (np.abs(boxes - given) > PROTRUDES).any(axis=1) & fit
    mended.clipped += Counter({raw.source: int(far.sum())})  # adding drops zeros
    mended.dropped += Counter({raw.source: int((~fit).sum())})
    mended.kept += int(fit.sum())
    return LabelledImage(
        path=raw.path,
        width=width,
        height=height,
        boxes=boxes[fit].astype(np.float32),
        class_ids=np.asarray([ids[name] for name in raw.names], np.int64)[fit],
        ignored=np.asarray(raw.ignored, np.bool_)[fit],
    )


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

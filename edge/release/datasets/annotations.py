"""Labelled images: Pascal VOC, COCO and YOLO folders, read into one form.

Promises: images come in the order of their paths, whatever the file system says; boxes are
`x0, y0, x1, y1` in pixels of the image as OpenCV reads it, lie inside it, and have an area. What
had to be mended for that is counted in `Dataset.warnings`, never hidden; what cannot be mended is
an error that names the file.

A folder is in one of `FORMATS`, each of which is a file beside this one:
- COCO: a `.json` with `images`, `annotations` and `categories`, beside its images or in
  `annotations/`;
- Pascal VOC: an `.xml` beside each image, or `Annotations/` and `JPEGImages/` with, optionally,
  `ImageSets/Main/*.txt`;
- YOLO: a `.txt` beside each image, or `labels/` beside `images/`; names from `data.yaml`,
  `classes.txt` or `obj.names`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.release.datasets.coco import COCO
from edge.release.datasets.contents import read_contents
from edge.release.datasets.mending import Mended, count_from_zero, reread
from edge.release.datasets.pascal_voc import PASCAL_VOC
from edge.release.datasets.pictures import (
    Image,
    describe_notes,
    other_pictures,
    read_image,
    what_is_there,
)
from edge.release.datasets.raw_image import RawImage, RawPart, format_names
from edge.release.datasets.yolo import YOLO
from edge.release.errors import DatasetError

FORMATS = (COCO, PASCAL_VOC, YOLO)  # of several that hold a folder, the first reads it
PARTS: Mapping[str, tuple[str, ...]] = {  # of a data set, and what they are called
    "train": ("train", "trainval"),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}


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
    part: str = ""  # of the folder that was read: train, val or test; empty: all of it

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


def read_dataset(folder: Path) -> Dataset:
    """Read a folder of labelled images.

    Args:
        folder: in one of the forms above.

    Raises:
        DatasetError: no such folder, no annotation, an annotation or image that cannot be read,
            boxes that cannot belong to their images.
    """
    _check_folder(folder)
    part = _read_raw(folder, folder)
    count_from_zero(part.images)
    return _checked(folder, part, part.labels)


def read_split(
    folder: Path, labels: Sequence[str] | None = None, apart: Sequence[str] = ("val",)
) -> tuple[Dataset, Dataset | None]:
    """Read the images to train on, and those to validate with if the folder keeps them apart.

    Apart are `train/` and `val/` (or `valid/`), with Pascal VOC also `ImageSets/Main/train.txt`
    and `val.txt`, with YOLO what `data.yaml`, `train.txt` and `val.txt` name, or `images/train` and
    `images/val`, with COCO two files in `annotations/` with `train` and `val` in their names. Both
    have the same labels. Where there is but one of these, it is all.

    labels: the order of classes; by default the one of the annotations (YOLO, COCO), or the
    alphabet's (Pascal VOC, which has none). apart: the parts that may be validated with, of which
    the first that is there counts.

    Raises:
        DatasetError: as in `read_dataset`, or a label is not in `labels`.
    """
    _check_folder(folder)
    train = _read_part(folder, "train")
    held = _held_apart(train, (_read_part(folder, name) for name in apart))
    if train is None or held is None:
        alone = train or held or _read_raw(folder, folder)
        count_from_zero(alone.images)
        return _checked(folder, alone, alone.labels if labels is None else labels), None
    count_from_zero((*train.images, *held.images))
    known = labels
    if known is None:
        known = list(dict.fromkeys([*(train.labels or ()), *(held.labels or ())]))
        known = known or _names_of((*train.images, *held.images))
    return _checked(folder, train, known), _checked(folder, held, known)


def _held_apart(train: RawPart | None, parts: Iterable[RawPart | None]) -> RawPart | None:
    """The first part that is not the same as that to train on; what is in both is told."""
    trained = {raw.path for raw in train.images} if train else set()
    for part in filter(None, parts):
        shared = sum(raw.path in trained for raw in part.images)
        if train and shared and shared == len(part.images):
            train.notes.append(f"{part.name} has no images but those of train: not kept apart")
            continue
        if shared:
            part.notes.append(f"{shared} of {len(part.images)} images are in train too")
        return part
    return None


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one with images and their annotations")


def _read_part(folder: Path, part: str) -> RawPart | None:
    """One part of a split, or None if the folder does not keep it apart."""
    by_list_first = sorted(FORMATS, key=lambda form: not form.lists_parts)
    for name in PARTS[part]:
        if (folder / name).is_dir():
            return replace(_read_raw(folder / name, folder), name=part)
        for form in by_list_first:
            found = form.read_part(folder, name)
            if found is not None:
                return replace(found, name=part)
    return None


def _read_raw(folder: Path, top: Path) -> RawPart:
    """What the annotations of a folder say; top: the folder that it may be a part of."""
    for form in FORMATS:
        if form.holds(folder):
            return form.read(folder, top)
    raise DatasetError(
        f"{folder} holds no annotations; put a Pascal VOC .xml or a YOLO .txt beside each image,"
        f" or one COCO .json beside all{_elsewhere(folder)}"
    )


def _elsewhere(folder: Path) -> str:
    """Where annotations are instead, or what is there, for the end of a message."""
    below = [
        str(part)
        for names in PARTS.values()
        for name in names
        if (part := folder / name).is_dir() and any(form.holds(part) for form in FORMATS)
    ]
    if below:
        return f"; there are some in {format_names(below)}: give that folder"
    return f" ({what_is_there(folder)})"


def _names_of(found: Iterable[RawImage]) -> list[str]:
    return sorted({name for raw in found for name in raw.names})


def _checked(folder: Path, part: RawPart, labels: Sequence[str] | None) -> Dataset:
    """Hold annotations against their images and make a data set of them."""
    if not part.images:
        raise DatasetError(f"{folder} holds no images: {what_is_there(folder)}")
    if labels is None:
        labels = _names_of(part.images)
    if not labels:
        raise DatasetError(f"{folder}: no image has a labelled object")
    found = sorted(part.images, key=lambda raw: raw.path)
    contents = read_contents(found, labels)
    other_form = reread(found, contents.sizes)
    mended = Mended()
    ids = {label: k for k, label in reversed(list(enumerate(labels)))}
    hashed = hashlib.sha256("\0".join(labels).encode())
    images = []
    for raw, size, digest in zip(found, contents.sizes, contents.digests, strict=True):
        image = _held_against(raw, *size, ids, mended)
        images.append(image)
        hashed.update(raw.path.name.encode() + digest)
        for column in (image.boxes, image.class_ids, image.ignored):
            hashed.update(column.tobytes())
    if fault := mended.fault():
        raise DatasetError(f"{folder}: {fault}")
    notes = (
        *part.notes,
        *_describe_oddities(folder, part, contents.turned, labels),
        *describe_notes(contents.odd),
        *other_form,
        *mended.warnings(),
    )
    return Dataset(tuple(labels), tuple(images), hashed.hexdigest(), notes, part.name)


def _describe_oddities(
    folder: Path, part: RawPart, turned: Sequence[str], labels: Sequence[str]
) -> Iterator[str]:
    """What a person may want to look at, although nothing shows that it is wrong."""
    if turned:
        yield (
            f"{len(turned)} of {len(part.images)} images are turned by their EXIF data; their boxes"
            f" were taken to be about the turned image, as it is shown: {format_names(turned)}"
        )
    if left := other_pictures(folder):
        yield (
            f"left out {len(left)} pictures of kinds that are not read here, convert them to .jpg"
            f" or .png: {format_names([path.name for path in left])}"
        )
    by_lower: dict[str, str] = {}
    for label in labels:
        if (other := by_lower.setdefault(label.lower(), label)) != label:
            yield f"{other!r} and {label!r} are two classes, and differ by capital letters only"


def _held_against(
    raw: RawImage, width: int, height: int, ids: Mapping[str, int], mended: Mended
) -> LabelledImage:
    boxes, fit = mended.fitted(raw, width, height)
    return LabelledImage(
        path=raw.path,
        width=width,
        height=height,
        boxes=boxes[fit].astype(np.float32),
        class_ids=np.asarray([ids[name] for name in raw.names], np.int64)[fit],
        ignored=np.asarray(raw.ignored, np.bool_)[fit],
    )

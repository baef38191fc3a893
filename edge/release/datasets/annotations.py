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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.release.datasets.coco import find_coco, other_coco, read_coco
from edge.release.datasets.mending import Mended, listed, reread
from edge.release.datasets.pascal_voc import from_zero, is_voc, read_voc
from edge.release.datasets.pictures import (
    Image,
    decode_image,
    is_turned,
    other_pictures,
    read_bytes,
    read_image,
    read_text,
    what_is_there,
)
from edge.release.datasets.raw_image import RawImage, RawPart
from edge.release.datasets.yolo import is_yolo, read_yolo
from edge.release.errors import DatasetError

PARTS = ("train", "val", "valid", "validation", "test")  # of a data set, as folders


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
    part = _read_raw(folder, folder)
    from_zero(part.images)
    return _checked(folder, part, part.labels if labels is None else labels)


def read_split(folder: Path, labels: Sequence[str] | None = None) -> tuple[Dataset, Dataset | None]:
    """Read the images to train on, and those to validate with if the folder keeps them apart.

    Apart are `train/` and `val/` (or `valid/`), with Pascal VOC also `ImageSets/Main/train.txt`
    and `val.txt`, with YOLO `images/train` and `images/val`, with COCO two files in
    `annotations/` whose names hold `train` and `val`. Both have the same labels. Where there is
    but one of these, it is all.

    Raises:
        DatasetError: as in `read_dataset`.
    """
    _check_folder(folder)
    train = _read_part(folder, ("train",))
    val = _read_part(folder, ("val", "valid", "validation"))
    if train is None or val is None:
        alone = train or val or _read_raw(folder, folder)
        from_zero(alone.images)
        return _checked(folder, alone, alone.labels if labels is None else labels), None
    from_zero((*train.images, *val.images))
    known = labels
    if known is None:
        known = list(dict.fromkeys([*(train.labels or ()), *(val.labels or ())]))
        known = known or _names_of((*train.images, *val.images))
    return _checked(folder, train, known), _checked(folder, val, known)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one with images and their annotations")


def _read_part(folder: Path, names: Sequence[str]) -> RawPart | None:
    """One part of a split, or None if the folder does not keep it apart."""
    for name in names:
        listed = folder / "ImageSets" / "Main" / f"{name}.txt"
        if (folder / name).is_dir():
            return _read_raw(folder / name, folder)
        if listed.is_file():
            lines = read_text(listed).splitlines()
            stems = {line.split()[0] for line in lines if line.strip()}
            return read_voc(folder, stems)
        if (folder / "images" / name).is_dir() and not find_coco(folder):
            return read_yolo(folder / "images" / name, folder)
        file = find_coco(folder, name)
        if file is not None:
            return read_coco(file)
    return None


def _read_raw(folder: Path, top: Path) -> RawPart:
    """What the annotations of a folder say; top: the folder that it may be a part of."""
    file = find_coco(folder)
    if file is not None:
        part = read_coco(file)
        others = [other.name for other in other_coco(file, folder)]
        if others:
            part.notes.append(f"read {file.name} alone, and not {listed(others, 3)} beside it")
        return part
    if is_voc(folder):
        return read_voc(folder)
    if is_yolo(folder):
        images = folder / "images"
        return read_yolo(images if images.is_dir() else folder, top)
    raise DatasetError(
        f"{folder} holds no annotations; put a Pascal VOC .xml or a YOLO .txt beside each image,"
        f" or one COCO .json beside all{_elsewhere(folder)}"
    )


def _elsewhere(folder: Path) -> str:
    """Where annotations are instead, or what is there, for the end of a message."""
    below = [
        part for name in PARTS if (part := folder / name).is_dir() and _holds_annotations(part)
    ]
    if below:
        return f"; there are some in {listed([str(part) for part in below], 3)}: give that folder"
    return f" ({what_is_there(folder)})"


def _holds_annotations(folder: Path) -> bool:
    return find_coco(folder) is not None or is_voc(folder) or is_yolo(folder)


def _names_of(found: Iterable[RawImage]) -> list[str]:
    return sorted({name for one in found for name in one.names})


def _checked(folder: Path, part: RawPart, labels: Sequence[str] | None) -> Dataset:
    """Hold annotations against their images and make a data set of them."""
    if not part.images:
        raise DatasetError(f"{folder} holds no images: {what_is_there(folder)}")
    if labels is None:
        labels = _names_of(part.images)
    if not labels:
        raise DatasetError(f"{folder}: no image has a labelled object")
    ids = {label: k for k, label in reversed(list(enumerate(labels)))}
    found = sorted(part.images, key=lambda raw: raw.path)
    sizes, digests, turned = [], [], []
    for one in found:
        unknown = sorted(set(one.names) - ids.keys())
        if unknown:
            raise DatasetError(
                f"{one.source}: unknown label {unknown[0]!r}; known are {listed(labels, 10)}"
            )
        content = read_bytes(one.path)
        height, width = decode_image(one.path, content).shape[:2]
        _check_size(one, width, height)
        sizes.append((width, height))
        digests.append(hashlib.sha256(content).digest())
        if one.boxes and is_turned(content):
            turned.append(one.path.name)
    other_form = reread(found, sizes)
    mended = Mended()
    hashed = hashlib.sha256("\0".join(labels).encode())
    images = []
    for one, size, digest in zip(found, sizes, digests, strict=True):
        image = _held_against(one, *size, ids, mended)
        images.append(image)
        hashed.update(one.path.name.encode() + digest)
        for column in (image.boxes, image.class_ids, image.ignored):
            hashed.update(column.tobytes())
    if fault := mended.fault():
        raise DatasetError(f"{folder}: {fault}")
    notes = (*part.notes, *_told(folder, part, turned, labels), *other_form, *mended.warnings())
    return Dataset(tuple(labels), tuple(images), hashed.hexdigest(), notes)


def _told(
    folder: Path, part: RawPart, turned: Sequence[str], labels: Sequence[str]
) -> Iterator[str]:
    """What a person may want to look at, although nothing shows that it is wrong."""
    if turned:
        yield (
            f"{len(turned)} of {len(part.images)} images are turned by their EXIF data; their boxes"
            f" were taken to be about the turned image, as it is shown: {listed(turned, 3)}"
        )
    if left := other_pictures(folder):
        yield (
            f"left out {len(left)} pictures of kinds that are not read here, convert them to .jpg"
            f" or .png: {listed([path.name for path in left], 3)}"
        )
    by_lower: dict[str, str] = {}
    for label in labels:
        if (other := by_lower.setdefault(label.lower(), label)) != label:
            yield f"{other!r} and {label!r} are two classes, and differ by capital letters only"


def _check_size(raw: RawImage, width: int, height: int) -> None:
    """Raises: DatasetError: the annotation is about an image of another size."""
    if raw.size and raw.size != (width, height):
        turned = ", turned by its EXIF data" if raw.size == (height, width) else ""
        raise DatasetError(
            f"{raw.source} is about an image of {raw.size[0]} x {raw.size[1]} pixels, but"
            f" {raw.path.name} has {width} x {height}{turned}; boxes would lie elsewhere"
        )


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

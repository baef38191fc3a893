"""Pascal VOC: an XML file for each image, beside it or in `Annotations/`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from edge.release.datasets.pictures import SUFFIXES, image_files, read_text
from edge.release.datasets.raw_image import (
    AnnotationFormat,
    RawImage,
    RawPart,
    describe_missing,
    format_names,
)
from edge.release.errors import DatasetError


@dataclass(frozen=True)
class _Listed:
    """The images that a list names, without suffix."""

    file: Path
    stems: Sequence[str]

    def check(self, known: Collection[str]) -> list[str]:
        """What is to be told of the list.

        Raises: DatasetError: nothing that it names is there.
        """
        missing = [stem for stem in self.stems if stem not in known]
        if len(missing) == len(self.stems):
            names = format_names(missing) or "nothing"
            raise DatasetError(f"{self.file} lists {names}: no image of the folder is called so")
        return [describe_missing(self.file, missing, len(self.stems))] if missing else []


def _holds(folder: Path) -> bool:
    """Whether a folder holds annotations of this form."""
    return any(_annotations(folder).glob("*.xml"))


def _read(folder: Path, listed: _Listed | None = None) -> RawPart:
    """All images of a folder, or those that a list names.

    Their boxes are as written: `mending.count_from_zero` brings them into the form of all others.

    Raises:
        DatasetError: a file cannot be read, or has no counterpart.
    """
    images = folder / "JPEGImages"
    by_stem: dict[str, Path] = {}
    namesakes: defaultdict[str, list[Path]] = defaultdict(list)
    for path in image_files(images if images.is_dir() else folder):
        by_stem.setdefault(path.stem, path)
        namesakes[path.stem].append(path)
    files = {path.stem: path for path in sorted(_annotations(folder).glob("*.xml"))}
    notes = _unread_lists(folder)
    if listed is not None:
        notes = listed.check(by_stem.keys() | files.keys())
        by_stem = {stem: path for stem, path in by_stem.items() if stem in listed.stems}
        files = {stem: path for stem, path in files.items() if stem in listed.stems}
    for stem in sorted(by_stem.keys() - files.keys()):
        raise DatasetError(
            f"{by_stem[stem]} has no annotation; write {stem}.xml, empty if nothing is on it"
        )
    for stem in sorted(files.keys() - by_stem.keys()):
        _check_form(files[stem])
        raise DatasetError(f"{files[stem]} has no image; put {stem}.jpg beside it")
    for stem in sorted(stem for stem in files if len(namesakes[stem]) > 1):
        raise DatasetError(
            f"{files[stem]} may be about {' or '.join(map(str, namesakes[stem]))}: give each image"
            " a name of its own"
        )
    found = [_read_file(file, by_stem[stem]) for stem, file in sorted(files.items())]
    return RawPart(found, notes=notes)


def _read_part(folder: Path, name: str) -> RawPart | None:
    """The images that `ImageSets/Main/NAME.txt` lists."""
    file = _lists(folder) / f"{name}.txt"
    if not file.is_file():
        return None
    names = [line.split()[0] for line in read_text(file).splitlines() if line.strip()]
    return _read(folder, _Listed(file, [_without_suffix(name) for name in names]))


def _lists(folder: Path) -> Path:
    return folder / "ImageSets" / "Main"


def _without_suffix(name: str) -> str:
    """Lists have names without suffix; some have it all the same."""
    path = Path(name)
    return path.stem if path.suffix.lower() in {*SUFFIXES, ".xml"} else name


def _unread_lists(folder: Path) -> list[str]:
    lists = sorted(path.name for path in _lists(folder).glob("*.txt"))
    return [f"read all images, and not by {format_names(lists)}"] if lists else []


def _annotations(folder: Path) -> Path:
    apart = folder / "Annotations"
    return apart if apart.is_dir() else folder


def _check_form(file: Path) -> None:
    """Raises: DatasetError: it is CVAT's own form, one file about all images."""
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError):
        return
    if root.tag == "annotations":
        raise DatasetError(
            f"{file} is in CVAT's own form, one file for all images; export it as Pascal VOC, COCO"
            " or YOLO"
        )


def _read_file(file: Path, image: Path) -> RawImage:
    try:
        root = ElementTree.parse(file).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise DatasetError(f"{file} cannot be read as XML: {error}") from error
    raw = RawImage(image, file, whole_pixels=True)
    try:
        width, height = (int(float(root.findtext(f"size/{k}") or 0)) for k in ("width", "height"))
        raw.size = (width, height) if width and height else None
        for item in root.iter("object"):
            name = (item.findtext("name") or "").strip()
            if not name:
                raise DatasetError(f"{file} has an object without a name")
            x0, y0, x1, y1 = (
                float(item.findtext(f"bndbox/{k}") or "") for k in ("xmin", "ymin", "xmax", "ymax")
            )
            raw.add((x0, y0, x1, y1), name, (item.findtext("difficult") or "0").strip() == "1")
    except ValueError as error:
        raise DatasetError(
            f"{file} has an object without a whole bndbox (xmin, ymin, xmax, ymax): {error}"
        ) from error
    return raw


PASCAL_VOC = AnnotationFormat(
    holds=_holds,
    read=lambda folder, _: _read(folder),
    read_part=_read_part,
    lists_parts=True,
)

"""Pascal VOC: an XML file for each image, beside it or in `Annotations/`."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from xml.etree import ElementTree

from edge.release.datasets.pictures import image_files
from edge.release.datasets.raw_image import RawBox, RawImage, RawPart
from edge.release.errors import DatasetError


def is_voc(folder: Path) -> bool:
    """Whether a folder holds annotations of this form."""
    return any(_annotations(folder).glob("*.xml"))


def read_voc(folder: Path, stems: Collection[str] | None = None) -> RawPart:
    """All images of a folder, or those with these names (without suffix).

    Their boxes are as written: `from_zero` brings them into the form of all others.

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
    if stems is not None:
        by_stem = {stem: path for stem, path in by_stem.items() if stem in stems}
        files = {stem: path for stem, path in files.items() if stem in stems}
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
    return RawPart([_read_file(file, by_stem[stem]) for stem, file in sorted(files.items())])


def from_zero(images: Iterable[RawImage]) -> None:
    """Bring the boxes of all images of a data set from pixels counted from 1 to edges from 0.

    VOC counts pixels from 1 and means both ends; some writers count from 0. A 0 tells them, and it
    takes all parts of a data set to look for one.
    """
    found = [image for image in images if image.whole_pixels]
    first = min((min(box[:2]) for one in found for box in one.boxes), default=1.0)
    for one in found:
        one.whole_pixels = False
        if first >= 1:
            one.boxes = [_from_zero(box) for box in one.boxes]


def _annotations(folder: Path) -> Path:
    apart = folder / "Annotations"
    return apart if apart.is_dir() else folder


def _from_zero(box: RawBox) -> RawBox:
    x0, y0, x1, y1 = box
    # Equal ends would mean one pixel, and are in fact a slip of the mouse: left without area.
    return (x0 - 1, y0 - 1, x1, y1) if x1 > x0 and y1 > y0 else box


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

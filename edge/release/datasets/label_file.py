"""What a model's classes are called: from a file, or from the model itself.

`label_formats` has the forms of such a file. Exporters leave names in the model: Ultralytics as
metadata, TensorFlow's as a file within.
"""

import codecs
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edge_detector.contract.manifest import HOLE

from edge.release.datasets.label_formats import Names, parse_names
from edge.release.errors import ModelFileError

BESIDE = ("labels.txt", "labelmap.txt", "classes.txt")
# Lie beside models too, and count less than what the model itself says.
BESIDE_TOO = (
    *("label_map.pbtxt", "labelmap.pbtxt", "labels.pbtxt", "labels.json", "classes.json"),
    *("data.yaml", "metadata.yaml", "obj.names", "classes.names"),
)
_MAX_BYTES = 1_000_000
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Labels:
    """Names of classes, where they stand and how they were read; "???" is a hole."""

    names: tuple[str, ...]
    origin: str
    form: str

    @property
    def told(self) -> str:
        """In a line, for the publisher to see what was taken."""
        known = [name for name in self.names if name != HOLE]
        holes = len(self.names) - len(known)
        count = f"{len(known)} name{'s' * (len(known) > 1)}"
        if holes:
            count += f" and {holes} hole{'s' * (holes > 1)}"
        ends = known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"
        return f"{self.origin} ({self.form}): {count}, {ends}"


def open_labels(file: Path) -> Labels:
    """The names in a labels file.

    Raises:
        ModelFileError: it cannot be read, is none of the forms, or names a class twice.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the labels file {file} cannot be read: {error.strerror or error}"
        ) from error
    if len(content) > _MAX_BYTES:
        raise ModelFileError(f"the labels file {file} has {len(content)} bytes: no list of names")
    return _labels(_decoded(content, file), str(file), file.suffix.lower())


def search_labels(model: Path) -> Labels:
    """The names beside or within a model.

    Raises:
        ModelFileError: there are none, or they cannot be read.
    """
    folder = model if model.is_dir() else model.parent
    for name in BESIDE:
        if (folder / name).is_file():
            return open_labels(folder / name)
    if model.suffix.lower() == ".tflite" and zipfile.is_zipfile(model):
        found = _within(model)
        if found is not None:
            return found
    for name in BESIDE_TOO:
        if (folder / name).is_file():
            return open_labels(folder / name)
    raise ModelFileError(
        f"{model} does not say what its classes are called; give --labels FILE, one name a line"
    )


def _decoded(content: bytes, file: Path) -> str:
    if content.startswith(_WIDE):
        encoding = "utf-16"
    elif b"\0" in content:
        raise ModelFileError(f"the labels file {file} cannot be read: it is no text in UTF-8")
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ModelFileError(
            f"the labels file {file} cannot be read: line {line} is no UTF-8; save it as UTF-8"
        ) from error


def _labels(text: str, origin: str, suffix: str) -> Labels:
    found: Names = parse_names(text, origin, suffix)
    return Labels(found.names, origin, found.form)


def _within(model: Path) -> Labels | None:
    """The names that an exporter has appended to the model as an archive."""
    with zipfile.ZipFile(model) as archive:
        for entry in archive.infolist():
            if entry.file_size > _MAX_BYTES or not entry.filename.endswith((".txt", ".json")):
                continue
            text = archive.read(entry).decode("utf-8-sig", errors="replace")
            structured = text.lstrip().startswith("{")
            if text.strip() and (not structured or "names" in text):
                found = _labels(text, str(model), ".json" if structured else "")
                return Labels(found.names, f"{entry.filename} within {model}", found.form)
    return None

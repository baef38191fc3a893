"""What a model's classes are called: from a file, or from the model itself.

Read are plain lines (`label_lines`), TensorFlow's label map, YAML and JSON (`label_structures`).
Where numbers begin at 1, number 1 is class 0. What is none of these is refused by name. Exporters
leave names in the model: Ultralytics as metadata, TensorFlow's as a file within.
"""

import codecs
import re
import zipfile
from dataclasses import replace
from pathlib import Path

from edge_detector.contract.manifest import HOLE

from edge.release.datasets.label_lines import read_lines, refuse_other_forms
from edge.release.datasets.label_names import Labels
from edge.release.datasets.label_structures import (
    LABEL_MAP_ITEM,
    read_json,
    read_label_map,
    read_yaml,
)
from edge.release.errors import ModelFileError

BESIDE = ("labels.txt", "labelmap.txt", "classes.txt")
# Lie beside models too, and count less than what the model itself says.
BESIDE_TOO = (
    "label_map.pbtxt",
    "labelmap.pbtxt",
    "labels.pbtxt",
    "labels.json",
    "classes.json",
    "data.yaml",
    "metadata.yaml",
    "obj.names",
    "classes.names",
)
_MAX_BYTES = 1_000_000
_TUPLE = re.compile(r"""\(\s*(['"]).*['"]\s*,?\s*\)""", re.DOTALL)
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
    return parse_labels(_decoded(content, file), str(file), file.suffix.lower())


def search_labels(model: Path) -> Labels:
    """The names beside or within a model.

    Raises:
        ModelFileError: there are none, or they cannot be read.
    """
    folder = model if model.is_dir() else model.parent
    for name in BESIDE:
        if (folder / name).is_file():
            return open_labels(folder / name)
    found = _within(model)
    if found is not None:
        return found
    for name in BESIDE_TOO:
        if (folder / name).is_file():
            return open_labels(folder / name)
    raise ModelFileError(
        f"{model} does not say what its classes are called; give --labels FILE, one name a line"
    )


def contradiction(taken: Labels, model: Path) -> str | None:
    """What to tell of names within a model that are as many as those taken, and not the same."""
    try:
        within = _within(model)
    except ModelFileError:  # which nobody needs
        return None
    if within is None or len(within.names) != len(taken.names) or within.names == taken.names:
        return None
    number, (own, given) = next(
        (number, pair)
        for number, pair in enumerate(zip(within.names, taken.names, strict=True))
        if pair[0] != pair[1]
    )
    return (
        f"{within.origin} says that class {number} is {own!r}, and {taken.origin} that it is"
        f" {given!r}: took the names of the latter, look whether they are in the model's order"
    )


def parse_labels(text: str, origin: str, suffix: str = "") -> Labels:
    """The labels in a text, in whichever form it has.

    Args:
        text: the content of a file.
        origin: what it is called in errors.
        suffix: of the file's name, in lower case.

    Raises:
        ModelFileError: it is none of the forms, names no class, or names one twice.
    """
    found = _parse(text.strip(), origin, suffix)
    known = [name for name in found.names if name != HOLE]
    if not known:
        raise ModelFileError(f"{origin} names no class; write one name a line")
    doubled = sorted({name for name in known if known.count(name) > 1})
    if doubled:
        raise ModelFileError(f"{origin} names {doubled[0]!r} twice; each class needs its own name")
    return found


def _parse(text: str, origin: str, suffix: str) -> Labels:
    if suffix == ".pbtxt" or LABEL_MAP_ITEM.match(text):
        return read_label_map(text, origin)
    if suffix in (".yaml", ".yml") or re.search(r"^names\s*:", text, re.MULTILINE):
        return read_yaml(text, origin)
    if suffix == ".json" or text[:1] in ("[", "{") or _TUPLE.fullmatch(text):
        return read_json(text, origin)
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    refuse_other_forms(lines, origin)
    if all(line.startswith("- ") for line in lines):
        return read_yaml(text, origin)
    return read_lines(lines, origin)


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


def _within(model: Path) -> Labels | None:
    """The names that an exporter has appended to the model as an archive, if it has."""
    if model.suffix.lower() != ".tflite" or not zipfile.is_zipfile(model):
        return None
    with zipfile.ZipFile(model) as archive:
        for entry in archive.infolist():
            if entry.file_size > _MAX_BYTES or not entry.filename.endswith((".txt", ".json")):
                continue
            text = archive.read(entry).decode("utf-8-sig", errors="replace")
            structured = text.lstrip().startswith("{")
            if text.strip() and (not structured or "names" in text):
                found = parse_labels(text, str(model), ".json" if structured else "")
                return replace(found, origin=f"{entry.filename} within {model}")
    return None

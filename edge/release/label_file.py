"""What a model's classes are called: from a file, or from the model itself.

A file has one name a line, class 0 first; a first line "???" stands for the background, which
detectors with TFLite_Detection_PostProcess do not count, and is taken away; such a line elsewhere
is a hole in the numbers. Lines may begin with their number ("16 cat", "16: cat"). Exporters leave
names in the model: Ultralytics as metadata, TensorFlow's as a file within.
"""

import ast
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_detector.manifest import HOLE

from edge.release.errors import ModelFileError

BESIDE = ("labels.txt", "labelmap.txt", "classes.txt")
_NUMBERED = re.compile(r"(\d+)\s*[:,\s]\s*(\S.*)")
_MAX_BYTES = 1_000_000


def read_labels(file: Path) -> tuple[str, ...]:
    """The names in a labels file.

    Raises:
        ModelFileError: it cannot be read, or names a class twice.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"the labels file {file} cannot be read: {error}") from error
    return _labels([line.strip() for line in text.splitlines()], str(file))


def find_labels(model: Path) -> tuple[str, ...]:
    """The names beside or within a model.

    Raises:
        ModelFileError: there are none.
    """
    folder = model if model.is_dir() else model.parent
    for name in BESIDE:
        if (folder / name).is_file():
            return read_labels(folder / name)
    if model.suffix.lower() == ".tflite" and zipfile.is_zipfile(model):
        found = _within(model)
        if found:
            return found
    raise ModelFileError(
        f"{model} does not say what its classes are called; give --labels FILE, one name a line"
    )


def _within(model: Path) -> tuple[str, ...]:
    """The names that an exporter has appended to the model as an archive."""
    with zipfile.ZipFile(model) as archive:
        for entry in archive.infolist():
            if entry.file_size > _MAX_BYTES or not entry.filename.endswith((".txt", ".json")):
                continue
            text = archive.read(entry).decode("utf-8", errors="replace")
            if text.lstrip().startswith("{"):
                names = _metadata(text).get("names")
                if isinstance(names, dict):
                    return _labels(_by_number(names, model), str(model))
            elif text.strip():
                return _labels([line.strip() for line in text.splitlines()], str(model))
    return ()


def _by_number(names: Mapping[object, object], model: Path) -> list[str]:
    try:
        return [str(names[key]) for key in sorted(names, key=lambda key: int(str(key)))]
    except ValueError as error:
        raise ModelFileError(
            f"{model} does not number its classes, but calls them {', '.join(map(str, names))};"
            " give --labels FILE, one name a line"
        ) from error


def _metadata(text: str) -> dict[object, object]:
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}


def _labels(lines: Sequence[str], origin: str) -> tuple[str, ...]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    names = _numbered(lines) or [line or HOLE for line in lines]
    if names and names[0] == HOLE:
        names = names[1:]
    known = [name for name in names if name != HOLE]
    if not known:
        raise ModelFileError(f"{origin} names no class; write one name a line")
    doubled = sorted({name for name in known if known.count(name) > 1})
    if doubled:
        raise ModelFileError(f"{origin} names {doubled[0]!r} twice; each class needs its own name")
    return tuple(names)


def _numbered(lines: Sequence[str]) -> list[str]:
    """The names by their numbers if every line begins with a rising one, else nothing."""
    matches = [_NUMBERED.fullmatch(line) for line in lines if line]
    if not matches or not all(matches):
        return []
    pairs = [(int(match[1]), match[2]) for match in matches if match]
    numbers = [number for number, _ in pairs]
    if numbers != sorted(set(numbers)) or numbers[-1] > 10 * len(pairs) + 10:
        return []
    names = [HOLE] * (numbers[-1] + 1)
    for number, name in pairs:
        names[number] = name
    return names

"""What an exporter says about a model within the file: the metadata that Ultralytics appends.

It is what the exporter knew, and answers are judged nevertheless: somebody may have changed either.
"""

import ast
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.release.errors import ModelFileError

_ENTRIES = ("metadata.json", "TFLITE_ULTRALYTICS_METADATA.json", "temp_meta.txt")
_MAX_BYTES = 1_000_000
_TASKS = {
    "classify": "a classifier, which says what a whole picture shows and not where",
    "segment": "a segmentation network, which answers with masks",
    "semantic": "a segmentation network, which answers with a class for each pixel",
    "depth": "a network for depth, which answers with a distance for each pixel",
    "pose": "a pose network, which answers with key points",
    "obb": "a detector of turned boxes",
}


@dataclass(frozen=True)
class ExporterNotes:
    """What stands there; None: nothing does.

    end_to_end: whether the network sorts its detections out itself.
    """

    end_to_end: bool | None = None


def read_exporter_notes(model: Path) -> ExporterNotes:
    """What an exporter says; nothing where it left nothing.

    Raises:
        ModelFileError: it says that the network is no detector of boxes.
    """
    found = _metadata(model)
    task = str(found.get("task", "detect"))
    if task != "detect":
        raise ModelFileError(
            f"{model} is {_TASKS.get(task, 'no detector')} (its metadata says task: {task}); export"
            " a network for the task detect"
        )
    settings = found.get("args")
    said = [found.get("end2end"), settings.get("nms") if isinstance(settings, Mapping) else None]
    known = [value for value in said if isinstance(value, bool)]
    return ExporterNotes(any(known) if known else None)


def _metadata(model: Path) -> Mapping[str, object]:
    if not zipfile.is_zipfile(model):
        return {}
    try:
        with zipfile.ZipFile(model) as archive:
            for entry in archive.infolist():
                if entry.filename in _ENTRIES and entry.file_size <= _MAX_BYTES:
                    text = archive.read(entry).decode("utf-8-sig", errors="replace")
                    read = json.loads if entry.filename.endswith(".json") else ast.literal_eval
                    content = read(text)
                    return content if isinstance(content, dict) else {}
    except (zipfile.BadZipFile, ValueError, SyntaxError, RecursionError, MemoryError):
        pass  # Whoever needs it is told by who reads labels there.
    return {}

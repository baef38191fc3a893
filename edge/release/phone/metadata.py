"""TFLite metadata of a detector: what MediaPipe Tasks reads beside the graph.

A FlatBuffer of the schema "M001" (mediapipe/tasks/metadata/metadata_schema.fbs), written field by
field: the input's normalisation, the four outputs by the names that are looked for, corners and
their order, and the labels, which lie in a zip archive behind the model. No package that writes
it installs beside ours.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import flatbuffers
import numpy as np
from edge_detector.contract.manifest import InputSpec, Manifest

_IDENTIFIER = b"M001"
_PARSER = "1.2.0"  # the version of the schema that has all that is written here
LABELS_FILE = "labels.txt"

# Of the schema's unions and enumerations.
_FEATURE, _IMAGE, _BOXES = 1, 2, 3
_RGB, _BOUNDARIES, _RATIO, _VALUE_LABELS, _NORMALISATION = 1, 1, 0, 3, 1


@dataclass(frozen=True)
class _Number:
    """A field that is stored in its table."""

    kind: Literal["Int8", "Uint8", "Int32"]
    value: int


# A table is its fields by their place in the schema.
_Table = Mapping[int, "_Value"]
_Value = str | _Number | np.ndarray | Sequence["_Value"] | Mapping[int, "_Value"]


def write_metadata(manifest: Manifest, outputs: Sequence[str]) -> bytes:
    """The metadata's own bytes.

    outputs: the roles of the layout "ssd", in the order of the model's outputs.
    """
    described = _outputs()
    graph: _Table = {
        2: [_image(manifest.input)],
        3: [described[role] for role in outputs],
        8: [{0: "detection_result", 1: ["location", "category", "score"]}],
    }
    builder = flatbuffers.Builder(1024)
    root = _write(
        builder,
        {
            0: manifest.name,
            1: f"Detects {', '.join(manifest.labels)}.",
            2: manifest.version,
            3: [graph],
            7: _PARSER,
        },
    )
    builder.Finish(root, _IDENTIFIER)
    return bytes(builder.Output())


def attach_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """The model with its labels behind it, one a line; the same bytes for the same values."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:  # it is read without unpacking
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "\n".join(labels) + "\n")
    return file.getvalue()


def _image(spec: InputSpec) -> _Table:
    scale = {0: np.array([spec.mean], np.float32), 1: np.array([spec.std], np.float32)}
    top = (255 - spec.mean) / spec.std, -spec.mean / spec.std
    return {
        0: "image",
        1: f"The picture, {spec.width} x {spec.height}.",
        3: {0: _Number("Uint8", _IMAGE), 1: {0: _Number("Int8", _RGB)}},
        4: [{0: _Number("Uint8", _NORMALISATION), 1: scale}],
        5: {0: np.array(top[:1], np.float32), 1: np.array(top[1:], np.float32)},
    }


def _outputs() -> Mapping[str, _Table]:
    """Of each role; MediaPipe knows them by their names."""
    places = {0: _Number("Int32", 2), 1: _Number("Int32", 2)}
    features: _Table = {0: _Number("Uint8", _FEATURE), 1: {}, 2: places}
    corners: _Table = {
        0: np.array([1, 0, 3, 2], np.uint32),  # left, top, right and bottom in ymin, xmin, …
        1: _Number("Int8", _BOUNDARIES),
        2: _Number("Int8", _RATIO),
    }
    labels: _Table = {0: LABELS_FILE, 1: "One label a line.", 2: _Number("Int8", _VALUE_LABELS)}
    return {
        "boxes": {
            0: "location",
            1: "Corners of the boxes.",
            3: {0: _Number("Uint8", _BOXES), 1: corners, 2: places},
        },
        "classes": {0: "category", 1: "Which label.", 3: features, 6: [labels]},
        "scores": {0: "score", 1: "How sure, 0 to 1.", 3: features},
        "count": {
            0: "number of detections",
            1: "How many places are filled.",
            3: {0: _Number("Uint8", _FEATURE), 1: {}},
        },
    }


def _write(builder: flatbuffers.Builder, value: _Value) -> int:
    """A value that is not stored in its table; where it was put."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, Mapping):
        return _write_table(builder, value)
    assert not isinstance(value, _Number)
    places = [_write(builder, each) for each in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _write_table(builder: flatbuffers.Builder, fields: _Table) -> int:
    places = {
        slot: _write(builder, value)
        for slot, value in fields.items()
        if not isinstance(value, _Number)
    }
    builder.StartObject(max(fields, default=-1) + 1)
    for slot, value in fields.items():
        if isinstance(value, _Number):
            getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, places[slot], 0)
    return int(builder.EndObject())

"""The manifest: what a device must know about a model, and the contract with its publisher.

It is a JSON object, signed by the publisher and checked here field by field, also when one is
made in Python: a manifest that exists is valid. `to_json` gives the same bytes for the same
values. A key that is missing, doubled or unknown is an error; keys that a later version adds come
under another `format`. A new choice, such as a layout, does not: devices that do not know it refuse
that release.

A model's class k is `labels[k]`. A label "???" is a hole: what is detected there is dropped.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from edge_detector.contract.names import FILE_NAME, MODEL_NAME, SHA256, parse_version
from edge_detector.contract.rules import Printable, Range, check, refuse
from edge_detector.contract.schema import read_json, read_value
from edge_detector.errors import SchemaError

FORMAT = 1
MANIFEST_FILE = "manifest.json"
HOLE = "???"
MAX_SIDE = 8192  # px of a model's input

Variant = Literal["float32", "float16", "dynamic", "int8", "as-is"]
DType = Literal["uint8", "int8", "float32"]
ColourOrder = Literal["rgb", "bgr"]
Fit = Literal["letterbox", "stretch"]
Layout = Literal["points", "ssd", "yolo_v5", "yolo_v8", "end_to_end"]

ROLES: Mapping[Layout, tuple[str, ...]] = {
    "points": ("scores", "distances"),
    "ssd": ("boxes", "classes", "scores", "count"),
    "yolo_v5": ("predictions",),
    "yolo_v8": ("predictions",),
    "end_to_end": ("detections",),
}


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The model's file in the release, beside the manifest."""

    file: str = "model.tflite"
    sha256: str
    size: int  # bytes
    variant: Variant

    def __post_init__(self) -> None:
        _check_file(self.file, self.sha256, self.size)


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """How a frame becomes the model's input of shape (1, height, width, 3) or
    (1, 3, height, width).

    A value that the model sees is (pixel - mean) / std; where the input is quantised, scale and
    zero point of the file are applied to that.
    """

    height: int  # px
    width: int  # px
    dtype: DType
    mean: float
    std: float
    colour_order: ColourOrder = "rgb"
    fit: Fit = "letterbox"
    pad: int = 114  # grey of what a letterbox leaves free, 0 to 255

    def __post_init__(self) -> None:
        check("height", self.height, Range(1, MAX_SIDE))
        check("width", self.width, Range(1, MAX_SIDE))
        check("mean", self.mean, Range(-1e6, 1e6))
        check("std", self.std, Range(1e-6, 1e6))
        check("pad", self.pad, Range(0, 255))


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """Which tensors the model answers with, and how they are to be read (see `inference.decoders`).

    strides: of "points", finest first as the tensors have them, in pixels of the input.
    normalised: of "yolo_*" and "end_to_end", whether boxes are in 0 to 1 of the input instead of
    its pixels.
    """

    layout: Layout
    tensors: Mapping[str, str]  # role: name of the tensor in the file
    strides: tuple[int, ...] = ()
    normalised: bool = False

    def __post_init__(self) -> None:
        roles = ROLES[self.layout]
        if set(self.tensors) != set(roles):
            refuse("tensors", sorted(self.tensors), f"layout {self.layout} has {', '.join(roles)}")
        if not all(self.tensors.values()) or len(set(self.tensors.values())) < len(roles):
            refuse("tensors", dict(self.tensors), "give each role a tensor of its own")
        if (self.layout == "points") != bool(self.strides):
            refuse("strides", list(self.strides), "given for layout points, and only for it")
        for stride in self.strides:
            check("strides", stride, Range(1, 1024))


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Which detections count: the score that is needed, and how much two may overlap."""

    score: float
    iou: float  # of non-maximum suppression
    max_detections: int
    per_label: Mapping[str, float]  # instead of `score`

    def __post_init__(self) -> None:
        check("score", self.score, Range(0, 1))
        check("iou", self.iou, Range(0, 1))
        check("max_detections", self.max_detections, Range(1, 10_000))
        for label, score in self.per_label.items():
            check(f"per_label[{label!r}]", score, Range(0, 1))

    def of(self, label: str) -> float:
        """The score from which a label counts."""
        return self.per_label.get(label, self.score)


@dataclass(frozen=True, kw_only=True)
class GoldenDetection:
    """One thing that the publisher's model found in a golden frame."""

    label: str
    score: float
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 in px of the image

    def __post_init__(self) -> None:
        check("score", self.score, Range(0, 1))
        for edge in self.box:
            check("box", edge, Range(-1e6, 1e6))
        x0, y0, x1, y1 = self.box
        if x0 >= x1 or y0 >= y1:
            refuse("box", list(self.box), "give x0 < x1 and y0 < y1")


@dataclass(frozen=True, kw_only=True)
class Golden:
    """A picture in the release with what the model must find in it."""

    file: str
    sha256: str
    size: int  # bytes
    detections: tuple[GoldenDetection, ...]

    def __post_init__(self) -> None:
        _check_file(self.file, self.sha256, self.size)


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a model comes from."""

    source_sha256: str  # of the model that was converted
    data_sha256: str | None  # of the data it was measured on
    code_version: str
    published_at: str  # ISO 8601, UTC

    def __post_init__(self) -> None:
        check("source_sha256", self.source_sha256, SHA256)
        if self.data_sha256 is not None:
            check("data_sha256", self.data_sha256, SHA256)
        check("code_version", self.code_version, Printable(1, 200))
        try:
            offset = datetime.fromisoformat(self.published_at).utcoffset()
        except ValueError:
            offset = None
        if offset != timedelta():
            refuse("published_at", self.published_at, "give a time in UTC: 2026-01-31T12:00:00Z")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that a device knows about one version of a model."""

    format: int = FORMAT
    name: str
    version: str
    model: ModelFile
    input: InputSpec
    output: OutputSpec
    labels: tuple[str, ...]
    thresholds: Thresholds
    golden: tuple[Golden, ...]
    measured: Mapping[str, object]  # figures for people; plain JSON
    lineage: Lineage

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            refuse("format", self.format, f"this version of edge_detector reads {FORMAT}")
        check("name", self.name, MODEL_NAME)
        parse_version(self.version)
        self._check_labels()
        if not self.golden:
            refuse("golden", [], "a release needs at least one picture to prove itself on")
        files = [MANIFEST_FILE, self.model.file, *(golden.file for golden in self.golden)]
        if len({file.lower() for file in files}) < len(files):
            refuse("golden", files, "each file of a release needs a name of its own")
        for number, golden in enumerate(self.golden):
            for detection in golden.detections:
                if detection.label not in self.known_labels:
                    refuse(f"golden[{number}]", detection.label, "is none of the labels")

    def _check_labels(self) -> None:
        for number, label in enumerate(self.labels):
            check(f"labels[{number}]", label, Printable(1, 100))
        known = [label for label in self.labels if label != HOLE]
        if not known:
            refuse("labels", list(self.labels), "give at least one name")
        if len(set(known)) < len(known):
            doubled = sorted({label for label in known if known.count(label) > 1})
            refuse("labels", doubled, "each may be there once")
        if unknown := sorted(set(self.thresholds.per_label) - set(known)):
            refuse("thresholds.per_label", unknown, "none of these is a label")

    @property
    def known_labels(self) -> frozenset[str]:
        """The labels without holes."""
        return frozenset(self.labels) - {HOLE}

    @classmethod
    def from_json(cls, content: bytes) -> "Manifest":
        """Read a manifest.

        Raises:
            SchemaError: it is no JSON, or a field is wrong.
        """
        return read_value(read_json(content, "the manifest"), cls, "the manifest")

    def to_json(self) -> bytes:
        """The manifest as a file: sorted, indented, the same bytes for the same values.

        Raises:
            SchemaError: a value is nothing that JSON knows.
        """
        try:
            text = json.dumps(
                asdict(self), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
            )
            return f"{text}\n".encode()
        except (TypeError, ValueError) as error:
            raise SchemaError("the manifest", f"cannot be written as JSON: {error}") from error


def _check_file(file: str, sha256: str, size: int) -> None:
    check("file", file, FILE_NAME)
    check("sha256", sha256, SHA256)
    check("size", size, Range(1, 2**40))

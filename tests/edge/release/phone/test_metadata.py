"""Metadata holds what MediaPipe looks for, and labels lie behind the model."""

import io
import zipfile

import flatbuffers
from flatbuffers.number_types import Float32Flags, Int8Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table

from edge.release.phone.metadata import attach_labels, write_metadata
from tests.edge.device.samples import make_manifest


def root(content: bytes) -> Table:
    assert flatbuffers.util.BufferHasIdentifier(content, 0, b"M001")
    return Table(content, int.from_bytes(content[:4], "little"))


def place(table: Table, slot: int) -> int:
    return int(table.Offset(4 + 2 * slot))


def child(table: Table, slot: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + place(table, slot)))


def children(table: Table, slot: int) -> list[Table]:
    start, count = table.Vector(place(table, slot)), table.VectorLen(place(table, slot))
    return [Table(table.Bytes, table.Indirect(start + 4 * number)) for number in range(count)]


def text(table: Table, slot: int) -> str:
    return bytes(table.String(table.Pos + place(table, slot))).decode()


def number(table: Table, slot: int, flags: object) -> int:
    return int(table.Get(flags, table.Pos + place(table, slot)))


def union(table: Table, slot: int) -> Table:
    found = Table(table.Bytes, 0)
    table.Union(found, place(table, slot))
    return found


def test_it_says_how_pictures_are_read_and_what_the_outputs_are() -> None:
    manifest = make_manifest()
    model = root(write_metadata(manifest, ("boxes", "classes", "scores", "count")))
    assert (text(model, 0), text(model, 2)) == (manifest.name, manifest.version)
    (graph,) = children(model, 3)
    (image,) = children(graph, 2)
    (unit,) = children(image, 4)
    assert number(unit, 0, Uint8Flags) == 1
    scale = union(unit, 1)
    mean, std = (scale.GetVectorAsNumpy(Float32Flags, place(scale, slot)) for slot in (0, 1))
    assert (mean.tolist(), std.tolist()) == ([manifest.input.mean], [manifest.input.std])
    outputs = children(graph, 3)
    assert [text(output, 0) for output in outputs] == [
        "location",
        "category",
        "score",
        "number of detections",
    ]
    corners = union(child(outputs[0], 3), 1)
    order = corners.GetVectorAsNumpy(Uint32Flags, place(corners, 0))
    assert order.tolist() == [1, 0, 3, 2] and number(corners, 1, Int8Flags) == 1
    (labels,) = children(outputs[1], 6)
    assert text(labels, 0) == "labels.txt" and number(labels, 2, Int8Flags) == 3


def test_labels_lie_behind_the_model_as_they_are_and_the_same_each_time() -> None:
    names = ("Schraube", "Mutter, M8", "naïve 🔩")
    content = attach_labels(b"model", names)
    assert content.startswith(b"model") and content == attach_labels(b"model", names)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(names)
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED


def test_the_last_output_may_come_first() -> None:
    manifest = make_manifest()
    (graph,) = children(root(write_metadata(manifest, ("count", "scores"))), 3)
    assert [text(each, 0) for each in children(graph, 3)] == ["number of detections", "score"]

"""What a manifest promises to whoever reads it, and refuses from whoever wrote it."""

import copy
import json
from dataclasses import replace

import pytest
from edge_detector.contract.manifest import (
    GoldenDetection,
    InputSpec,
    Lineage,
    Manifest,
    ModelFile,
    OutputSpec,
    Thresholds,
)
from edge_detector.contract.names import parse_version
from edge_detector.errors import EdgeError, ReleaseError, SchemaError

from tests.edge.device.samples import DIGEST, SSD_OUTPUT, make_manifest


def changed(path, value):
    """The sample as JSON with one value exchanged, or left out where the value is `...`."""
    content = json.loads(make_manifest().to_json())
    place = content
    *before, last = path
    for key in before:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(content).encode()


def test_manifest_comes_back_as_it_was_written():
    """Every field, and the same bytes again."""
    manifest = make_manifest()
    content = manifest.to_json()

    assert Manifest.from_json(content) == manifest
    assert Manifest.from_json(content).to_json() == content
    assert make_manifest(output=SSD_OUTPUT) != manifest


def test_file_is_for_people_too():
    """Indented, keys in order, text as it is read, a line's end at the end."""
    content = make_manifest(labels=("bolt", "écrou"), measured={}).to_json().decode()

    assert content.startswith('{\n  "format": 1,\n  "golden"')
    assert content.endswith("}\n")
    assert "écrou" in content


def test_whole_number_does_for_a_fraction():
    """JSON written elsewhere has 255 where Python has 255.0."""
    manifest = Manifest.from_json(changed(["input", "std"], 255))

    assert manifest == make_manifest()
    assert isinstance(manifest.input.std, float)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], 2, "format is '2'.* reads 1"),
        (["name"], "../parts", "name is"),
        (["name"], "Parts", "name is"),
        (["name"], "p" * 65, "name is"),
        (["name"], 7, "name is '7': give text"),
        (["name"], ..., "name is missing"),
        (["version"], "1.2", "version is '1.2'"),
        (["surprise"], 1, "surprise is no field"),
        (["model", "file"], "../model.tflite", r"model\.file"),
        (["model", "file"], ".hidden", r"model\.file"),
        (["model", "file"], "golden-0.png", "a name of its own"),
        (["model", "file"], "manifest.json", "a name of its own"),
        (["model", "sha256"], "abc", r"model\.sha256"),
        (["model", "sha256"], DIGEST.upper(), r"model\.sha256"),
        (["model", "size"], 0, r"model\.size"),
        (["model", "size"], 1.5, r"model\.size is '1.5': give a whole number"),
        (["model", "size"], True, r"model\.size is 'True': give a whole number"),
        (["model", "variant"], "int4", r"model\.variant is 'int4': give one of float32"),
        (["model", "variant"], ["int8"], r"model\.variant"),
        (["input", "height"], 0, r"input\.height is '0': give 1 to"),
        (["input", "width"], 100_000, r"input\.width"),
        (["input", "dtype"], "int16", r"input\.dtype"),
        (["input", "std"], 0, r"input\.std"),
        (["input", "mean"], 10**400, r"input\.mean"),
        (["input", "pad"], 256, r"input\.pad"),
        (["input", "colour_order"], "rbg", r"input\.colour_order"),
        (["input", "fit"], None, r"input\.fit"),
        (["input"], [], "input is '.*': give an object"),
        (["output", "layout"], "yolo_v9", r"output\.layout"),
        (["output", "layout"], "ssd", r"output\.tensors"),
        (["output", "tensors"], {"scores": "a", "distances": "a"}, r"output\.tensors"),
        (["output", "tensors"], {"scores": "a"}, r"output\.tensors"),
        (["output", "tensors", "scores"], 3, r"output\.tensors\['scores'\]"),
        (["output", "strides"], [], r"output\.strides"),
        (["output", "strides"], [8, 0], r"output\.strides"),
        (["output", "strides"], 8, r"output\.strides is '8': give a list"),
        (["output", "normalised"], 1, r"output\.normalised is '1': give true or false"),
        (["labels"], [], "labels"),
        (["labels"], ["???"], "labels"),
        (["labels"], ["bolt", "bolt"], "labels is \"\\['bolt'\\]\": each may be there once"),
        (["labels"], ["bolt", ""], r"labels\[1\]"),
        (["labels"], ["bolt", "n\x1b[31mut"], r"labels\[1\]"),
        (["labels", 1], None, r"labels\[1\] is 'None': give text"),
        (["thresholds", "score"], 1.2, r"thresholds\.score"),
        (["thresholds", "iou"], "0.5", r"thresholds\.iou is '0.5': give a number"),
        (["thresholds", "max_detections"], 0, r"thresholds\.max_detections"),
        (["thresholds", "per_label"], {"screw": 0.5}, r"thresholds\.per_label .*screw"),
        (["thresholds", "per_label"], {"bolt": 2}, r"thresholds\.per_label\['bolt'\]"),
        (["golden"], [], "golden"),
        (["golden", 0, "file"], "a/b.png", r"golden\[0\]\.file"),
        (["golden", 0, "detections", 0, "label"], "screw", r"golden\[0\] is 'screw'"),
        (["golden", 0, "detections", 0, "box"], [1, 2, 3], r"detections\[0\]\.box .*list of 4"),
        (["golden", 0, "detections", 0, "box"], [5, 2, 3, 9], r"detections\[0\]\.box"),
        (["golden", 0, "detections", 0, "score"], -1, r"detections\[0\]\.score"),
        (["measured"], [], "measured"),
        (["lineage", "source_sha256"], None, r"lineage\.source_sha256"),
        (["lineage", "data_sha256"], "x", r"lineage\.data_sha256"),
        (["lineage", "code_version"], "", r"lineage\.code_version"),
        (["lineage", "published_at"], "yesterday", r"lineage\.published_at"),
        (["lineage", "published_at"], "2026-01-31T12:00:00", r"lineage\.published_at"),
        (["lineage", "published_at"], "2026-01-31T12:00:00+02:00", r"lineage\.published_at"),
    ],
)
def test_wrong_field_is_refused_by_its_name(path, value, message):
    """With what is there and what would be right."""
    with pytest.raises(SchemaError, match=message):
        Manifest.from_json(changed(path, value))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"format": 1, "format": 1}',
        b'{"format": NaN}',
        b'{"measured": {"map": -Infinity}}',
        b'{"measured": {"map": 1e999}}',
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
    ids=range(11),
)
def test_anything_but_a_manifest_is_refused(content):
    """Whatever the bytes are, it is the one error that says the publisher erred."""
    with pytest.raises(SchemaError):
        Manifest.from_json(content)


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (ModelFile, {"sha256": DIGEST, "size": 1, "variant": "int8"}, {"size": 0}),
        (
            InputSpec,
            {"height": 1, "width": 1, "dtype": "int8", "mean": 0.0, "std": 1.0},
            {"std": float("nan")},
        ),
        (OutputSpec, {"layout": "yolo_v5", "tensors": {"predictions": "p"}}, {"strides": (8,)}),
        (Thresholds, {"score": 0, "iou": 1, "max_detections": 1, "per_label": {}}, {"iou": 2}),
        (
            GoldenDetection,
            {"label": "bolt", "score": 1.0, "box": (0.0, 0.0, 1.0, 1.0)},
            {"box": (0.0, 0.0, 0.0, 1.0)},
        ),
        (
            Lineage,
            {
                "source_sha256": DIGEST,
                "data_sha256": DIGEST,
                "code_version": "1",
                "published_at": "2026-01-31T12:00:00.5+00:00",
            },
            {"published_at": "2026"},
        ),
    ],
)
def test_manifest_that_exists_is_valid(kind, good, wrong):
    """What is made in Python is checked as what is read."""
    kind(**good)
    with pytest.raises(SchemaError, match=next(iter(wrong))):
        kind(**{**good, **wrong})


@pytest.mark.parametrize("figure", [float("nan"), {1, 2}, b"bytes", "\ud800"])
def test_figures_that_json_lacks_are_refused(figure):
    """By the publisher, before anything is signed."""
    with pytest.raises(SchemaError, match="cannot be written"):
        make_manifest(measured={"figure": figure}).to_json()


def test_manifest_errors_are_the_publishers():
    """A device then keeps what it has, and does not try again."""
    assert issubclass(SchemaError, ReleaseError) and issubclass(ReleaseError, EdgeError)


def test_threshold_of_a_label_is_its_own_or_that_of_all():
    """The manifest's `per_label` goes before its `score`."""
    thresholds = make_manifest().thresholds

    assert thresholds.of("bolt") == 0.25
    assert thresholds.of("nut") == 0.5


def test_holes_are_no_labels():
    """They may be there more than once, and nobody can name them."""
    manifest = make_manifest(labels=("bolt", "???", "nut", "???"))

    assert manifest.known_labels == {"bolt", "nut"}
    with pytest.raises(SchemaError, match="per_label"):
        replace(manifest, thresholds=replace(manifest.thresholds, per_label={"???": 0.5}))


def test_versions_compare_as_numbers():
    """1.10 comes after 1.9."""
    versions = ["10.0.0", "1.10.0", "0.0.1", "1.9.9", "0.1.0"]

    assert sorted(versions, key=parse_version) == ["0.0.1", "0.1.0", "1.9.9", "1.10.0", "10.0.0"]


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3\n", "1.-2.3", "१.2.3", "1.2.3rc1"],
)
def test_other_versions_are_refused(text):
    """Only three plain numbers have one order that everybody agrees on."""
    with pytest.raises(SchemaError, match="version"):
        parse_version(text)


def test_figures_are_free_in_form():
    """Whatever JSON is, comes back."""
    figures = {"a": [1, 2.5, None, True, {"b": "c"}], "d": {}}
    manifest = make_manifest(measured=copy.deepcopy(figures))

    assert Manifest.from_json(manifest.to_json()).measured == figures

"""MediaPipe itself opens the file, and finds what a device finds: else nothing is claimed."""

import shutil
from dataclasses import replace

import pytest

from edge.release.errors import ModelFileError, NoMediaPipeError
from edge.release.phone.metadata import attach_labels
from edge.release.phone.proof import check_mediapipe, prove
from tests.edge.device.tiny import paint
from tests.edge.release.cells import draw_cells
from tests.edge.release.phone.mediapipe import (
    PYTHON,
    finding,
    reading,
    refusing,
    with_mediapipe,
)
from tests.edge.release.squares import SQUARES

CELLS = [paint(*draw_cells(9, seed)) for seed in range(3)]


@with_mediapipe
@pytest.mark.parametrize("form", ["float32", "int8"])
def test_mediapipe_finds_what_a_device_finds(phone_of, form):
    """Of our own head."""
    _, phone = phone_of(form)

    check_mediapipe(PYTHON)
    proof = prove(phone, CELLS, PYTHON)

    assert proof.passed, proof.faults
    assert proof.agreed == 27 and proof.runtime.startswith("mediapipe ")


@with_mediapipe
@pytest.mark.parametrize("form", ["v8", "v5", "v5_exchanged", "ssd_named", "e2e", "v8_int8_wide"])
def test_mediapipe_opens_ready_files_of_other_layouts(phone_of, form):
    """And finds in them what a device finds."""
    _, phone = phone_of(form)

    proof = prove(phone, SQUARES, PYTHON)

    assert proof.passed, proof.faults
    assert proof.agreed == 6 * len(SQUARES)


@with_mediapipe
def test_what_mediapipe_refuses_is_told_with_its_reason(phone_of):
    """Such as a file without metadata."""
    network, _ = phone_of("float32")

    with pytest.raises(ModelFileError, match="require TFLite Model Metadata"):
        prove(network, CELLS, PYTHON)


def test_what_the_file_answers_is_what_a_device_finds(phone_of, tmp_path):
    """Its outputs, read by their places, and its labels."""
    _, phone = phone_of("float32")

    proof = prove(phone, CELLS, reading(tmp_path))

    assert proof.passed, proof.faults
    assert (proof.agreed, proof.runtime) == (27, "mediapipe 0")
    assert proof.largest_score_difference < 1e-6


def test_labels_of_another_model_fail_the_proof(phone_of, tmp_path):
    """Boxes and scores alone are not enough."""
    _, phone = phone_of("float32")
    content = phone.model.read_bytes()
    shutil.copytree(phone.folder, tmp_path / "other")
    other = replace(phone, folder=tmp_path / "other")
    names = tuple(reversed(phone.manifest.labels))
    other.model.write_bytes(attach_labels(content[: content.rindex(b"PK\x03\x04")], names))

    proof = prove(other, CELLS, reading(tmp_path))

    assert not proof.passed and any("did not find" in fault for fault in proof.faults)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        ([], "MediaPipe did not find red"),
        ([("red", 0.99, 8, 8, 8, 8), ("red", 0.99, 40, 8, 8, 8)], "only MediaPipe found red"),
        ([("red", 0.99, 11, 8, 8, 8)], "MediaPipe did not find red"),
        ([("red", 0.90, 8, 8, 8, 8)], "MediaPipe did not find red"),
    ],
    ids=["missing", "too many", "moved", "less sure"],
)
def test_what_only_one_of_them_finds_is_a_fault(phone_of, tmp_path, found, fault):
    """Both ways; a box that is elsewhere, or another score, is another detection."""
    _, phone = phone_of("float32")

    proof = prove(phone, [paint(("red", 1, 1))], finding(tmp_path, [found]))

    assert not proof.passed and any(fault in line for line in proof.faults)


def test_a_step_of_quantised_answers_is_no_fault(phone_of, tmp_path):
    """Another build of the same kernels rounds bytes the other way."""
    _, phone = phone_of("float32")
    picture, found = paint(("red", 1, 1)), finding(tmp_path, [[("red", 0.99, 10, 8, 8, 8)]])

    assert not prove(phone, [picture], found).passed
    assert prove(phone, [picture], found, step_px=1.0).passed


def test_nothing_found_proves_nothing(phone_of, tmp_path):
    """A picture without anything says nothing of the file."""
    _, phone = phone_of("float32")

    proof = prove(phone, [paint()], finding(tmp_path, [[]]))

    assert not proof.faults and not proof.passed


def test_without_mediapipe_nothing_is_claimed(phone_of, tmp_path):
    """It says what is missing, and where to name another Python."""
    _, phone = phone_of("float32")

    with pytest.raises(NoMediaPipeError, match=r"No module.*TRIPTYCH_MEDIAPIPE_PYTHON"):
        check_mediapipe(refusing(tmp_path, "No module named 'mediapipe'"))
    with pytest.raises(NoMediaPipeError, match="does not run"):
        prove(phone, CELLS, tmp_path / "nowhere")

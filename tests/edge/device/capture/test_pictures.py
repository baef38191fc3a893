"""Promises of a folder of pictures: each result says which one, and what was left out is told."""

import json
import logging
import os

import cv2
import numpy as np
import pytest
from edge_detector.capture.camera import open_camera
from edge_detector.capture.source import parse_source
from edge_detector.errors import CameraError
from edge_detector.loop.sink import Result
from edge_detector.outputs.events import EventsFile

from tests.edge.device.captures import picture
from tests.edge.device.results import BOLT, make_result


@pytest.fixture
def folder(tmp_path):
    """Pictures a to e, of which b and d are damaged."""
    place = tmp_path / "pictures"
    place.mkdir()
    for name in "abcde":
        cv2.imwrite(str(place / f"{name}.png"), picture(1))
    for name in "bd":
        (place / f"{name}.png").write_bytes(b"no picture")
    (place / "notes.txt").write_text("not one either")
    return place


def frames_of(source):
    camera = open_camera(parse_source(str(source)))
    found = []
    while (frame := camera.take(1.0)) is not None:
        found.append(frame)
    return found


def test_frames_of_a_folder_bear_the_name_and_the_number_of_their_picture(folder):
    """Numbers count the pictures as they lie in the folder: one that is damaged shifts nothing."""
    assert [(frame.index, frame.file) for frame in frames_of(folder)] == [
        *((0, "a.png"), (2, "c.png"), (4, "e.png"))
    ]


def test_single_picture_bears_its_name(folder):
    (frame,) = frames_of(folder / "c.png")

    assert (frame.index, frame.file) == (0, "c.png")


def test_pictures_have_no_times(folder):
    assert [frame.source_time_s for frame in frames_of(folder)] == [None] * 3


def test_events_name_the_picture(folder, tmp_path):
    """Beside the fields that were there before, which stay as they are."""
    events = EventsFile(tmp_path / "events.jsonl")
    for frame in frames_of(folder):
        result = make_result()
        events.write(Result(frame, [BOLT], result.manifest))
    events.close()

    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["file"]) for line in lines] == [
        *((0, "a.png"), (2, "c.png"), (4, "e.png"))
    ]
    assert set(lines[0]) == {"frame", "file", "captured_at", "model", "detections"}


def test_pictures_that_cannot_be_read_are_told_when_they_are_met(folder, caplog):
    """Also when the run ends before the folder does."""
    with caplog.at_level(logging.WARNING):
        camera = open_camera(parse_source(str(folder)))
        camera.take(1.0)
        camera.take(1.0)
        camera.close()

    assert caplog.text.count("was left out") == 1 and "b.png cannot be read" in caplog.text


def test_pictures_of_other_kinds_and_in_other_folders_are_told(folder, caplog):
    """Nobody else would notice that they are missing."""
    (folder / "f.HEIC").write_bytes(b"x")
    (folder / "g.avif").write_bytes(b"x")
    (folder / "more").mkdir()
    cv2.imwrite(str(folder / "more" / "h.png"), picture(1))
    (folder / "empty").mkdir()

    with caplog.at_level(logging.WARNING):
        assert len(frames_of(folder)) == 3

    assert "2 pictures of kinds that are not read here were left out, as f.HEIC" in caplog.text
    assert "in folders below it were left out: more" in caplog.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.heic", "b.heic"], r"2 pictures of kinds that are not read here.*a\.heic; convert"),
        (["a.txt", "b.csv", "c.csv"], r"it has 2 \.csv, 1 \.txt; pictures end in \.bmp"),
        ([], "it is empty; pictures end in"),
        (["a.jpg"], "none of 1 is whole"),
    ],
)
def test_folder_without_pictures_says_what_it_holds(tmp_path, names, message):
    """And what would be right."""
    for name in names:
        (tmp_path / name).write_bytes(b"x")

    with pytest.raises(CameraError, match=f"holds no picture that can be read: .*{message}"):
        open_camera(parse_source(str(tmp_path)))


def test_pipe_in_a_folder_is_left_out(folder, caplog):
    """Whoever opens it waits for its writer for ever, and no signal ends that."""
    os.mkfifo(folder / "aa.png")

    assert [frame.file for frame in frames_of(folder)] == ["a.png", "c.png", "e.png"]
    assert "aa.png cannot be read as a picture and was left out" in caplog.text


def test_what_is_odd_about_pictures_is_told_once_and_counted(folder, caplog):
    """A camera's whole folder is odd alike: a line for each picture would hide all others."""
    for name in "ace":
        cv2.imwrite(str(folder / f"{name}.png"), np.full((30, 40, 3), 4000, np.uint16))

    with caplog.at_level(logging.WARNING):
        frames = frames_of(folder)

    assert [int(frame.image.max()) for frame in frames] == [250, 250, 250]
    assert caplog.text.count("a.png: it uses 12 of its 16 bits") == 1
    assert "3 pictures: it uses 12 of its 16 bits" in caplog.text
    assert "c.png: " not in caplog.text


def test_picture_without_its_end_is_left_out_with_the_reason(folder, caplog):
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    content = bytes(cv2.imencode(".jpg", noise)[1])
    half = len(content) // 2
    (folder / "f.jpg").write_bytes(content[:half] + bytes(half))

    with caplog.at_level(logging.WARNING):
        assert [frame.file for frame in frames_of(folder)] == ["a.png", "c.png", "e.png"]

    assert "f.jpg cannot be read as a picture and was left out: its end is missing" in caplog.text


@pytest.mark.parametrize("name", ["2024061", "20240612120000"])
def test_folder_that_is_called_as_a_number_is_found_by_its_path(folder, monkeypatch, name):
    """A bare number is a camera's; whoever means the folder is told how to say so."""
    folder.rename(folder.with_name(name))
    monkeypatch.chdir(folder.parent)

    with pytest.raises(CameraError, match=rf"for the folder of that name write \./{name}$"):
        open_camera(parse_source(name))

    assert len(frames_of(f"./{name}")) == 3

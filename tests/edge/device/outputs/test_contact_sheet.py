"""Promises of the contact sheet: twelve pictures over the whole run, however long it is."""

import errno
import os

import cv2
import numpy as np
import pytest
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.inference.boxes import Box, Detection
from edge_detector.outputs.contact_sheet import (
    CELL_WIDTH,
    COLUMNS,
    GAP,
    PICTURES,
    ROWS,
    ContactSheet,
)

from tests.edge.device.results import BOLT, make_result

HEIGHT = CELL_WIDTH * 48 // 64


def grey(level):
    return np.full((48, 64, 3), level, np.uint8)


def cells(path):
    """The mean level of each picture on a sheet, row by row."""
    sheet = cv2.imread(str(path))
    assert sheet is not None
    rows, columns = (
        (sheet.shape[0] + GAP) // (HEIGHT + GAP),
        (sheet.shape[1] + GAP) // (CELL_WIDTH + GAP),
    )
    return [
        int(sheet[row * (HEIGHT + GAP) + 9, column * (CELL_WIDTH + GAP) + 9, 0])
        for row in range(rows)
        for column in range(columns)
    ]


@pytest.mark.parametrize("frames", [12, 13, 100, 2000])
def test_sheet_covers_the_whole_run(tmp_path, frames):
    """Twelve pictures in the order of the run, from its beginning to its end."""
    sheet = ContactSheet(tmp_path / "sheet.png")
    for number in range(frames):
        sheet.write(make_result(number, image=grey(number * 250 // frames)))
    sheet.close()

    levels = cells(tmp_path / "sheet.png")

    assert len(levels) == PICTURES == COLUMNS * ROWS
    assert levels == sorted(levels)
    assert levels[0] < 25 and levels[-1] > 200
    assert max(np.diff(levels)) < 50


def test_sheet_prefers_frames_in_which_something_was_found(tmp_path):
    """People want to see detections: of a stretch, a frame that has some is shown."""
    sheet = ContactSheet(tmp_path / "sheet.png")
    for number in range(96):
        found = number % 8 == 4
        sheet.write(make_result(number, *[BOLT] * found, image=grey(200 if found else 10)))
    sheet.close()

    assert cells(tmp_path / "sheet.png") == [200] * PICTURES


def test_sheet_of_a_short_run_has_as_many_pictures_as_frames(tmp_path):
    """Three frames make three pictures, and no empty ones."""
    sheet = ContactSheet(tmp_path / "sheet.png")
    for number in range(3):
        sheet.write(make_result(number, image=grey(50 * number)))
    sheet.close()

    assert cells(tmp_path / "sheet.png") == [0, 50, 100]


def test_sheet_asks_for_few_drawings():
    """Only frames that may be shown have to be drawn upon."""
    from pathlib import Path

    sheet = ContactSheet(Path("sheet.png"))
    wanted = 0
    for number in range(2400):
        result = make_result(number, image=grey(1))
        wanted += sheet.wants_picture(result.frame)
        sheet.write(result)

    assert wanted < 150


def test_sheet_of_an_empty_run_is_not_written(tmp_path):
    """No frame, no file."""
    ContactSheet(tmp_path / "sheet.png").close()

    assert list(tmp_path.iterdir()) == []


def test_sheet_on_a_full_disk_is_no_wrong_argument(tmp_path, monkeypatch):
    """There may be room tomorrow."""

    def refuse(**_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("edge_detector.outputs.contact_sheet.TemporaryFile", refuse)
    with pytest.raises(EdgeError, match="No space left") as refused:
        ContactSheet(tmp_path / "sheet.png")

    assert not isinstance(refused.value, ConfigError)


@pytest.mark.parametrize(
    "name", ["sheet.txt", "missing/sheet.png", "folder.png", "pipe.png", f"{'x' * 300}.png"]
)
def test_sheet_that_cannot_be_written_is_refused_at_the_start(tmp_path, name):
    """Another kind of name, what is no plain file, or no folder at all is a wrong argument."""
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(ConfigError, match="--contact-sheet"):
        ContactSheet(tmp_path / name)


def test_boxes_of_a_large_frame_are_seen_on_the_sheet(tmp_path):
    """They are drawn at the size of the sheet: lines of two px, and whole labels."""
    frame = np.full((2160, 3840, 3), 90, np.uint8)
    sheet = ContactSheet(tmp_path / "sheet.png")
    found = Detection("bolt", 0, 0.9, Box(1000, 1000, 3000, 2000))
    sheet.write(make_result(0, found, image=frame))
    sheet.close()

    drawn = cv2.imread(str(tmp_path / "sheet.png"))
    assert drawn is not None
    greens = (drawn == (0, 255, 0)).all(axis=2)
    assert greens[190, 122:129].sum() in (2, 3)  # the left edge, at 1000 / 8
    assert greens[95:120, 125:200].any(axis=1).sum() >= 12  # the ground of the label
    assert (frame == 90).all()


def test_sheet_draws_on_the_frame_as_it_came(tmp_path):
    """Where others had the frame drawn upon, nothing is drawn twice."""
    frame = np.full((240, 480, 3), 90, np.uint8)
    result = make_result(0, image=frame)
    sheet = ContactSheet(tmp_path / "sheet.png")
    sheet.observe(result.frame)
    frame[:] = 255
    sheet.write(result)
    sheet.close()

    shown = cv2.imread(str(tmp_path / "sheet.png"))
    assert shown is not None and (shown == 90).all()

"""A video file in the place of a camera."""

import logging

import cv2
import numpy as np
import pytest
from edge_detector.capture.camera import open_camera
from edge_detector.capture.live import LiveCamera
from edge_detector.capture.repeated import RepeatedVideo
from edge_detector.capture.source import open_capture, parse_source
from edge_detector.errors import CameraError

from tests.edge.device.matroska import write_matroska


class Video:
    """A file of numbered pictures, at ten a second."""

    def __init__(self, frames: int = 3) -> None:
        self.left = list(range(frames))

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def read(self):
        return (True, self.left.pop(0)) if self.left else (False, None)

    def get(self, prop):
        return 10.0 if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.left = []


class Clock:
    """Time that passes while somebody sleeps, and when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_video_begins_anew_at_its_end_and_keeps_its_rate():
    """As a camera gives its pictures: one every tenth of a second, without an end."""
    clock = Clock()
    video = RepeatedVideo(Video, clock, clock.sleep)
    seen = []
    for _ in range(7):
        is_read, picture = video.read()
        assert is_read
        seen.append((picture, round(clock.now - 100, 6)))
    assert seen == [(0, 0.0), (1, 0.1), (2, 0.2), (0, 0.3), (1, 0.4), (2, 0.5), (0, 0.6)]


def test_whoever_was_late_gets_no_burst_of_pictures():
    """The next one at once, and those after it at their rate."""
    clock = Clock()
    video = RepeatedVideo(Video, clock, clock.sleep)
    video.read()
    clock.now += 5
    times = [(video.read(), clock.now)[1] for _ in range(3)]
    assert times == pytest.approx([105.0, 105.1, 105.2])


def test_file_that_gives_nothing_any_more_is_a_fault_and_no_endless_loop():
    """As a camera that is gone."""
    clock = Clock()
    video = RepeatedVideo(lambda: Video(0), clock, clock.sleep)
    assert video.read() == (False, None)


@pytest.mark.parametrize("stated", [40, 2])
def test_rate_is_the_one_that_frames_come_at(tmp_path, caplog, stated):
    """What a file states is often invented; it is told, as where the file is not repeated."""
    frames = [np.full((48, 64, 3), level, np.uint8) for level in range(0, 200, 5)]
    times = [number / 10 for number in range(len(frames))]
    file = write_matroska(tmp_path / "clip.mkv", frames, times, stated)
    source = parse_source(str(file), repeat=True)

    video = open_capture(source)
    with caplog.at_level(logging.WARNING):
        open_camera(source).close()

    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert f"states {stated} frames a second; they come 10 a second" in caplog.text


def test_repeated_video_waits_as_its_times_have_it():
    clock = Clock()
    video = RepeatedVideo(Video, clock, clock.sleep, [0.0, 0.5, 1.0, 1.5])
    times = [(video.read(), clock.now)[1] for _ in range(3)]
    assert times == pytest.approx([100.0, 100.5, 101.0])


def test_video_file_becomes_a_live_source_and_other_sources_stay_what_they_are(tmp_path):
    """A camera or a folder of pictures repeats nothing."""
    file = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 100, (64, 48))
    for level in (40, 120, 200):
        writer.write(np.random.default_rng(level).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    (tmp_path / "pictures").mkdir()
    assert not parse_source(str(tmp_path / "pictures"), repeat=True).live
    assert parse_source("0", repeat=True) == parse_source("0")
    assert not parse_source(str(file)).live

    camera = open_camera(parse_source(str(file), repeat=True))
    try:
        assert isinstance(camera, LiveCamera)
        numbers = [frame.index for frame in (camera.take(10) for _ in range(8)) if frame]
        assert len(numbers) == 8 and not camera.ended
    finally:
        camera.close()


def test_file_that_is_no_video_is_said_at_once(tmp_path):
    """Waiting would not help."""
    (tmp_path / "clip.mp4").write_text("no video")
    with pytest.raises(CameraError, match=r"clip\.mp4 holds no video"):
        open_camera(parse_source(str(tmp_path / "clip.mp4"), repeat=True))

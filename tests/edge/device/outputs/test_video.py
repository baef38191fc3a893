"""Promises of the annotated video: playable, complete, and as long as what it shows."""

import errno
import os

import cv2
import numpy as np
import pytest
from edge_detector.errors import ConfigError, EdgeError
from edge_detector.outputs import video as video_module
from edge_detector.outputs.video import SPARE_BYTES, VideoFile, fit

from tests.edge.device.captures import picture
from tests.edge.device.installed import count_frames
from tests.edge.device.results import make_result

PLENTY = SPARE_BYTES * 100


def plain(level):
    return np.full((48, 64, 3), level, np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ".mkv", ".avi"])
def test_video_has_every_frame_of_a_file(tmp_path, suffix):
    """A file's frames come out one for one, at the file's rate."""
    path = tmp_path / f"a{suffix}"
    video = VideoFile(path, 12.5, live=False)
    for number in range(25):
        video.write(make_result(number))
    video.close()

    assert count_frames(path) == 25
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5, rel=0.01)
    capture.release()


@pytest.mark.parametrize("rate", [7.0, 25.0, 90.0])
def test_video_of_a_camera_runs_as_fast_as_what_it_shows(tmp_path, rate):
    """Frames that come slower or faster than the video's rate are repeated or left out."""
    video = VideoFile(tmp_path / "a.mp4", 25.0, live=True)
    for number in range(int(rate * 4)):
        video.write(make_result(number, captured_at=100 + number / rate))
    video.close()

    assert count_frames(tmp_path / "a.mp4") == pytest.approx(100, abs=5)


def test_video_leaves_out_the_time_a_camera_was_away(tmp_path):
    """A camera that was away for an hour makes no hour of video."""
    video = VideoFile(tmp_path / "a.mp4", 25.0, live=True)
    for start in (0.0, 3600.0):
        for number in range(50):
            video.write(make_result(number, captured_at=start + number / 25))
    video.close()

    assert 100 <= count_frames(tmp_path / "a.mp4") <= 130


def test_video_takes_frames_of_other_sizes(tmp_path):
    """A folder's pictures differ in size: each is in the video, in its middle."""
    video = VideoFile(tmp_path / "a.avi", None, live=False)
    for image in (picture(1, 48, 64), picture(2, 100, 30), picture(3, 20, 200)):
        video.write(make_result(0, image=image))
    video.close()

    assert count_frames(tmp_path / "a.avi") == 3
    fitted = fit(np.full((100, 30, 3), 200, np.uint8), (64, 48))
    assert fitted.shape == (48, 64, 3)
    assert fitted[24, 32].min() == 200 and fitted[24, 5].max() == 0


def test_video_is_closed_before_the_disk_is_full(tmp_path, monkeypatch):
    """When the disk runs full the video ends with an error, and can be played so far."""
    free = [PLENTY]
    monkeypatch.setattr(video_module, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(video_module, "free_bytes", lambda _path: free[0])
    video = VideoFile(tmp_path / "a.mp4", 25.0, live=False)
    for number in range(10):
        video.write(make_result(number))

    free[0] = SPARE_BYTES - 1
    with pytest.raises(OSError, match="the disk is full after 10 frames"):
        video.write(make_result(10))
    video.close()

    assert count_frames(tmp_path / "a.mp4") == 10


@pytest.mark.parametrize(
    "name", ["a.txt", "a", "missing/a.mp4", "file/a.mp4", "folder.mp4", "pipe.mp4", "x" * 300]
)
def test_video_that_cannot_be_written_is_refused_at_the_start(tmp_path, name):
    """Another kind of file, a folder, a pipe, or no folder at all is a wrong argument."""
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe.mp4")

    with pytest.raises(ConfigError, match="--output"):
        VideoFile(tmp_path / name, 25.0, live=False)


def test_video_takes_no_pipe_even_with_a_reader(tmp_path):
    """A video gets a table at its end: a pipe is a wrong argument, and not waited for."""
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(ConfigError, match="no plain file"):
        VideoFile(path, 25.0, live=False)

    os.close(reader)
    assert path.exists()


def test_video_on_a_full_disk_has_no_beginning(tmp_path, monkeypatch):
    """It is no wrong argument, as there may be room tomorrow; and nothing is left behind."""
    monkeypatch.setattr(video_module, "free_bytes", lambda _path: 0)
    with pytest.raises(EdgeError, match="No space left") as refused:
        VideoFile(tmp_path / "a.mp4", 25.0, live=False)

    assert not isinstance(refused.value, ConfigError)
    assert list(tmp_path.iterdir()) == []


def test_video_on_a_read_only_disk_has_no_beginning(tmp_path, monkeypatch):
    """As a worn card becomes: no wrong argument either."""

    def refuse(*_arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("edge_detector.outputs.video.os.open", refuse)
    with pytest.raises(EdgeError, match="Read-only") as refused:
        VideoFile(tmp_path / "a.mp4", 25.0, live=False)
    monkeypatch.undo()

    assert not isinstance(refused.value, ConfigError)


def test_video_without_a_frame_leaves_no_file(tmp_path):
    """A run that saw nothing leaves nothing, and keeps what was there before."""
    (tmp_path / "old.mp4").write_bytes(b"an older video")

    for name in ("new.mp4", "old.mp4"):
        VideoFile(tmp_path / name, 25.0, live=False).close()

    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"an older video"

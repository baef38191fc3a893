"""Promises towards a real stream: HTTP on loopback, OpenCV's own reader, and real failures."""

import itertools
import time

import numpy as np
import pytest
from edge_detector.capture import source
from edge_detector.capture.frame import Frame
from edge_detector.capture.health import Patience
from edge_detector.capture.live import LiveCamera

from tests.edge.device.captures import wait_for
from tests.edge.device.mjpeg import NetworkCamera

HASTE = Patience(
    garbage_s=0.5,
    frozen_s=0.7,
    blocked_s=8.0,
    steady_s=0.3,
    first_pause_s=0.05,
    longest_pause_s=0.2,
)


@pytest.fixture
def network():
    camera = NetworkCamera()
    yield camera
    camera.stop()


@pytest.fixture
def live(network, monkeypatch):
    monkeypatch.setattr(source, "OPEN_TIMEOUT_S", 2.0)
    monkeypatch.setattr(source, "READ_TIMEOUT_S", 1.0)
    camera = LiveCamera(source.parse_source(network.address), HASTE)
    yield camera
    camera.close()


def collect(camera, count):
    """So many frames, all of them pictures."""
    frames: list[Frame] = []
    end = time.monotonic() + 30
    while len(frames) < count and time.monotonic() < end:
        frame = camera.take(0.2)
        if frame is not None:
            frames.append(frame)
    assert len(frames) == count, f"{len(frames)} came; {camera.trouble}"
    assert all(frame.image.shape == (240, 320, 3) for frame in frames)
    assert all(np.ptp(frame.image) > 9 for frame in frames)
    return frames


def test_stream_gives_frames(live):
    """A network camera is a source like any other."""
    frames = collect(live, 20)

    assert all(b.captured_at > a.captured_at for a, b in itertools.pairwise(frames))
    assert live.trouble is None


def test_stream_that_is_not_there_yet_is_waited_for(network, live):
    """The device may be switched on before its camera."""
    network.stop()
    assert wait_for(lambda: live.trouble not in (None, "it is being opened"))

    network.start()

    collect(live, 3)


def test_stream_that_was_killed_comes_back(network, live, caplog):
    """The plug is pulled and put in again: detection resumes, without anybody's help."""
    collect(live, 5)

    network.stop()
    assert wait_for(lambda: live.trouble is not None)
    time.sleep(0.5)
    network.start()
    collect(live, 10)

    assert live.reopened >= 1
    assert "secret" not in caplog.text


@pytest.mark.parametrize("fault", ["garbage", "page", "frozen", "silent"])
def test_stream_that_goes_wrong_is_left_and_resumed(network, live, caplog, fault):
    """Garbage, a web page, a picture that stands still, silence: noticed, borne, and over."""
    collect(live, 5)

    network.mode = fault
    assert wait_for(lambda: live.trouble is not None), "it was noticed"
    live.take(0.05)
    network.mode = "good"
    collect(live, 10)

    assert live.reopened >= 1
    assert "secret" not in caplog.text


def test_stream_survives_all_faults_one_after_the_other(network, live):
    """No order of failures ends a camera."""
    for fault in ("garbage", "stop", "page", "garbage", "stop"):
        collect(live, 2)
        if fault == "stop":
            network.stop()
        else:
            network.mode = fault
        assert wait_for(lambda: live.trouble is not None)
        network.mode = "good"
        if fault == "stop":
            network.start()
    collect(live, 10)
    assert live.hanging == 0

"""The camera that freezes, looked at by the device's own capture."""

import time
from pathlib import Path

from edge_detector.capture.health import Patience
from edge_detector.capture.live import LiveCamera
from edge_detector.capture.source import parse_source

from tasks.operations.rehearsal.faults.camera import Camera

PATIENCE = Patience(frozen_s=0.5, steady_s=0.2, first_pause_s=0.05, longest_pause_s=0.1)
BOUND_S = 60


def until(is_so) -> None:
    deadline = time.monotonic() + BOUND_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_device_notices_a_frozen_camera_and_opens_it_anew(tmp_path: Path):
    """It says so, and takes pictures again once there are others."""
    camera = Camera()
    with camera.serving():
        device = LiveCamera(parse_source(camera.address), PATIENCE)
        try:
            until(lambda: device.take(0.1) is not None)
            opened = camera.connections
            camera.freeze()
            until(lambda: "has not changed" in (device.trouble or ""))
            until(lambda: camera.connections > opened)
            camera.thaw()
            until(lambda: device.take(0.1) is not None and device.trouble is None)
        finally:
            device.close()

"""A run's status as Prometheus reads it."""

from edge_detector.outputs.prometheus import render
from prometheus_client.parser import text_string_to_metric_families

STATUS = {
    "model": "parts 1.2.3",
    "source": "rtsp://user:secret@camera/stream",
    "fps": 29.5,
    "latency_ms": 12.0,
    "p99_ms": None,
    "frames": 300,
    "failed": 1,
    "dropped": 2,
    "reopened": 3,
    "uptime_s": 10.2,
    "detections": {'bolt "M8"\n': 4, "nut\\": 5},
    "trouble": None,
    "offline_s": 0.0,
}


def read(status):
    """What a reader of the format makes of it."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(render(status).decode())
        for sample in family.samples
    }


def test_status_is_read_in_base_units_and_nothing_is_told_of_the_camera():
    """Whatever a label holds; what is not known yet has no series."""
    found = read(STATUS)

    assert found["edge_detector_frames_total",] == 300
    assert found["edge_detector_frame_p50_seconds",] == 0.012
    assert found["edge_detector_camera_up",] == 1
    assert found["edge_detector_detections_total", 'bolt "M8"\n'] == 4
    assert found["edge_detector_detections_total", "nut\\"] == 5
    assert ("edge_detector_frame_p99_seconds",) not in found
    assert b"secret" not in render(STATUS)


def test_camera_without_pictures_is_down():
    """What is wrong with it stands in its log."""
    assert read(STATUS | {"trouble": "rtsp://… gives none"})["edge_detector_camera_up",] == 0

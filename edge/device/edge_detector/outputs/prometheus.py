"""A run's status as Prometheus reads it; written here, as the device has no package that does."""

from collections.abc import Iterator, Mapping
from typing import Any

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_LABELS = 256  # of detections, the most frequent ones
_COUNTED = {  # of the status: name and what it says
    "frames": ("edge_detector_frames_total", "Frames that have a result"),
    "failed": ("edge_detector_failed_frames_total", "Frames without a result"),
    "dropped": ("edge_detector_dropped_frames_total", "Frames left out, as newer ones were there"),
    "reopened": ("edge_detector_camera_reopened_total", "Times that the camera was opened again"),
}
_MEASURED = {  # and what its value is multiplied by
    "fps": ("edge_detector_frames_per_second", "Frames a second, lately", 1.0),
    "latency_ms": ("edge_detector_frame_p50_seconds", "From capture to result, lately", 1e-3),
    "p99_ms": ("edge_detector_frame_p99_seconds", "From capture to result, of the run", 1e-3),
    "uptime_s": ("edge_detector_uptime_seconds", "Since the run began", 1.0),
    "offline_s": ("edge_detector_offline_seconds", "Since the release server answered", 1.0),
}


def render(status: Mapping[str, Any]) -> bytes:
    """The status of the preview's page as text of Prometheus; what is not known is left out."""
    return ("\n".join(_lines(status)) + "\n").encode()


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    for field, (name, what) in _COUNTED.items():
        if status.get(field) is not None:
            yield from _family(name, "counter", what, {"": float(status[field])})
    for field, (name, what, factor) in _MEASURED.items():
        if status.get(field) is not None:
            yield from _family(name, "gauge", what, {"": float(status[field]) * factor})
    is_seeing = {"": float(status.get("trouble") is None)}
    yield from _family("edge_detector_camera_up", "gauge", "Whether pictures come", is_seeing)
    seen = list(status.get("detections", {}).items())[:MOST_LABELS]
    values = {f'{{label="{_escaped(str(label))}"}}': float(count) for label, count in seen}
    yield from _family("edge_detector_detections_total", "counter", "What was seen", values)


def _family(name: str, kind: str, what: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{labels} {value!r}" for labels, value in values.items())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

"""The metrics of a run as people and browsers want them: a line, a summary, a page's values."""

from collections.abc import Mapping
from typing import Any

from edge_detector.capture.frame import Camera
from edge_detector.contract.manifest import Manifest
from edge_detector.inference.detector import Detector
from edge_detector.loop.metrics import Metrics

MOST_LABELS = 8  # in a line


def progress_line(metrics: Metrics, camera: Camera) -> str:
    """Where a run is, on one line."""
    rate, latency_ms = metrics.recent()
    of = f"/{camera.length}" if camera.length else ""
    parts = [f"{metrics.frames}{of} frames", f"{rate:.1f} frames/s"]
    if latency_ms is not None:
        parts.append(f"{latency_ms:.1f} ms")
    if camera.trouble is not None:
        parts.append(f"no pictures: {camera.trouble}")
    return "  ".join([*parts, _labels(metrics.labels())]).rstrip()


def summary_line(metrics: Metrics, camera: Camera, manifest: Manifest, runtime: str) -> str:
    """What a run did, on one line."""
    text = f"{metrics.frames} frames in {metrics.seconds:.1f} s: {metrics.rate:.1f} frames/s"
    total = metrics.latency_ms().get("total")
    if total is not None:
        text += f", from capture to result p50 {total['p50']:.1f} ms and p99 {total['p99']:.1f} ms"
    extras = {
        "left out": camera.dropped,
        "failed": metrics.failed,
        "reconnected": camera.reopened,
    }
    text += "".join(f", {count} {what}" for what, count in extras.items() if count)
    seen = _labels(metrics.labels()) or "nothing detected"
    return f"{text}; {seen}; {manifest.name} {manifest.version} on {runtime}"


def describe_now(
    metrics: Metrics, camera: Camera, source: str, detector: Detector | None, offline_s: Any
) -> dict[str, Any]:
    """The values of the preview's page."""
    rate, latency_ms = metrics.recent()
    total: Mapping[str, float] = metrics.latency_ms().get("total", {})
    model = f"{detector.manifest.name} {detector.manifest.version}" if detector else "none yet"
    return {
        "model": model,
        "runtime": detector.runtime_name if detector else "",
        "source": source,
        "fps": round(rate, 2),
        "latency_ms": latency_ms,
        "p99_ms": total.get("p99"),
        "frames": metrics.frames,
        "failed": metrics.failed,
        "dropped": camera.dropped,
        "reopened": camera.reopened,
        "uptime_s": round(metrics.seconds, 1),
        "detections": metrics.labels(),
        "trouble": camera.trouble,
        "offline_s": offline_s,
    }


def _labels(counts: Mapping[str, int]) -> str:
    parts = [f"{label} {count}" for label, count in list(counts.items())[:MOST_LABELS]]
    return ", ".join([*parts, "…"] if len(counts) > MOST_LABELS else parts)

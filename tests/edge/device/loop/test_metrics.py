"""Promises of a run's metrics, and of the lines that tell them."""

from types import SimpleNamespace
from typing import Any

import pytest
from edge_detector.loop.metrics import RECENT_FRAMES, Metrics
from edge_detector.loop.report import describe_now, progress_line, summary_line
from edge_detector.telemetry.interval import Sample


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def stages(total_ms):
    return dict.fromkeys(("capture", "prepare", "infer", "read", "draw"), 1.0) | {"total": total_ms}


def run(frames, every_s=0.1, labels=("bolt",)):
    """The metrics of a run of so many frames, and its clock."""
    clock = Clock()
    metrics = Metrics(clock)
    clock.now += 7.0  # the model is opened
    metrics.start()
    for number in range(frames):
        clock.now += every_s
        metrics.record(Sample(stages(10.0 + number % 100), labels))
    return metrics, clock


def camera(**changes: Any) -> Any:
    return SimpleNamespace(
        **{"length": None, "trouble": None, "dropped": 0, "reopened": 0, **changes}
    )


MANIFEST: Any = SimpleNamespace(name="parts", version="1.2.3")


def test_metrics_count_from_the_first_frame_to_the_last():
    """The rate of a run knows neither the time before it nor the time after."""
    metrics, clock = run(200)
    metrics.end()
    clock.now += 60.0

    assert metrics.seconds == pytest.approx(20.0)
    assert metrics.rate == pytest.approx(10.0)
    assert metrics.labels() == {"bolt": 200}
    assert metrics.latency_ms()["total"]["p50"] == pytest.approx(60, rel=0.03)
    assert metrics.latency_ms()["total"]["p99"] == pytest.approx(108, rel=0.03)


def test_metrics_of_now_fall_to_nothing_when_frames_stop():
    """Whoever looks at the rate sees that the camera is away."""
    metrics, clock = run(1000, every_s=0.02)

    assert metrics.recent()[0] == pytest.approx(50, rel=0.02)
    clock.now += 2.4
    assert metrics.recent()[0] < 40
    clock.now += 10.0
    assert metrics.recent() == (0.0, None)


def test_metrics_need_no_more_memory_for_a_longer_run():
    """A device runs for years."""
    metrics, _ = run(20_000)

    assert len(metrics._recent) == RECENT_FRAMES
    assert all(len(bins) < 500 for bins in metrics._run.durations.values())


def test_lines_tell_what_matters():
    """The line while a run goes on, and the one at its end."""
    metrics, _ = run(100, labels=("bolt", "nut", "nut"))
    source = camera(length=377, dropped=3, reopened=2)

    assert progress_line(metrics, source).startswith("100/377 frames  10.")
    assert progress_line(metrics, source).endswith("nut 200, bolt 100")
    assert "no pictures: it hangs" in progress_line(metrics, camera(trouble="it hangs"))
    assert summary_line(metrics, source, MANIFEST, "ai-edge-litert 2.3.0") == (
        "100 frames in 10.0 s: 10.0 frames/s, from capture to result p50"
        f" {metrics.latency_ms()['total']['p50']:.1f} ms and p99"
        f" {metrics.latency_ms()['total']['p99']:.1f} ms, 3 left out, 2 reconnected;"
        " nut 200, bolt 100; parts 1.2.3 on ai-edge-litert 2.3.0"
    )


def test_lines_of_a_run_without_frames_are_lines_too():
    """Nothing was seen: that is said, and nothing is divided by it."""
    metrics = Metrics()

    assert progress_line(metrics, camera()) == "0 frames  0.0 frames/s"
    assert "nothing detected" in summary_line(metrics, camera(), MANIFEST, "tflite")
    page = describe_now(metrics, camera(), "camera 0", None, None)
    assert page["model"] == "none yet" and page["p99_ms"] is None

"""Promises of a run's figures, and of the lines that tell them."""

from types import SimpleNamespace
from typing import Any

import pytest
from edge_detector.loop.metrics import RECENT_FRAMES, Figures
from edge_detector.loop.report import describe_now, progress_line, summary_line


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def stages(total_ms):
    return dict.fromkeys(("capture", "prepare", "infer", "read", "draw"), 1.0) | {"total": total_ms}


def run(frames, every_s=0.1, labels=("bolt",)):
    """The figures of a run of so many frames, and its clock."""
    clock = Clock()
    figures = Figures(clock)
    clock.now += 7.0  # the model is opened
    figures.start()
    for number in range(frames):
        clock.now += every_s
        figures.record(stages(10.0 + number % 100), labels)
    return figures, clock


def camera(**changes: Any) -> Any:
    return SimpleNamespace(
        **{"length": None, "trouble": None, "dropped": 0, "reopened": 0, **changes}
    )


MANIFEST: Any = SimpleNamespace(name="parts", version="1.2.3")


def test_figures_count_from_the_first_frame_to_the_last():
    """The rate of a run knows neither the time before it nor the time after."""
    figures, clock = run(200)
    figures.end()
    clock.now += 60.0

    assert figures.seconds == pytest.approx(20.0)
    assert figures.rate == pytest.approx(10.0)
    assert figures.labels() == {"bolt": 200}
    assert figures.latency_ms()["total"]["p50"] == pytest.approx(60, rel=0.03)
    assert figures.latency_ms()["total"]["p99"] == pytest.approx(108, rel=0.03)


def test_figures_of_now_fall_to_nothing_when_frames_stop():
    """Whoever looks at the rate sees that the camera is away."""
    figures, clock = run(1000, every_s=0.02)

    assert figures.recent()[0] == pytest.approx(50, rel=0.02)
    clock.now += 2.4
    assert figures.recent()[0] < 40
    clock.now += 10.0
    assert figures.recent() == (0.0, None)


def test_figures_need_no_more_memory_for_a_longer_run():
    """A device runs for years."""
    figures, _ = run(20_000)

    assert len(figures._recent) == RECENT_FRAMES
    assert all(len(bins) < 500 for bins in figures._run.durations.values())


def test_lines_tell_what_matters():
    """The line while a run goes on, and the one at its end."""
    figures, _ = run(100, labels=("bolt", "nut", "nut"))
    source = camera(length=377, dropped=3, reopened=2)

    assert progress_line(figures, source).startswith("100/377 frames  10.")
    assert progress_line(figures, source).endswith("nut 200, bolt 100")
    assert "no pictures: it hangs" in progress_line(figures, camera(trouble="it hangs"))
    assert summary_line(figures, source, MANIFEST, "ai-edge-litert 2.3.0") == (
        "100 frames in 10.0 s: 10.0 frames/s, from capture to result p50"
        f" {figures.latency_ms()['total']['p50']:.1f} ms and p99"
        f" {figures.latency_ms()['total']['p99']:.1f} ms, 3 left out, 2 reconnected;"
        " nut 200, bolt 100; parts 1.2.3 on ai-edge-litert 2.3.0"
    )


def test_lines_of_a_run_without_frames_are_lines_too():
    """Nothing was seen: that is said, and nothing is divided by it."""
    figures = Figures()

    assert progress_line(figures, camera()) == "0 frames  0.0 frames/s"
    assert "nothing detected" in summary_line(figures, camera(), MANIFEST, "tflite")
    page = describe_now(figures, camera(), "camera 0", None, None)
    assert page["model"] == "none yet" and page["p99_ms"] is None

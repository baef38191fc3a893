"""Promises of the loop: all frames, in order, whatever fails."""

import logging
import threading
from typing import Any

import numpy as np
import pytest
from edge_detector.errors import ModelError, NoModelError
from edge_detector.inference.overlay import GREEN
from edge_detector.loop.pipeline import MOST_FAILURES

from tests.edge.device.captures import FakeCamera, wait_for
from tests.edge.device.pipelines import (
    LIMIT_S,
    FakeDetector,
    FakeSink,
    open_pipeline,
    pictures,
    run_through,
)


@pytest.mark.parametrize("live", [False, True])
def test_loop_emits_every_frame_that_it_takes_in_order(live):
    """What was taken comes out, once, in order, and no thread stays."""
    before = set(threading.enumerate())
    sink = FakeSink()
    samples: list[Any] = []
    pipeline = open_pipeline(
        FakeCamera(pictures(50), live),
        FakeDetector(),
        [sink],
        on_frame=lambda sample: samples.append((dict(sample.stages_ms), list(sample.labels))),
    )

    run_through(pipeline)

    assert sink.indices == list(range(50)) and sink.closed == 1
    assert pipeline.metrics.frames == 50 and pipeline.metrics.labels() == {"bolt": 50}
    assert set(samples[7][0]) == {"capture", "prepare", "infer", "read", "draw", "total"}
    assert samples[7][1] == ["bolt"]
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("live", [False, True])
def test_loop_ends_after_as_many_frames_as_were_asked_for(live):
    """`--frames 7` takes seven frames from its source and no eighth."""
    camera, sink = FakeCamera(pictures(50), live), FakeSink()

    run_through(open_pipeline(camera, FakeDetector(), [sink], max_frames=7))

    assert sink.indices == list(range(7))
    assert camera.take(0.0).index == 7


@pytest.mark.parametrize("live", [False, True])
def test_loop_stops_soon_and_emits_what_it_has_inferred(live):
    """A stop loses nothing that was computed."""
    camera = FakeCamera(pictures(2000), live, every_s=0.002)
    detector, sink = FakeDetector(), FakeSink()
    pipeline = open_pipeline(camera, detector, [sink])
    pipeline.start()
    assert wait_for(lambda: len(sink.results) > 20)

    pipeline.stop()

    assert pipeline.wait(5.0)
    pipeline.close()
    assert sink.indices == list(range(len(sink.results)))
    assert len(sink.results) < 2000


def test_loop_overlaps_its_stages():
    """Reading, inference and writing of different frames go on at the same time."""
    together = threading.Barrier(3)
    meetings = []

    def meet(stage, number):
        if number == {"prepare": 5, "infer": 4, "read": 3}[stage]:
            together.wait(LIMIT_S)
            meetings.append(stage)
        return False

    run_through(open_pipeline(FakeCamera(pictures(10)), FakeDetector(fails=meet), [FakeSink()]))

    assert sorted(meetings) == ["infer", "prepare", "read"]


def test_loop_draws_only_for_those_who_look():
    """A frame is drawn upon if an output wants its picture, and left alone if none does."""
    frames = pictures(2)
    frames = [np.full((48, 64, 3), 9, np.uint8) for _ in frames]
    seen, plain = FakeSink(picture=True), FakeSink()

    run_through(open_pipeline(FakeCamera([frames[0].copy()]), FakeDetector(), [seen, plain]))
    drawn = seen.results[0].frame.image
    run_through(open_pipeline(FakeCamera([frames[1]]), FakeDetector(), [plain]))

    assert tuple(drawn[20, 20]) == GREEN
    assert (plain.results[1].frame.image == 9).all()


@pytest.mark.parametrize("stage", ["prepare", "infer", "read"])
def test_loop_goes_on_after_a_frame_that_fails(stage, caplog):
    """A frame that breaks a stage costs that frame, and is told of."""
    sink = FakeSink()
    detector = FakeDetector(fails=lambda where, number: where == stage and number in (3, 9))

    run_through(open_pipeline(FakeCamera(pictures(20)), detector, [sink]))

    assert sink.indices == [number for number in range(20) if number not in (2, 8)]
    assert f"{stage} 3 failed" in caplog.text


@pytest.mark.parametrize("stage", ["prepare", "infer", "read"])
@pytest.mark.parametrize("live", [False, True])
def test_loop_ends_when_the_model_fails_again_and_again(stage, live):
    """A model that fails on frame after frame ends the loop with what it said."""
    detector = FakeDetector(fails=lambda where, number: where == stage and number > 10)
    pipeline = open_pipeline(FakeCamera(pictures(500), live), detector, [sink := FakeSink()])
    pipeline.start()
    assert pipeline.wait(LIMIT_S)

    with pytest.raises(ModelError, match=f"failed on {MOST_FAILURES} frames in a row: {stage}"):
        pipeline.close()

    assert sink.indices == list(range(len(sink.indices))) and 7 <= len(sink.indices) <= 10
    assert sink.closed == 1


def test_loop_goes_on_with_another_model_when_one_fails():
    """A model that fails again and again is replaced, if there is one to replace it by."""
    asked: list[Any] = []
    other: Any = FakeDetector("0.9.0")

    def replace(failed, error):
        asked.append((failed, str(error)))
        return other

    bad = FakeDetector(fails=lambda where, number: where == "infer" and number > 10)
    sink = FakeSink()
    pipeline = open_pipeline(FakeCamera(pictures(60)), bad, [sink], on_failing=replace)

    run_through(pipeline)

    assert [failed for failed, _ in asked] == [bad]
    assert "fake 1.0.0 failed" in asked[0][1]
    assert pipeline.detector is other
    assert sink.results[-1].manifest.version == "0.9.0" and sink.indices[-1] == 59
    assert pipeline.metrics.failed >= MOST_FAILURES


def test_loop_keeps_the_newer_model_that_comes_while_another_one_is_replaced():
    """Who replaces a failing model does not overwrite a newer one that came meanwhile.

    Nor is the loop said to hang in the interpreter while it waits for the other one.
    """
    newest: Any = FakeDetector("2.0.0")
    marks: list[Any] = []

    def replace(failed, error):
        marks.append(pipeline.heartbeat.overdue(-1.0))
        pipeline.swap_model(newest)
        return FakeDetector("0.9.0")

    bad = FakeDetector(fails=lambda where, number: where == "infer" and number > 10)
    sink = FakeSink()
    pipeline = open_pipeline(FakeCamera(pictures(60)), bad, [sink], on_failing=replace)

    run_through(pipeline)

    assert {result.manifest.version for result in sink.results} == {"1.0.0", "2.0.0"}
    assert marks == [None]


def test_loop_ends_with_the_error_of_who_has_no_other_model():
    """If there is nothing to replace a model by, that error ends the loop."""

    def replace(failed, error):
        raise NoModelError("there is no previous release")

    bad = FakeDetector(fails=lambda where, number: where == "read")
    pipeline = open_pipeline(FakeCamera(pictures(60)), bad, [], on_failing=replace)
    pipeline.start()
    assert pipeline.wait(LIMIT_S)

    with pytest.raises(NoModelError):
        pipeline.close()


def test_loop_goes_on_without_an_output_that_fails(caplog):
    """A full disk costs the output that lies on it; it is said once, and the others go on."""
    bad, good = FakeSink("--output a.mp4", fails_at=5), FakeSink()

    run_through(open_pipeline(FakeCamera(pictures(30)), FakeDetector(), [bad, good]))

    assert good.indices == list(range(30))
    assert bad.indices == list(range(5)) and bad.closed == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors if record.name.startswith("edge_")] == [
        "--output a.mp4: the disk is full; going on without it"
    ]


def test_loop_changes_models_between_two_frames():
    """After a model swap every frame is the new model's, before it the old one's."""
    sink = FakeSink()
    camera = FakeCamera(pictures(2000), every_s=0.001)
    pipeline = open_pipeline(camera, FakeDetector("1.0.0"), [sink], max_frames=2000)
    pipeline.start()
    assert wait_for(lambda: len(sink.results) > 20)

    successor: Any = FakeDetector("2.0.0")
    pipeline.swap_model(successor)
    assert wait_for(lambda: sink.results[-1].manifest.version == "2.0.0")
    pipeline.stop()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()

    versions = [result.manifest.version for result in sink.results]
    assert versions == sorted(versions) and len(set(versions)) == 2
    assert sink.indices == list(range(len(sink.results)))


def test_heartbeat_tells_where_the_loop_hangs():
    """A call that does not return leaves its mark; waiting for frames leaves none."""
    stuck, reached = threading.Event(), threading.Event()

    def hang(stage, number):
        if stage == "infer" and number == 5:
            reached.set()
            stuck.wait(LIMIT_S)
        return False

    pipeline = open_pipeline(FakeCamera(pictures(10)), FakeDetector(fails=hang), [])
    pipeline.start()
    assert reached.wait(LIMIT_S)

    overdue = pipeline.heartbeat.overdue(-1.0)

    assert overdue is not None and overdue[0] == "the interpreter"
    stuck.set()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()
    assert pipeline.heartbeat.overdue(-1.0) is None

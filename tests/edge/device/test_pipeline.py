"""Promises of the loop: all frames, in order, whatever fails, and no gap when models change."""

import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from edge_detector.boxes import Box, Detection
from edge_detector.detector import Detector
from edge_detector.errors import ModelError, NoModelError
from edge_detector.overlay import GREEN
from edge_detector.pipeline import MOST_FAILURES, Pipeline
from edge_detector.takeover import GOOD_S, Takeover

from tests.edge.device.captures import FakeCamera, picture, wait_for
from tests.edge.device.installed import install_tiny, paint_frame

LIMIT_S = 30.0


class FakeDetector:
    """Finds one thing in each frame; fails where it is told to."""

    runtime_name = "fake"

    def __init__(self, version="1.0.0", fails=lambda stage, number: False):
        self.manifest = SimpleNamespace(name="fake", version=version)
        self.fails = fails
        self.frames = 0

    def prepare(self, frame):
        self.frames += 1
        number = self.frames
        return self._pass("prepare", number)

    def infer(self, prepared):
        return self._pass("infer", prepared)

    def read(self, raw):
        self._pass("read", raw)
        return [Detection("bolt", 0, 0.9, Box(10.0, 20.0, 30.0, 40.0))]

    def warm_up(self):
        pass

    def _pass(self, stage, number):
        if self.fails(stage, number):
            raise RuntimeError(f"{stage} {number} failed")
        return number


class FakeSink:
    """Keeps what it gets."""

    def __init__(self, name="--fake", picture=False, fails_at=None):
        self.name, self._picture, self._fails_at = name, picture, fails_at
        self.results, self.times, self.closed = [], [], 0

    def wants_picture(self, frame):
        return self._picture

    def write(self, result):
        if self._fails_at == len(self.results):
            raise OSError("the disk is full")
        self.results.append(result)
        self.times.append(time.monotonic())

    def close(self):
        self.closed += 1

    @property
    def indices(self):
        return [result.frame.index for result in self.results]


def pictures(count):
    return [picture(number) for number in range(count)]


def run(pipeline):
    """Start, wait for the end, close."""
    pipeline.start()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()


@pytest.mark.parametrize("live", [False, True])
def test_loop_emits_every_frame_that_it_takes_in_order(live):
    """What was taken comes out, once, in order, and no thread stays."""
    before = threading.active_count()
    sink = FakeSink()
    samples = []
    pipeline = Pipeline(
        *(FakeCamera(pictures(50), live), FakeDetector(), [sink]),
        on_frame=lambda stages, labels: samples.append((dict(stages), list(labels))),
    )

    run(pipeline)

    assert sink.indices == list(range(50)) and sink.closed == 1
    assert pipeline.figures.frames == 50 and pipeline.figures.labels() == {"bolt": 50}
    assert set(samples[7][0]) == {"capture", "prepare", "infer", "read", "draw", "total"}
    assert samples[7][1] == ["bolt"]
    assert threading.active_count() == before


@pytest.mark.parametrize("live", [False, True])
def test_loop_ends_after_as_many_frames_as_were_asked_for(live):
    """`--frames 7` takes seven frames from its source and no eighth."""
    camera, sink = FakeCamera(pictures(50), live), FakeSink()

    run(Pipeline(camera, FakeDetector(), [sink], max_frames=7))

    assert sink.indices == list(range(7))
    assert camera.take(0.0).index == 7


@pytest.mark.parametrize("live", [False, True])
def test_loop_stops_soon_and_emits_what_it_has_inferred(live):
    """A stop loses nothing that was computed."""
    camera = FakeCamera(pictures(2000), live, every_s=0.002)
    detector, sink = FakeDetector(), FakeSink()
    pipeline = Pipeline(camera, detector, [sink])
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
        if number == {"prepare": 6, "infer": 4, "read": 2}[stage]:
            together.wait(LIMIT_S)
            meetings.append(stage)
        return False

    run(Pipeline(FakeCamera(pictures(10)), FakeDetector(fails=meet), [FakeSink()]))

    assert sorted(meetings) == ["infer", "prepare", "read"]


def test_loop_draws_only_for_those_who_look():
    """A frame is drawn upon if an output wants its picture, and left alone if none does."""
    frames = pictures(2)
    frames = [np.full((48, 64, 3), 9, np.uint8) for _ in frames]
    seen, plain = FakeSink(picture=True), FakeSink()

    run(Pipeline(FakeCamera([frames[0].copy()]), FakeDetector(), [seen, plain]))
    drawn = seen.results[0].frame.image
    run(Pipeline(FakeCamera([frames[1]]), FakeDetector(), [plain]))

    assert tuple(drawn[20, 20]) == GREEN
    assert (plain.results[1].frame.image == 9).all()


@pytest.mark.parametrize("stage", ["prepare", "infer", "read"])
def test_loop_goes_on_after_a_frame_that_fails(stage, caplog):
    """A frame that breaks a stage costs that frame, and is told of."""
    sink = FakeSink()
    detector = FakeDetector(fails=lambda where, number: where == stage and number in (3, 9))

    run(Pipeline(FakeCamera(pictures(20)), detector, [sink]))

    assert sink.indices == [number for number in range(20) if number not in (2, 8)]
    assert f"{stage} 3 failed" in caplog.text


@pytest.mark.parametrize("stage", ["prepare", "infer", "read"])
@pytest.mark.parametrize("live", [False, True])
def test_loop_ends_when_the_model_fails_again_and_again(stage, live):
    """A model that fails on frame after frame ends the loop with what it said."""
    detector = FakeDetector(fails=lambda where, number: where == stage and number > 10)
    pipeline = Pipeline(FakeCamera(pictures(500), live), detector, [sink := FakeSink()])
    pipeline.start()
    assert pipeline.wait(LIMIT_S)

    with pytest.raises(ModelError, match=f"failed on {MOST_FAILURES} frames in a row: {stage}"):
        pipeline.close()

    assert sink.indices == list(range(len(sink.indices))) and 7 <= len(sink.indices) <= 10
    assert sink.closed == 1


def test_loop_goes_on_with_another_model_when_one_fails():
    """A model that fails again and again is replaced, if there is one to replace it by."""
    asked = []
    other = FakeDetector("0.9.0")

    def replace(failed, error):
        asked.append((failed, str(error)))
        return other

    bad = FakeDetector(fails=lambda where, number: where == "infer" and number > 10)
    sink = FakeSink()
    pipeline = Pipeline(FakeCamera(pictures(60)), bad, [sink], on_failing=replace)

    run(pipeline)

    assert [failed for failed, _ in asked] == [bad]
    assert "fake 1.0.0 failed" in asked[0][1]
    assert pipeline.detector is other
    assert sink.results[-1].manifest.version == "0.9.0" and sink.indices[-1] == 59
    assert pipeline.figures.failed >= MOST_FAILURES


def test_loop_ends_with_the_error_of_who_has_no_other_model():
    """If there is nothing to replace a model by, that error ends the loop."""

    def replace(failed, error):
        raise NoModelError("there is no previous release")

    bad = FakeDetector(fails=lambda where, number: where == "read")
    pipeline = Pipeline(FakeCamera(pictures(60)), bad, [], on_failing=replace)
    pipeline.start()
    assert pipeline.wait(LIMIT_S)

    with pytest.raises(NoModelError):
        pipeline.close()


def test_loop_goes_on_without_an_output_that_fails(caplog):
    """A full disk costs the output that lies on it; it is said once, and the others go on."""
    bad, good = FakeSink("--output a.mp4", fails_at=5), FakeSink()

    run(Pipeline(FakeCamera(pictures(30)), FakeDetector(), [bad, good]))

    assert good.indices == list(range(30))
    assert bad.indices == list(range(5)) and bad.closed == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "--output a.mp4: the disk is full; going on without it"
    ]


def test_loop_changes_models_between_two_frames():
    """After a take-over every frame is the new model's, before it the old one's."""
    sink = FakeSink()
    camera = FakeCamera(pictures(2000), every_s=0.001)
    pipeline = Pipeline(camera, FakeDetector("1.0.0"), [sink], max_frames=2000)
    pipeline.start()
    assert wait_for(lambda: len(sink.results) > 20)

    pipeline.take_over(FakeDetector("2.0.0"))
    assert wait_for(lambda: sink.results[-1].manifest.version == "2.0.0")
    pipeline.stop()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()

    versions = [result.manifest.version for result in sink.results]
    assert versions == sorted(versions) and len(set(versions)) == 2
    assert sink.indices == list(range(len(sink.results)))


def test_pulse_tells_where_the_loop_hangs():
    """A call that does not return leaves its mark; waiting for frames leaves none."""
    stuck, reached = threading.Event(), threading.Event()

    def hang(stage, number):
        if stage == "infer" and number == 5:
            reached.set()
            stuck.wait(LIMIT_S)
        return False

    pipeline = Pipeline(FakeCamera(pictures(10)), FakeDetector(fails=hang), [])
    pipeline.start()
    assert reached.wait(LIMIT_S)

    overdue = pipeline.pulse.overdue(-1.0)

    assert overdue is not None and overdue[0] == "the interpreter"
    stuck.set()
    assert pipeline.wait(LIMIT_S)
    pipeline.close()
    assert pipeline.pulse.overdue(-1.0) is None


class FakeSlots:
    """Which slot is current, and whether it is on trial."""

    def __init__(self, previous=None, trial=True):
        self.previous, self.trial = previous, trial
        self.commits, self.rollbacks = 0, []

    def on_trial(self):
        return self.trial

    def commit(self):
        self.commits += 1
        self.trial = False

    def rollback(self, reason=None, refuse=True):
        if self.previous is None:
            raise NoModelError("there is no previous release")
        self.rollbacks.append((reason, refuse))
        self.trial = False
        return self.previous


def a_slot(version):
    return SimpleNamespace(id=f"fake-{version}", release=f"fake {version}", version=version)


def build_fake(slot):
    if slot.version.startswith("9"):
        raise ModelError("it does not open")
    return FakeDetector(slot.version)


class TestTakeover:
    def test_takeover_commits_after_a_minute_of_results(self):
        """A release has proved itself after a minute in which frames came out of it."""
        now = [0.0]
        slots = FakeSlots()
        takeover = Takeover(slots, build_fake, clock=lambda: now[0])
        camera = FakeCamera(pictures(20))
        pipeline = Pipeline(camera, takeover.begin(a_slot("1.0.0")))
        takeover.attach(pipeline)

        now[0] = GOOD_S + 1
        takeover.look()
        without_frames = slots.commits
        run(pipeline)
        takeover.look()

        assert without_frames == 0, "a camera that is away proves nothing"
        assert slots.commits == 1

    def test_takeover_goes_back_from_what_does_not_open(self):
        """A release that does not open is refused, and the previous one goes on."""
        slots = FakeSlots(previous=a_slot("1.0.0"))
        told = []
        takeover = Takeover(
            slots,
            build_fake,
            on_model=lambda d: told.append(d.manifest.version),
            on_rollback=lambda: told.append("back"),
        )

        takeover.take(a_slot("9.0.0"))

        assert slots.rollbacks == [("it does not open", True)]
        assert told == ["back", "1.0.0"]

    def test_takeover_stays_with_what_runs_if_nothing_else_does(self, caplog):
        """If neither the new nor a previous one opens, the model in memory goes on."""
        takeover = Takeover(FakeSlots(), build_fake)
        running = takeover.begin(a_slot("1.0.0"))
        pipeline = Pipeline(FakeCamera([]), running)
        takeover.attach(pipeline)

        takeover.take(a_slot("9.0.0"))

        assert pipeline.detector is running and pipeline._incoming is None
        assert "there is no previous release" in caplog.text

    def test_takeover_begins_with_the_previous_one_if_it_must(self):
        """A run whose model is on trial and does not open begins with the one before."""
        slots = FakeSlots(previous=a_slot("1.0.0"))

        detector = Takeover(slots, build_fake).begin(a_slot("9.0.0"))

        assert detector.manifest.version == "1.0.0"

    def test_takeover_does_not_go_back_from_what_was_committed(self):
        """Without a trial there is no going back: the error is told as it is."""
        slots = FakeSlots(previous=a_slot("1.0.0"), trial=False)

        with pytest.raises(ModelError, match="it does not open"):
            Takeover(slots, build_fake).begin(a_slot("9.0.0"))

    def test_takeover_does_nothing_for_the_slot_that_runs(self):
        """The same slot once more is not opened again."""
        built = []

        def build(slot):
            built.append(slot.version)
            return FakeDetector(slot.version)

        takeover = Takeover(FakeSlots(), build)
        takeover.begin(a_slot("1.0.0"))
        takeover.take(a_slot("1.0.0"))

        assert built == ["1.0.0"]

    def test_takeover_keeps_its_successor_if_the_old_one_fails_meanwhile(self):
        """A model that fails while its successor is on the way does not get that one refused."""
        slots = FakeSlots(previous=a_slot("1.0.0"))
        takeover = Takeover(slots, build_fake)
        old = takeover.begin(a_slot("1.1.0"))
        takeover.take(a_slot("1.2.0"))

        after = takeover.replace(old, ModelError("failed"))

        assert after.manifest.version == "1.2.0" and slots.rollbacks == []


def test_swap_in_a_run_leaves_no_gap(tmp_path):
    """A new model, opened beside the running one, makes no frame of 30 per second wait for two."""
    first = install_tiny(tmp_path, "1.0.0")
    second = install_tiny(tmp_path, "2.0.0", activate=False)
    camera = FakeCamera([paint_frame(number) for number in range(120)], live=True, every_s=1 / 30)
    sink = FakeSink()
    takeover = Takeover(
        FakeSlots(), lambda slot: Detector(slot.model_path, slot.manifest, threads=1)
    )
    pipeline = Pipeline(camera, takeover.begin(first), [sink])
    takeover.attach(pipeline)
    pipeline.start()
    assert wait_for(lambda: len(sink.results) >= 30)

    updater = threading.Thread(target=takeover.take, args=(second,))
    updater.start()
    assert pipeline.wait(LIMIT_S)
    updater.join()
    pipeline.close()

    assert sink.indices == list(range(120)), "no frame is lost"
    versions = [result.manifest.version for result in sink.results]
    swapped = versions.index("2.0.0")
    around = np.diff(sink.times[max(0, swapped - 20) : swapped + 20])
    # Twice the promise: other programs have this machine's cores, too.
    assert around.max() < 2 * 2 / 30
    assert all(len(result.detections) == 1 for result in sink.results if result.frame.index % 5)

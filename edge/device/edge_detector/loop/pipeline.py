"""The loop: frames in, detections out, with all stages at work at the same time.

    file:  read + prepare ─▶ infer ─▶ read out + draw + emit
    live:  camera's thread ─▶ prepare + infer ─▶ read out + draw + emit

Each column is a thread, and OpenCV and the interpreter hold no lock while they compute. A file's
frames are prepared ahead; of a live source the newest frame is taken when the interpreter is
free, so that no result is older than it must be. The model is swapped between two frames. A frame
or an output that fails costs a warning; only a model that fails again and again ends the loop.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_detector.capture.frame import Camera, Frame
from edge_detector.errors import ModelError
from edge_detector.inference.detector import Detector
from edge_detector.inference.overlay import draw
from edge_detector.loop.bounded_queue import BoundedQueue
from edge_detector.loop.metrics import Metrics
from edge_detector.loop.sink import FrameObserver, Result, Sink
from edge_detector.loop.watchdog import Heartbeat
from edge_detector.telemetry.interval import Sample

AHEAD = 1  # frames that are prepared while another one is inferred
BEHIND = 2  # results that wait to be drawn
TURN_S = 0.5  # the longest wait before the loop looks up
MOST_FAILURES = 5  # frames in a row
INTERPRETER = "the interpreter"  # a stage for the heartbeat

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    """A frame on its way."""

    frame: Frame
    detector: Detector
    stages_ms: dict[str, float] = field(default_factory=dict)
    value: Any = None  # prepared, then raw


class Pipeline:
    """Runs detection on a camera's frames in threads of its own."""

    def __init__(
        self,
        camera: Camera,
        detector: Detector,
        sinks: Sequence[Sink] = (),
        *,
        metrics: Metrics | None = None,
        heartbeat: Heartbeat | None = None,
        on_frame: Callable[[Sample], object] | None = None,
        max_frames: int | None = None,
        on_failing: Callable[[Detector, ModelError], Detector] | None = None,
    ) -> None:
        """
        Args:
            on_frame: given each frame's latencies and labels; must not wait.
            max_frames: end after so many.
            on_failing: given a detector that fails again and again, returns another one, or
                raises an `EdgeError`, which ends the loop.
        """
        self.metrics, self.heartbeat = metrics or Metrics(), heartbeat or Heartbeat()
        self.failure: BaseException | None = None
        self.detector = detector  # of the frames that are prepared now; see `swap_model`
        self._camera, self._sinks = camera, list(sinks)
        self._observers = [sink for sink in sinks if isinstance(sink, FrameObserver)]
        self._on_frame, self._on_failing = on_frame, on_failing
        self._left = max_frames
        self._incoming: Detector | None = None
        self._failures, self._replacing = 0, False
        self._swapping = threading.Lock()  # held for moments only; never while a model is opened
        self._stopping, self._done = False, threading.Event()
        self._prepared: BoundedQueue[_Job] = BoundedQueue(AHEAD)
        self._inferred: BoundedQueue[_Job] = BoundedQueue(BEHIND)
        names = ["infer", "emit"] if camera.live else ["prepare", "infer", "emit"]
        bodies = {"prepare": self._prepare_all, "infer": self._infer_all, "emit": self._emit_all}
        self._threads = [
            threading.Thread(target=self._guard, args=(bodies[name],), name=name, daemon=True)
            for name in names
        ]

    def start(self) -> None:
        self.metrics.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End soon: no further frame is begun, those that were inferred are emitted."""
        self._stopping = True

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether the loop has ended: by itself, or after `stop`."""
        return self._done.wait(timeout_s)

    def close(self) -> None:
        """Stop, wait for the threads, close all sinks.

        Raises:
            EdgeError: what ended the loop, if it was not the source or `stop`.
        """
        self.stop()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self.close_sinks()
        if self.failure is not None:
            raise self.failure

    def close_sinks(self) -> None:
        """Close all sinks: what a sink has got so far is kept."""
        for sink in self._sinks:
            self._close(sink)

    def swap_model(self, detector: Detector) -> None:
        """Go on with another detector, from the next frame that is prepared."""
        with self._swapping:
            self._incoming = detector

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:
            self.failure = self.failure or error
            self._stopping = True
        finally:
            if threading.current_thread() is self._threads[-1]:
                self.metrics.end()
                self._done.set()

    def _prepare_all(self) -> None:
        try:
            # The place first: a frame that is read early gets old while it waits for one.
            while self._prepared.wait() and (job := self._next_prepared()) is not None:
                self._prepared.put(job)
        finally:
            self._prepared.close()

    def _infer_all(self) -> None:
        ahead = iter(self._next_prepared, None) if self._camera.live else iter(self._prepared)
        try:
            for job in ahead:
                if self._stopping:
                    break
                if self._infer(job):
                    self.heartbeat.enter("an output")
                    if not self._inferred.wait():
                        break
                    self._inferred.put(job)
                self.heartbeat.rest()
        finally:
            self.heartbeat.rest()
            self._prepared.abandon()
            self._inferred.close()

    def _emit_all(self) -> None:
        try:
            for job in self._inferred:
                self._emit(job)
        finally:
            self._inferred.abandon()

    def _next_prepared(self) -> _Job | None:
        """The next frame that could be prepared; None at the end."""
        while (frame := self._next_frame()) is not None:
            with self._swapping:
                if self._incoming is not None:
                    self.detector, self._incoming, self._failures = self._incoming, None, 0
            job = _Job(frame, self.detector, {"capture": frame.read_ms})
            started = time.perf_counter()
            try:
                job.value = job.detector.prepare(frame.image)
            except Exception as error:
                self._fail(job, error)
                continue
            job.stages_ms["prepare"] = (time.perf_counter() - started) * 1000
            return job
        return None

    def _next_frame(self) -> Frame | None:
        while self._left != 0 and not self._stopping:
            frame = self._camera.take(TURN_S)
            if frame is not None:
                if self._left is not None:
                    self._left -= 1
                return frame
            if self._camera.ended:
                break
        return None

    def _infer(self, job: _Job) -> bool:
        self.heartbeat.enter(INTERPRETER)
        started = time.perf_counter()
        try:
            job.value = job.detector.infer(job.value)
        except Exception as error:
            self.heartbeat.rest()  # another model may have to be opened, which takes its time
            self._fail(job, error)
            return False
        job.stages_ms["infer"] = (time.perf_counter() - started) * 1000
        return True

    def _emit(self, job: _Job) -> None:
        frame, stages_ms, started = job.frame, job.stages_ms, time.perf_counter()
        try:
            detections = job.detector.read(job.value)
        except Exception as error:
            self._fail(job, error)
            return
        read = time.perf_counter()
        self._let_observe(frame)
        if any(sink.wants_picture(frame) for sink in self._sinks):
            draw(frame.image, detections)
        result = Result(frame, detections, job.detector.manifest)
        for sink in self._sinks.copy():
            try:
                sink.write(result)
            except Exception as error:
                self._give_up(sink, error)
        stages_ms["read"] = (read - started) * 1000
        stages_ms["draw"] = (time.perf_counter() - read) * 1000
        stages_ms["total"] = (time.monotonic() - frame.captured_at) * 1000
        sample = Sample(stages_ms, [detection.label for detection in detections])
        self.metrics.record(sample)
        if self._on_frame is not None:
            self._on_frame(sample)
        self._failures = 0

    def _let_observe(self, frame: Frame) -> None:
        for sink in self._observers.copy():
            try:
                sink.observe(frame)
            except Exception as error:
                self._give_up(sink, error)

    def _fail(self, job: _Job, error: Exception) -> None:
        """A frame got no result.

        Raises:
            EdgeError: it is one too many, and there is no other model to go on with.
        """
        with self._swapping:
            self.metrics.failed += 1
            if self._replacing or self._is_replaced(job.detector):
                return
            self._failures += 1
            release = f"{job.detector.manifest.name} {job.detector.manifest.version}"
            if self._failures == 1:
                logger.warning("frame %d: %s failed: %s", job.frame.index, release, error)
            if self._failures < MOST_FAILURES:
                return
            failure = ModelError(f"{release} failed on {MOST_FAILURES} frames in a row: {error}")
            if self._on_failing is None:
                raise failure from error
            self._replacing = True
        try:
            successor = self._on_failing(job.detector, failure)
            with self._swapping:
                if not self._is_replaced(job.detector):  # by a newer one, meanwhile
                    self._incoming = successor
        finally:
            self._replacing = False

    def _is_replaced(self, detector: Detector) -> bool:
        """Whether a detector has a successor already."""
        return detector is not self.detector or self._incoming is not None

    def _give_up(self, sink: Sink, error: Exception) -> None:
        logger.error("%s: %s; going on without it", sink.name, error)
        self._sinks.remove(sink)
        self._observers = [other for other in self._observers if other is not sink]
        self._close(sink)

    def _close(self, sink: Sink) -> None:
        try:
            sink.close()
        except Exception as error:
            logger.error("%s: %s", sink.name, error)

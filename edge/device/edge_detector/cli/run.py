"""The device at work: the one place that knows which parts are plugged together.

releases ─▶ slots ─▶ model swap ─▶ pipeline ─▶ window, video, events, preview, contact sheet
source ─▶ camera ─────────────────▲    └─────▶ metrics, telemetry, watchdog
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import cv2

from edge_detector.capture.camera import FileCamera, open_camera
from edge_detector.capture.live import LiveCamera
from edge_detector.capture.source import parse_source
from edge_detector.cli.config import Config, read_device_id
from edge_detector.cli.models import Models
from edge_detector.cli.outputs import open_outputs
from edge_detector.cli.progress import Progress
from edge_detector.cli.reporter import Reporter
from edge_detector.errors import EdgeError
from edge_detector.inference.detector import Detector
from edge_detector.loop.metrics import Metrics
from edge_detector.loop.model_swap import ModelSwap
from edge_detector.loop.pipeline import INTERPRETER, Pipeline
from edge_detector.loop.report import describe_now, summary_line
from edge_detector.loop.sink import Sink
from edge_detector.loop.watchdog import Heartbeat, Watchdog
from edge_detector.outputs.window import Window
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.system.systemd import Systemd
from edge_detector.telemetry.delivery import open_delivery, read_key
from edge_detector.telemetry.telemetry import Telemetry

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXIT_AT_ONCE = 130  # at a second signal: whoever sends it does not want to wait
SWITCH_S = 0.0005  # the longest that another thread keeps the interpreter lock from the loop's
WINDOW_S = 1 / 60  # between two looks at the window
IDLE_S = 0.25  # between two looks without one
REPORT_S = 1.0  # between two reports
END_S = 1.0  # that another process is waited for at the end


class Run:
    """One `run`, from its first look at the home to its last line."""

    def __init__(self, config: Config, progress: Progress) -> None:
        """Raises: CameraError, ConfigError: what the configuration names cannot be."""
        self._config = config
        self._source = parse_source(config.source, config.repeat)
        device_id = read_device_id(config)
        self._slots = Slots(config.home)
        self._systemd, self._heartbeat, self._metrics = Systemd(), Heartbeat(), Metrics()
        self._models = Models(config, device_id, self._slots, self._systemd)
        self._telemetry = _open_telemetry(config, device_id)
        self._reporter = Reporter(progress, self._systemd, self._telemetry, self._metrics)
        self._model_swap = ModelSwap(
            self._slots,
            self._open_detector,
            on_model=self._reporter.model,
            on_rollback=self._reporter.rolled_back,
            on_unfit=self._models.pass_over,
        )
        self._pipeline: Pipeline | None = None
        self._stopping = self._opening = False

    def stop(self) -> None:
        """End soon, and in order. Made for a signal's handler: it waits for no lock.

        Raises:
            KeyboardInterrupt: a camera or an output is being opened, which may never end. Nowhere
                else: what is interrupted between two lines may keep a lock for good.
        """
        self._stopping = True
        self._end_probation(0.0)  # at once: a second signal, or systemd, may end the process
        if self._pipeline is not None:
            self._pipeline.stop()
        elif self._opening:
            raise KeyboardInterrupt
        else:
            self._models.cancel()

    def run(self) -> str:
        """Detect until the source ends, the user wants to, or nothing works any more.

        Returns:
            The summary; empty if there was nothing to sum up.

        Raises:
            EdgeError: why it could not begin, or go on.
        """
        slot = self._slots.begin_run()
        try:
            return self._run(slot)
        except (EdgeError, KeyboardInterrupt):
            if self._stopping:
                return ""
            raise
        finally:
            if not self._loop_crashed:
                self._slots.end_run()

    def _run(self, installed: Slot | None) -> str:
        """Open each part, and close all in the reverse order."""
        with ExitStack() as stack, _tuned():
            with self._interruptible():
                camera = open_camera(self._source)
                stack.callback(camera.close)
                outputs = open_outputs(self._config, camera, lambda: self._page_values(camera))
                for output in outputs:
                    stack.callback(output.close)
            self._end_if_stopped()
            slot = self._models.choose(installed)
            self._end_if_stopped()
            self._slots.begin_probation()
            detector = self._model_swap.begin(slot)
            self._end_if_stopped()
            if self._telemetry is not None:
                stack.enter_context(self._telemetry)
            self._reporter.model(detector)
            pipeline = self._connect(camera, detector, outputs)
            stack.enter_context(self._models.follow(self._model_swap.take))
            watchdog = Watchdog(
                self._heartbeat,
                self._config.watchdog,
                on_alive=self._systemd.alive,
                on_stuck=lambda stage: self._leave_stuck(pipeline, stage),
            )
            stack.callback(watchdog.stop)
            watchdog.start()
            pipeline.start()
            try:
                self._supervise(pipeline, camera, outputs)
            finally:
                self._reporter.ending()
                if not self._loop_crashed:
                    self._end_probation()  # what hangs from here on is an output or the network
                pipeline.close()
            detector = pipeline.detector
            return summary_line(self._metrics, camera, detector.manifest, detector.runtime_name)

    def _connect(
        self, camera: FileCamera | LiveCamera, detector: Detector, outputs: list[Sink]
    ) -> Pipeline:
        """The loop, not yet started; `stop` stops it from now on."""
        self._pipeline = Pipeline(
            camera,
            detector,
            outputs,
            metrics=self._metrics,
            heartbeat=self._heartbeat,
            on_frame=self._telemetry.frame if self._telemetry is not None else None,
            max_frames=self._config.frames,
            on_failing=self._model_swap.replace,
        )
        self._model_swap.attach(self._pipeline)
        return self._pipeline

    def _supervise(
        self, pipeline: Pipeline, camera: FileCamera | LiveCamera, outputs: list[Sink]
    ) -> None:
        """Wait for the end, in the main thread, to which windows belong.

        Meanwhile show, report, and commit what has proved itself.
        """
        windows = [output for output in outputs if isinstance(output, Window)]
        self._reporter.begun(pipeline.detector, camera, self._source.shown)
        due = time.monotonic() + REPORT_S
        while not pipeline.wait(WINDOW_S if windows else IDLE_S):
            if self._stopping or not all(window.show() for window in windows):
                pipeline.stop()
                self._end_probation()
            if time.monotonic() >= due:
                due = time.monotonic() + REPORT_S
                self._reporter.state(camera, self._models.contacted())
                self._model_swap.commit_if_proven()
        for window in windows:
            window.destroy()

    def _end_if_stopped(self) -> None:
        """Raises: KeyboardInterrupt: `stop` was called, and the loop need not begin."""
        if self._stopping:
            raise KeyboardInterrupt

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """What is waited for here, a signal ends at once."""
        self._opening = not self._stopping
        try:
            yield
        finally:
            self._opening = False

    @property
    def _loop_crashed(self) -> bool:
        """Whether the loop ended by an unforeseen error: the slot on probation may be why."""
        failure = self._pipeline.failure if self._pipeline is not None else None
        return failure is not None and not isinstance(failure, EdgeError)

    def _end_probation(self, patience_s: float = END_S) -> None:
        """From here on, no end of this process is a crash of what is on probation."""
        with suppress(EdgeError, OSError):  # another process has the pointer: `end_run` tries again
            self._slots.end_probation(patience_s)

    def _open_detector(self, slot: Slot) -> Detector:
        config = self._config
        return Detector(
            slot.model_path,
            slot.manifest,
            config.threads,
            config.runtime,
            include=config.include,
            thresholds=config.label_threshold,
            score_threshold=config.threshold,
            one_per_place=True,
        )

    def _leave_stuck(self, pipeline: Pipeline, stage: str) -> None:
        """The last that a process does which hangs."""
        if stage != INTERPRETER:
            self._end_probation()  # an output hangs, which is not the model's fault
        self._reporter.stuck()
        if stage == INTERPRETER:  # else it may be an output that hangs
            pipeline.close_sinks()  # a video without its end cannot be played

    def _page_values(self, camera: FileCamera | LiveCamera) -> dict[str, Any]:
        detector = self._pipeline.detector if self._pipeline is not None else None
        return describe_now(
            self._metrics, camera, self._source.shown, detector, self._models.offline_s()
        )


def _open_telemetry(config: Config, device_id: str) -> Telemetry | None:
    """Raises: ConfigError, EdgeError: as `Telemetry`."""
    if config.telemetry is None:
        return None
    delivery = open_delivery(config.telemetry, read_key(os.environ))
    return Telemetry(delivery, config.home, device_id, config.telemetry_every)


def run(config: Config, progress: Progress) -> str:
    """Do a `run`; SIGINT, SIGTERM and SIGHUP end it in order. Raises as `Run.run`."""
    this_run = Run(config, progress)
    with _signals(this_run), suppress(KeyboardInterrupt):  # which the handler may have raised
        return this_run.run()
    return ""


@contextmanager
def _signals(this_run: Run) -> Iterator[None]:
    received = 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal received
        received += 1
        if received > 1:
            os._exit(EXIT_AT_ONCE)
        this_run.stop()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _tuned() -> Iterator[None]:
    """Quick switches between our threads; none inside of OpenCV, whose pictures are small."""
    interval, threads = sys.getswitchinterval(), cv2.getNumThreads()
    sys.setswitchinterval(SWITCH_S)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        cv2.setNumThreads(threads)

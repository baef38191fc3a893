"""The device at work: the one place that knows which parts are plugged together.

releases ─▶ slots ─▶ model swap ─▶ pipeline ─▶ window, video, events, preview, contact sheet
source ─▶ camera ─────────────────▲    └─────▶ metrics, telemetry, watchdog
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import cv2

from edge_detector.capture.camera import FileCamera, LiveCamera, open_camera
from edge_detector.capture.source import parse_source
from edge_detector.cli.config import Config, read_device_id
from edge_detector.cli.progress import Progress
from edge_detector.errors import EdgeError, NoModelError
from edge_detector.inference.detector import Detector
from edge_detector.loop.metrics import Metrics
from edge_detector.loop.model_swap import ModelSwap
from edge_detector.loop.pipeline import INTERPRETER, Pipeline
from edge_detector.loop.report import describe_now, progress_line, summary_line
from edge_detector.loop.watchdog import Heartbeat, Watchdog
from edge_detector.outputs.opening import open_outputs
from edge_detector.outputs.window import Window
from edge_detector.slots.slots import Slot, Slots
from edge_detector.slots.state import MAX_CRASHES
from edge_detector.system.systemd import Systemd
from edge_detector.telemetry.interval import Sample
from edge_detector.telemetry.telemetry import Telemetry
from edge_detector.updates.journal import Journal
from edge_detector.updates.updates import Updates
from edge_detector.updates.worker import UpdateWorker

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]
EXIT_AT_ONCE = 130  # at a second signal: whoever sends it does not want to wait
SWITCH_S = 0.0005  # the longest that another thread keeps the interpreter lock from the loop's
WINDOW_S = 1 / 60  # between two looks at the window
IDLE_S = 0.25  # between two looks without one
EVERY_S = 1.0  # between two reports
CONTACT_S = 10.0  # between two looks whether the release server has answered
END_S = 1.0  # that another process is waited for at the end
FIRST_FETCH_S = 900.0  # that systemd waits for a device's first model

logger = logging.getLogger(__name__)


class Run:
    """One `run`, from its first look at the home to its last line."""

    def __init__(self, config: Config, progress: Progress) -> None:
        """Raises: CameraError, ConfigError: what the configuration names cannot be."""
        self._config, self._progress = config, progress
        self._source = parse_source(config.source)
        self._device_id = read_device_id(config)
        self._slots = Slots(config.home)
        self._metrics, self._heartbeat, self._systemd = Metrics(), Heartbeat(), Systemd()
        self._model_swap = ModelSwap(
            *(self._slots, self._build),
            on_model=self._tell_model,
            on_rollback=self._tell_rollback,
            on_unfit=self._pass_over,
        )
        self._updates: Updates | None = None
        if config.releases is not None:
            self._updates = Updates(
                *(config.releases, config.home, config.channel, self._device_id),
                *(config.name, config.root),
                threads=config.threads,
                runtime=config.runtime,
                slots=self._slots,
            )
        self._telemetry: Telemetry | None = None
        if config.telemetry is not None:
            self._telemetry = Telemetry(
                *(config.telemetry, config.home, self._device_id, config.telemetry_every),
                key=os.environ.get("EDGE_DETECTOR_TELEMETRY_KEY"),
            )
        self._pipeline: Pipeline | None = None
        self._stopping = self._opening = False
        self._refreshed = Journal.read(config.home).refreshed()  # before this run
        self._contact_due = 0.0

    def stop(self) -> None:
        """End soon, and in order. Made for a signal's handler: it waits for no lock.

        Raises:
            KeyboardInterrupt: a camera or an output is being opened, which may never end. Nowhere
                else: what is interrupted between two lines may keep a lock for good.
        """
        self._stopping = True
        self._end_trial(0.0)  # at once: a second signal, or systemd, may end the process
        if self._pipeline is not None:
            self._pipeline.stop()
        elif self._opening:
            raise KeyboardInterrupt
        elif self._updates is not None:
            self._updates.cancel()

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

    def _run(self, slot: Slot | None) -> str:
        with ExitStack() as stack, _tuned():
            with self._interruptible():
                camera = open_camera(self._source)
                stack.callback(camera.close)
                outputs = open_outputs(self._config, camera, lambda: self._describe(camera))
                for output in outputs:
                    stack.callback(output.close)
            self._end_if_stopped()
            slot = self._fetch_another(slot) if slot is not None else self._fetch_first()
            self._end_if_stopped()
            self._slots.begin_probation()
            detector = self._model_swap.begin(slot)
            self._end_if_stopped()
            if self._telemetry is not None:
                stack.enter_context(self._telemetry)
            self._tell_model(detector)
            pipeline = Pipeline(
                *(camera, detector, outputs),
                metrics=self._metrics,
                heartbeat=self._heartbeat,
                on_frame=self._record,
                max_frames=self._config.frames,
                on_failing=self._model_swap.replace,
            )
            self._pipeline = pipeline
            self._model_swap.attach(pipeline)
            if self._updates is not None:
                worker = UpdateWorker(
                    self._updates, self._model_swap.take, self._config.update_every
                )
                stack.enter_context(worker)
            watchdog = Watchdog(
                *(self._heartbeat, self._config.watchdog, self._systemd.alive),
                on_stuck=lambda stage: self._leave_stuck(pipeline, stage),
            )
            stack.callback(watchdog.stop)
            windows = [output for output in outputs if isinstance(output, Window)]
            watchdog.start()
            pipeline.start()
            try:
                self._supervise(pipeline, camera, windows)
            finally:
                self._progress.clear()
                self._systemd.stopping()
                if not self._loop_crashed:
                    self._end_trial()  # what hangs from here on is an output or the network
                pipeline.close()
            return summary_line(
                self._metrics, camera, pipeline.detector.manifest, pipeline.detector.runtime_name
            )

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

    def _supervise(
        self, pipeline: Pipeline, camera: FileCamera | LiveCamera, windows: list[Window]
    ) -> None:
        """Wait for the end; meanwhile show, report, and commit what has proved itself."""
        if isinstance(camera, LiveCamera):
            camera.on_event = self._count
        manifest = pipeline.detector.manifest
        about = f"detecting on {self._source.shown} with {manifest.name} {manifest.version}"
        logger.info("%s; Ctrl-C ends", about)
        self._systemd.ready(about)
        due = time.monotonic() + EVERY_S
        while not pipeline.wait(WINDOW_S if windows else IDLE_S):
            if self._stopping or not all(window.show() for window in windows):
                pipeline.stop()
                self._end_trial()
            if time.monotonic() < due:
                continue
            due = time.monotonic() + EVERY_S
            line = progress_line(self._metrics, camera)
            self._systemd.status(line)
            if not camera.live:
                self._progress.show(line)
            if self._telemetry is not None:
                self._telemetry.state("ok" if camera.trouble is None else "no-frames")
                self._note_contact(self._telemetry)
            self._model_swap.look()
        for window in windows:
            window.destroy()

    def _fetch_first(self) -> Slot:
        """The first model of a device.

        Raises:
            NoModelError: there is none to fetch.
            EdgeError: it could not be fetched.
        """
        if self._updates is None:
            raise NoModelError(
                f"no model is installed in {self._config.home}: give --releases once, while there"
                " is a network"
            )
        logger.info("no model is installed yet: fetching one")
        self._systemd.starting("fetching the first model", FIRST_FETCH_S)
        slot = self._updates.update(running=True)
        if slot is None:
            raise NoModelError(f"no model to fetch: {Journal.read(self._config.home).found}")
        return slot

    def _fetch_another(self, slot: Slot) -> Slot:
        """What to run instead of a slot that has crashed again and again, if there is any.

        A loop that dies within seconds leaves the updates no time of their own.
        """
        probation = self._slots.state().probation
        if self._updates is None or probation is None or probation.crashes < MAX_CRASHES:
            return slot
        logger.warning(
            "%s has crashed %d times: looking for another", slot.release, probation.crashes
        )
        try:
            return self._updates.update(running=True) or slot
        except EdgeError as error:
            logger.warning("%s; going on with what is here", error)
            return slot

    @property
    def _loop_crashed(self) -> bool:
        """Whether the loop ended by an unforeseen error: the slot on probation may be why."""
        failure = self._pipeline.failure if self._pipeline is not None else None
        return failure is not None and not isinstance(failure, EdgeError)

    def _end_trial(self, patience_s: float = END_S) -> None:
        """From here on, no end of this process is a crash of what is on probation."""
        with suppress(EdgeError, OSError):  # another process has the pointer: `end_run` tries again
            self._slots.end_probation(patience_s)

    def _pass_over(self, slot: Slot) -> None:
        if self._updates is not None:
            self._updates.pass_over(slot)

    def _build(self, slot: Slot) -> Detector:
        config = self._config
        return Detector(
            *(slot.model_path, slot.manifest, config.threads, config.runtime),
            *(config.include, config.label_threshold, config.threshold),
            one_per_place=True,
        )

    def _record(self, stages_ms: Any, labels: Any) -> None:
        if self._telemetry is not None:
            self._telemetry.frame(Sample(stages_ms, labels))

    def _count(self, what: str) -> None:
        if self._telemetry is not None:
            self._telemetry.count(what)

    def _note_contact(self, telemetry: Telemetry) -> None:
        """Tell the telemetry of each time that the release server has answered."""
        if self._updates is None or time.monotonic() < self._contact_due:
            return
        self._contact_due = time.monotonic() + CONTACT_S
        refreshed = Journal.read(self._config.home).refreshed()
        if refreshed != self._refreshed:
            self._refreshed = refreshed
            telemetry.contact()

    def _tell_model(self, detector: Detector) -> None:
        manifest = detector.manifest
        logger.info("model %s %s on %s", manifest.name, manifest.version, detector.runtime_name)
        if self._telemetry is not None:
            self._telemetry.model(manifest, detector.runtime_name)

    def _tell_rollback(self) -> None:
        if self._telemetry is not None:
            self._telemetry.state("rolled-back")

    def _leave_stuck(self, pipeline: Pipeline, stage: str) -> None:
        """The last that a process does which hangs."""
        if stage != INTERPRETER:
            self._end_trial()  # an output hangs, which is not the model's fault
        if self._telemetry is not None:
            self._telemetry.state("stuck")
            self._telemetry.flush()
        if stage == INTERPRETER:  # else it may be an output that hangs
            pipeline.close_sinks()  # a video without its end cannot be played

    def _describe(self, camera: FileCamera | LiveCamera) -> dict[str, Any]:
        offline_s = self._updates.offline_s() if self._updates is not None else None
        detector = self._pipeline.detector if self._pipeline is not None else None
        return describe_now(self._metrics, camera, self._source.shown, detector, offline_s)


def run(config: Config, progress: Progress) -> str:
    """Do a `run`; SIGINT, SIGTERM and SIGHUP end it in order.

    Raises:
        EdgeError: why it could not begin, or go on.
    """
    whole = Run(config, progress)
    with _signals(whole), suppress(KeyboardInterrupt):  # which the handler may have raised
        return whole.run()
    return ""


@contextmanager
def _signals(whole: Run) -> Iterator[None]:
    received = 0

    def handle(_number: int, _frame: object) -> None:
        nonlocal received
        received += 1
        if received > 1:
            os._exit(EXIT_AT_ONCE)
        whole.stop()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _tuned() -> Iterator[None]:
    """Small hand-overs between our threads; none inside of OpenCV, whose pictures are small."""
    interval, threads = sys.getswitchinterval(), cv2.getNumThreads()
    sys.setswitchinterval(SWITCH_S)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        cv2.setNumThreads(threads)

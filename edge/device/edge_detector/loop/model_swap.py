"""Swaps the model while the loop runs, and goes back when one fails.

A detector is opened and warmed up by the thread that has brought the slot; the loop takes it
between two frames. After `GOOD_S` and `GOOD_FRAMES` results its slot is committed. If it fails
before that, or does not even open, the slot is refused and the previous one goes on. If only this
run's options do not fit it, such as a label that it does not have, it is passed over.
"""

import logging
import threading
import time
from collections.abc import Callable

from edge_detector.errors import ConfigError, EdgeError, ModelError
from edge_detector.inference.detector import Detector
from edge_detector.loop.pipeline import Pipeline
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots

GOOD_S = 60.0
GOOD_FRAMES = 10  # fewer prove nothing: the camera may have been away

logger = logging.getLogger(__name__)


class ModelSwap:
    """The one place that knows which slot the loop runs."""

    def __init__(
        self,
        slots: Slots,
        build: Callable[[Slot], Detector],
        *,
        on_model: Callable[[Detector], None] = lambda _detector: None,
        on_rollback: Callable[[], None] = lambda: None,
        on_unfit: Callable[[Slot], None] = lambda _slot: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            build: opens a slot's model; raises `EdgeError`.
            on_model: told of each detector that the loop will run.
            on_rollback: told when a slot was left for the previous one.
            on_unfit: told of a slot that this run's options do not fit; it was not refused.
        """
        self._slots, self._build, self._clock = slots, build, clock
        self._on_model, self._on_rollback, self._on_unfit = on_model, on_rollback, on_unfit
        self._lock = threading.RLock()
        self._pipeline: Pipeline | None = None
        self._running: Slot | None = None
        self._detector: Detector | None = None  # of the running slot
        self._since, self._frames_before = 0.0, 0

    def begin(self, slot: Slot) -> Detector:
        """Open the model that a run starts with; if it fails on probation, the one before.

        Raises:
            ConfigError: this run's options fit neither.
            EdgeError: neither opens.
        """
        with self._lock:
            try:
                return self._open(slot)
            except (ModelError, ConfigError) as error:
                return self._go_back(slot, error)

    def attach(self, pipeline: Pipeline) -> None:
        """From now on the model of this loop is swapped."""
        self._pipeline = pipeline
        self._start_probation()

    def take(self, slot: Slot) -> None:
        """Make the loop go on with a slot; called by the thread that has brought it."""
        with self._lock:
            if self._running is not None and slot.id == self._running.id:
                return
            try:
                detector = self._open(slot)
            except EdgeError as error:
                logger.error("%s does not run: %s", slot.release, error)
                try:
                    detector = self._go_back(slot, error)
                except EdgeError as other:
                    logger.error("going on with %s: %s", self._release, other)
                    return
            self._on_model(detector)
            self._start_probation()
            if self._pipeline is not None:
                self._pipeline.swap_model(detector)

    def replace(self, failed: Detector, error: ModelError) -> Detector:
        """What the loop goes on with after a detector has failed again and again.

        Raises:
            EdgeError: there is nothing else.
        """
        with self._lock:
            if self._detector is not None and self._detector is not failed:
                return self._detector  # it was on its way
            detector = self._go_back(None, error)
            self._on_model(detector)
            self._start_probation()
            return detector

    def commit_if_proven(self) -> None:
        """Commit what has run well for long enough; called now and then."""
        if self._clock() - self._since < GOOD_S or self._frames() < GOOD_FRAMES:
            return
        if not self._lock.acquire(blocking=False):
            return  # another one is being opened
        try:
            self._start_probation()  # for the next call, should the disk be full
            if self._slots.on_probation():
                self._slots.commit()
                logger.info("%s has run well for %g s: kept", self._release, GOOD_S)
        finally:
            self._lock.release()

    @property
    def _release(self) -> str:
        return self._running.release if self._running else "no model"

    def _frames(self) -> int:
        """Results since the probation began."""
        done = self._pipeline.metrics.frames if self._pipeline is not None else 0
        return done - self._frames_before

    def _start_probation(self) -> None:
        self._since = self._clock()
        self._frames_before += self._frames()

    def _open(self, slot: Slot) -> Detector:
        detector = self._build(slot)
        detector.warm_up()
        self._running, self._detector = slot, detector
        return detector

    def _go_back(self, slot: Slot | None, error: EdgeError) -> Detector:
        """Leave what is on probation. slot: if it has not been opened.

        Raises:
            EdgeError: nothing is on probation, or the one before does not run either.
        """
        if not self._slots.on_probation():
            raise error
        if slot is not None and isinstance(error, ConfigError):
            return self._pass_over(slot, error)
        previous = self._slots.rollback(str(error), refuse=True)
        self._on_rollback()
        return self._open(previous)

    def _pass_over(self, slot: Slot, error: ConfigError) -> Detector:
        """Go back without a refusal, if the options fit the one before.

        Raises:
            ConfigError: they do not, so that it is they that are wrong; nothing has changed.
        """
        previous = self._slots.previous()
        if previous is None:
            raise error
        before = self._running, self._detector
        try:
            detector = self._open(previous)
        except EdgeError:
            self._running, self._detector = before
            raise error from None
        self._slots.rollback(str(error), refuse=False)
        self._on_unfit(slot)
        self._on_rollback()
        return detector

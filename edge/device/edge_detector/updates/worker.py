"""Looks for releases while the device runs, in a thread of its own.

The loop learns of a slot in two ways: this worker has fetched, tried and activated it; or another
process did, by `update` or `rollback`, which the worker sees within POLL_S.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from edge_detector.errors import EdgeError, ModelError
from edge_detector.slots.slot import Slot
from edge_detector.updates.updates import Updates

POLL_S = 2.0  # how soon a change by another process is seen
RETRY_S = 30.0  # after a first failure; doubled with each, up to the usual time
JITTER = 0.1  # of the time, so that a fleet does not come at once

logger = logging.getLogger(__name__)


class UpdateWorker:
    """A thread that updates now and then, and tells of every slot that is to be taken over.

    on_new(slot) is called in this thread: the slot is verified and activated, its probation begun.
    It may be the slot that runs already, after a rollback by the loop itself: nothing to do then.
    """

    def __init__(
        self,
        updates: Updates,
        on_new: Callable[[Slot], None],
        every_s: float = 900.0,
    ) -> None:
        """every_s: 0 looks once, at the start."""
        self._updates = updates
        self._on_new = on_new
        self._every_s = every_s
        self._failures = 0
        self._said: str | None = None
        self._known = updates.slots.state().current
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="updates", daemon=True)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End, also in the middle of a download or a self-test. Harmless when done before."""
        self._stopped.set()
        self._updates.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def __enter__(self) -> "UpdateWorker":
        """Look for the first time, soon."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _work(self) -> None:
        look_at = time.monotonic()
        while not self._stopped.is_set():
            try:
                self._follow()
                if time.monotonic() >= look_at:
                    self._look()
                    look_at = time.monotonic() + self._pause_s()
            except Exception:  # whatever it is, the camera goes on, and so does this
                if not self._stopped.is_set():
                    logger.exception("the updates have failed in a way that was not foreseen")
                self._failures += 1
                look_at = time.monotonic() + self._pause_s()
            self._stopped.wait(POLL_S)

    def _follow(self) -> None:
        """Take over what another process has activated, or has gone back to."""
        slots = self._updates.slots
        try:
            if slots.state().current in (None, self._known):
                return
            slot = slots.current()
            if slot is not None:
                slots.begin_probation()
                self._hand_over(slot)
        except EdgeError as error:
            self._say(error)

    def _look(self) -> None:
        try:
            slot = self._updates.update(running=True)
        except ModelError as error:  # refused, and not tried again: no reason for a hurry
            self._failures = 0
            self._say(error)
            return
        except EdgeError as error:
            self._failures += 1
            self._say(error)
            return
        if self._said is not None:
            logger.info("updates work again")
        self._failures, self._said = 0, None
        if slot is not None:
            self._hand_over(slot)

    def _hand_over(self, slot: Slot) -> None:
        self._known = slot.id
        self._on_new(slot)

    def _pause_s(self) -> float:
        if self._every_s == 0:
            return float("inf")
        pause_s = self._every_s
        if self._failures:
            pause_s = min(pause_s, RETRY_S * 2 ** min(self._failures - 1, 20))
        return pause_s * random.uniform(1 - JITTER, 1 + JITTER)

    def _say(self, error: EdgeError) -> None:
        """Once, until something else is to be said: offline may be for weeks."""
        if not self._stopped.is_set() and str(error) != self._said:
            self._said = str(error)
            logger.warning("%s; going on with what is here", error)

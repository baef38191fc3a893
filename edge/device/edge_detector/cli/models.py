"""Where a run's models come from: what is installed, and the releases that it follows, if any."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from edge_detector.cli.config import Config
from edge_detector.errors import EdgeError, NoModelError
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.slots.state import MAX_CRASHES
from edge_detector.system.systemd import Systemd
from edge_detector.updates.journal import Journal
from edge_detector.updates.updates import Updates
from edge_detector.updates.worker import UpdateWorker

CONTACT_S = 10.0  # between two looks whether the release server has answered
FIRST_FETCH_S = 900.0  # that systemd waits for a device's first model

logger = logging.getLogger(__name__)


def open_updates(config: Config, releases: str, device_id: str, slots: Slots) -> Updates:
    """The way to new releases that a configuration describes. Raises as `Updates`."""
    return Updates(
        releases,
        config.home,
        config.channel,
        device_id,
        name=config.name,
        root=config.root,
        threads=config.threads,
        runtime=config.runtime,
        slots=slots,
    )


class Models:
    """Finds the slot that a run starts with, and brings those that come later."""

    def __init__(self, config: Config, device_id: str, slots: Slots, systemd: Systemd) -> None:
        """Raises: ConfigError: `--releases` is no folder or address."""
        self._home, self._every_s = config.home, config.update_every
        self._slots, self._systemd = slots, systemd
        self._updates: Updates | None = None
        if config.releases is not None:
            self._updates = open_updates(config, config.releases, device_id, slots)
        self._refreshed = Journal.read(config.home).refreshed()  # before this run
        self._contact_due = 0.0

    def choose(self, installed: Slot | None) -> Slot:
        """What to run: what is installed, unless there is nothing or it crashes again and again.

        Raises:
            NoModelError: nothing is installed, and there is nothing to fetch.
            EdgeError: the first model could not be fetched.
        """
        return self._fetch_first() if installed is None else self._fetch_another(installed)

    def follow(self, on_new: Callable[[Slot], None]) -> AbstractContextManager[object]:
        """Look for releases while the context is open; on_new: see `UpdateWorker`."""
        if self._updates is None:
            return nullcontext()
        return UpdateWorker(self._updates, on_new, self._every_s)

    def pass_over(self, slot: Slot) -> None:
        """Do not fetch a slot again in this run: its options do not fit it."""
        if self._updates is not None:
            self._updates.pass_over(slot)

    def cancel(self) -> None:
        """End what is being fetched or tested. Waits for no lock."""
        if self._updates is not None:
            self._updates.cancel()

    def offline_s(self) -> float | None:
        """Seconds since the release server has answered; None: never, or none is followed."""
        return self._updates.offline_s() if self._updates is not None else None

    def contacted(self) -> bool:
        """Whether the release server has answered since this was asked last."""
        if self._updates is None or time.monotonic() < self._contact_due:
            return False
        self._contact_due = time.monotonic() + CONTACT_S
        before, self._refreshed = self._refreshed, Journal.read(self._home).refreshed()
        return self._refreshed != before

    def _fetch_first(self) -> Slot:
        if self._updates is None:
            raise NoModelError(
                f"no model is installed in {self._home}: give --releases once, while there"
                " is a network"
            )
        logger.info("no model is installed yet: fetching one")
        self._systemd.starting("fetching the first model", FIRST_FETCH_S)
        slot = self._updates.update(running=True)
        if slot is None:
            raise NoModelError(f"no model to fetch: {Journal.read(self._home).found}")
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

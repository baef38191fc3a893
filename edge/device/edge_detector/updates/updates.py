"""What a device takes from its repository: look, fetch, try, activate.

Each step can be the last one: whatever was there before goes on working, and the next update
starts from there. Nothing of a release is used before all of it was verified, and nothing is run
before it passed its self-test in a process of its own.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from edge_detector.contract.channel import ChannelRelease, read_channel
from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import MANIFEST_FILE
from edge_detector.errors import EdgeError, ModelError, NoModelError, ReleaseError
from edge_detector.inference.runtime import AUTO
from edge_detector.slots.slot import Slot, files_of, slot_id
from edge_detector.slots.slots import Slots, utc_now
from edge_detector.system.atomic import Step, no_step
from edge_detector.updates.address import parse_address
from edge_detector.updates.journal import Journal
from edge_detector.updates.release_files import check_space, find_files, read_manifest
from edge_detector.updates.rollout import Choice, channels_of, choose
from edge_detector.updates.self_test_process import run_self_test, self_test_command
from edge_detector.updates.session import Session, disk_fault
from edge_detector.updates.trust import Trust

DEFAULT_LIMITS = Limits()

logger = logging.getLogger(__name__)


class Updates:
    """A device's way to new releases: from where, for whom, and trusting whom."""

    def __init__(
        self,
        releases: str,
        home: Path,
        channel: str = "stable",
        device_id: str = "",
        name: str | None = None,
        root: Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
        *,
        threads: int = 1,
        runtime: str = AUTO,
        slots: Slots | None = None,
        clock: Callable[[], datetime] = utc_now,
        self_test: Callable[[Slot], None] | None = None,
        step: Step = no_step,
    ) -> None:
        """Nothing is read or fetched yet.

        releases: a folder, a file:// or an http(s):// address. name: of the model; needed only if
        the channel has several. root: a file with the root to trust; without one, the first use
        trusts what it finds. threads, runtime: of the interpreter that is to run releases, for
        their self-tests. self_test, clock: fakes of that process and of the clock. step: called
        before each step, where a test may kill this process.

        Raises:
            ConfigError: releases is no such address.
        """
        self.slots = slots or Slots(home, step=step)
        self.home = home
        self._address = parse_address(releases)
        self._fetcher = self._address.open(limits)
        self._trust = Trust(home, root, step)
        self._channel = channel
        self._device_id = device_id
        self._name = name
        self._limits = limits
        self._clock = clock
        self._self_test = self_test or self._run_self_test
        self._step = step
        self._threads, self._runtime = threads, runtime
        self._passed_over: set[tuple[str, str]] = set()
        self._cancelled = False

    def update(self, *, running: bool = False) -> Slot | None:
        """Fetch, try and activate. None: there is nothing to take.

        running: this process, a `run`, goes on with the new slot now; see `Slots.activate`.

        Raises:
            ModelError: the release failed its self-test, and was refused; the device goes on with
                what it has.
            ReleaseError: the repository or the release cannot be trusted.
            DownloadError: it could not be fetched; a later try may work.
            ConfigError: an argument or the home is wrong.
            BusyError: another process updates all the time.
            EdgeError: the self-test cannot be run here; nothing is said of the release.
        """
        with self._session() as session:
            slot = self._fetch(session)
            if slot is None:
                return None
            self._fetcher.close()
            try:
                self._self_test(slot)
            except ModelError as error:
                self.slots.refuse(slot, str(error))
                self.slots.prune()
                raise ModelError(f"{slot.release} was refused: {error}") from error
            self._step("self-test passed")
            self.slots.activate(slot, running=running)
            self._step("activated")
            self.slots.prune()
            return slot

    def pass_over(self, slot: Slot) -> None:
        """Do not take a release, as long as this process lives: its options do not fit it."""
        self._passed_over.add((slot.manifest.name, slot.manifest.version))

    def offline_s(self) -> float | None:
        """Seconds since the repository was last reached and trusted; None: never."""
        refreshed = Journal.read(self.home).refreshed()
        if refreshed is None:
            return None
        return max((self._clock() - refreshed).total_seconds(), 0.0)

    def cancel(self) -> None:
        """End what runs soon, and all that would come. For good.

        Made for another thread, and for a signal's handler.
        """
        self._cancelled = True
        self._fetcher.cancel()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """The repository, refreshed, for the one process that updates; noted in the journal."""
        with self.slots.updating(self._limits.lock_s):
            self._step("started")
            journal = replace(
                Journal.read(self.home),
                releases=self._address.base,
                channel=self._channel,
                tried_at=self._now(),
            )
            try:
                session = Session(
                    self._address, self._fetcher, self._trust, self._limits, self._step
                )
                session.refresh(self._clock(), journal.refreshed())
                journal = replace(journal, refreshed_at=self._now(), error=None)
                journal.write(self.home)
                yield session
            except EdgeError as error:
                now = Journal.read(self.home)
                replace(journal, error=str(error), found=now.found).write(self.home)
                raise
            finally:
                self._fetcher.close()

    def _choose(self, session: Session) -> Choice:
        listed: list[ChannelRelease] = []
        for channel in channels_of(self._channel):
            content = session.read(f"channels/{channel}.json", self._limits.channel_bytes)
            listed += read_channel(content, channel) if content is not None else ()
        reasons = {
            (refusal.name, refusal.version): f"{refusal.reason} ({refusal.at})"
            for refusal in self.slots.state().refused.values()
        }
        try:
            current = self.slots.current()
        except NoModelError as error:  # what is there is damaged: as if there were nothing
            logger.warning("%s", error)
            current = None
        choice = choose(
            listed,
            self._device_id,
            name=self._name,
            current=None if current is None else (current.manifest.name, current.manifest.version),
            refused=reasons.keys() | self._passed_over,
            reasons=reasons,
        )
        replace(Journal.read(self.home), found=choice.why).write(self.home)
        self._step("chosen")
        return choice

    def _fetch(self, session: Session) -> Slot | None:
        listed = self._choose(session).take
        if listed is None:
            return None
        manifest, content = read_manifest(session, listed.release, self._limits)
        self._step("manifest read")
        try:
            return self.slots.store.read(slot_id(manifest, content))
        except ReleaseError:
            size_mb = sum(size for _, size in files_of(manifest).values()) / 1e6
            logger.info(
                "fetching %s %s (%.1f MB) from %s", *listed.release, size_mb, self._address.base
            )
        targets = find_files(session, manifest, self._limits)
        check_space(self.home, manifest, self._limits.spare_bytes)
        with self.slots.store.incoming() as folder:
            self._fetcher.scratch = str(folder)
            try:
                (folder / MANIFEST_FILE).write_bytes(content)
                for file, target in targets.items():
                    self._step(f"fetching {file}")
                    session.fetch(target, folder / file)
                self._step("fetched")
                return self.slots.store.adopt(folder)
            except OSError as error:
                raise disk_fault(error, self.home) from error
            finally:
                self._fetcher.scratch = None

    def _run_self_test(self, slot: Slot) -> None:
        command = self_test_command(slot.folder, self._threads, self._runtime)
        run_self_test(command, self._limits.self_test_s, lambda: self._cancelled)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")

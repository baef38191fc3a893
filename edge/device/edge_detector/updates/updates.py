"""What a device takes from its repository: look, fetch, try, activate.

Each step can be the last one: whatever was there before goes on working, and the next update
starts from there. Nothing of a release is used before all of it was verified, and nothing is run
before it passed its self-test in a process of its own.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import TargetFile

from edge_detector.contract.channel import ChannelRelease, read_channel
from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import MANIFEST_FILE, Manifest
from edge_detector.errors import DownloadError, EdgeError, ModelError, NoModelError, ReleaseError
from edge_detector.inference.runtime import AUTO
from edge_detector.slots.slot import Slot, files_of, slot_id
from edge_detector.slots.slots import Slots, utc_now
from edge_detector.system.atomic import Step, no_step
from edge_detector.updates.address import parse_address
from edge_detector.updates.fetcher import BoundedFetcher
from edge_detector.updates.journal import Journal
from edge_detector.updates.rollout import Choice, channels_of, choose
from edge_detector.updates.self_test_process import run_self_test, self_test_command
from edge_detector.updates.session import Session, check_length, disk_fault
from edge_detector.updates.trust import Trust

__all__ = ["Limits", "Updates"]

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
        fetcher: BoundedFetcher | None = None,
        clock: Callable[[], datetime] = utc_now,
        self_test: Callable[[Slot], None] | None = None,
        step: Step = no_step,
    ) -> None:
        """Nothing is read or fetched yet.

        releases: a folder, a file:// or an http(s):// address. name: of the model; needed only if
        the channel has several. root: a file with the root to trust; without one, the first use
        trusts what it finds. threads, runtime: of the interpreter that is to run releases, for
        their self-tests. fetcher, clock, self_test, step: for tests.

        Raises:
            ConfigError: releases is no such address.
        """
        self.slots = slots or Slots(home, step=step)
        self.home = home
        self._address = parse_address(releases)
        self._fetcher = fetcher or self._address.open(limits)
        self._trust = Trust(home, root, step)
        self._channel = channel
        self._device_id = device_id
        self._name = name
        self._limits = limits
        self._clock = clock
        self._try_out = self_test or self._self_test
        self._step = step
        self._self_test_with = (threads, runtime)
        self._passed_over: set[tuple[str, str]] = set()
        self._cancelled = False

    def check(self) -> Manifest | None:
        """The release that `fetch` would take; None: the device has what it should have.

        Raises:
            ReleaseError: the repository or the release cannot be trusted.
            DownloadError: it could not be fetched; a later try may work.
            ConfigError: an argument or the home is wrong.
            BusyError: another process updates all the time.
        """
        with self._session() as session:
            listed = self._choose(session).take
            return None if listed is None else self._read_manifest(session, listed)[0]

    def fetch(self) -> Slot | None:
        """Fetch, verify and install that release; nothing runs it yet.

        Raises:
            ReleaseError, DownloadError, ConfigError, BusyError: as `check`.
        """
        with self._session() as session:
            return self._fetch(session)

    def self_test(self, slot: Slot) -> None:
        """Run a slot's self-test in a process of its own. If it fails, the slot is refused.

        Raises:
            ModelError: it failed, crashed or took too long.
            EdgeError: it could not be run here; nothing is said of the slot.
        """
        try:
            self._try_out(slot)
        except ModelError as error:
            self.slots.refuse(slot, str(error))
            raise ModelError(f"{slot.release} was refused: {error}") from error

    def update(self, *, running: bool = False) -> Slot | None:
        """Fetch, try and activate. None: there is nothing to take.

        running: this process, a `run`, goes on with the new slot now; see `Slots.activate`.

        Raises:
            ModelError: the release was refused; the device goes on with what it has.
            ReleaseError, DownloadError, ConfigError, BusyError: as `check`.
        """
        with self._session() as session:
            slot = self._fetch(session)
            if slot is None:
                return None
            self._fetcher.close()
            try:
                self.self_test(slot)
            except ModelError:
                self.slots.prune()
                raise
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
        state = self.slots.state()
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
            refused={(one.name, one.version) for one in state.refused.values()} | self._passed_over,
            reasons={
                (one.name, one.version): f"{one.reason} ({one.at})"
                for one in state.refused.values()
            },
        )
        replace(Journal.read(self.home), found=choice.why).write(self.home)
        self._step("chosen")
        return choice

    def _read_manifest(self, session: Session, listed: ChannelRelease) -> tuple[Manifest, bytes]:
        path = f"{listed.name}/{listed.version}/{MANIFEST_FILE}"
        content = session.read(path, self._limits.manifest_bytes)
        if content is None:
            raise ReleaseError(f"the channel lists {path}, but it was not signed")
        manifest = Manifest.from_json(content)
        if (manifest.name, manifest.version) != listed.release:
            raise ReleaseError(f"{path} is the manifest of {manifest.name} {manifest.version}")
        return manifest, content

    def _fetch(self, session: Session) -> Slot | None:
        listed = self._choose(session).take
        if listed is None:
            return None
        manifest, content = self._read_manifest(session, listed)
        self._step("manifest read")
        try:
            return self.slots.store.read(slot_id(manifest, content))
        except ReleaseError:
            size_mb = sum(size for _, size in files_of(manifest).values()) / 1e6
            logger.info(
                "fetching %s %s (%.1f MB) from %s", *listed.release, size_mb, self._address.base
            )
        targets = self._find_files(session, manifest)
        self._check_space(manifest)
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

    def _find_files(self, session: Session, manifest: Manifest) -> dict[str, TargetFile]:
        """The signed files of a release: as the manifest says, and within the limits."""
        limits = self._limits
        if len(manifest.golden) > limits.golden_frames:
            raise ReleaseError(
                f"{manifest.name} {manifest.version} has {len(manifest.golden)} golden frames;"
                f" {limits.golden_frames} is the most it may have"
            )
        targets = {}
        for file, (sha256, size) in files_of(manifest).items():
            path = f"{manifest.name}/{manifest.version}/{file}"
            target = session.find(path)
            if target is None:
                raise ReleaseError(f"the manifest names {path}, but it was not signed")
            check_length(
                target, limits.model_bytes if file == manifest.model.file else limits.golden_bytes
            )
            if (target.length, target.hashes.get("sha256")) != (size, sha256):
                raise ReleaseError(f"{path} was signed as another file than the manifest names")
            targets[file] = target
        return targets

    def _check_space(self, manifest: Manifest) -> None:
        sizes = [size for _, size in files_of(manifest).values()]
        needed = sum(sizes) + max(sizes) + self._limits.spare_bytes  # the largest is there twice
        free = shutil.disk_usage(self.home).free
        if free < needed:
            raise DownloadError(
                f"{manifest.name} {manifest.version} needs {needed / 1e6:,.0f} MB of free space in"
                f" {self.home}; there are {free / 1e6:,.0f}"
            )

    def _self_test(self, slot: Slot) -> None:
        command = self_test_command(slot.folder, *self._self_test_with)
        run_self_test(slot.folder, self._limits.self_test_s, lambda: self._cancelled, command)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")

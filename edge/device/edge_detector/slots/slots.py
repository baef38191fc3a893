"""Which model runs on a device, which one is on probation, and how to get back.

    <home>/slots/<name>-<version>-<digest>/   an installed release, never changed: see `slot_store`
    <home>/state.json                         which of them runs: see `pointer` and `state`

At each moment, also that of a power cut, the pointer names a slot that was whole. When a file
decays later its digest tells: the previous slot is taken, else any other that has been the current
one. A slot never becomes the current one before its self-test passed in a process of its own.

The life of a `run`, which has the home for itself:

    slot = slots.begin_run()      # None: nothing to run; `Updates.update` may find it
    slots.begin_probation()       # from here on, a death of the process counts against the slot
    ...                           # slots.on_probation(): after a minute of good running
    slots.commit()                #   commit, or if it fails within that minute
    slot = slots.rollback("why")  #   go on with the previous one
    slots.end_probation()         # the end has begun: a death counts against no slot
    slots.end_run()               # the home is free again
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge_detector.errors import NoModelError, ReleaseError
from edge_detector.slots.pointer import PATIENCE_S, Pointer
from edge_detector.slots.recovery import heal, settle
from edge_detector.slots.slot import Slot, format_release, release_of
from edge_detector.slots.slot_store import SlotStore
from edge_detector.slots.state import BY_HAND, Refusal, State
from edge_detector.system.atomic import Step, no_step
from edge_detector.system.locks import BusyError, FileLock, locked

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

logger = logging.getLogger(__name__)


def boot_id() -> str:
    """The same from one start of the machine to the next.

    Where the system does not tell, every death of a process counts as a crash.
    """
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return "unknown"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Slots:
    """The installed releases of a home folder."""

    def __init__(
        self,
        home: Path,
        *,
        boot: Callable[[], str] = boot_id,
        clock: Callable[[], datetime] = utc_now,
        step: Step = no_step,
    ) -> None:
        """Nothing is read or written yet.

        boot, clock: fakes of the machine. step: called before each step that changes the disk,
        where a test may kill the process.
        """
        self.home = home
        self.store = SlotStore(home / "slots", step)
        self._pointer = Pointer(home, step)
        self._boot = boot
        self._clock = clock
        self._run_lock = FileLock(home / "run.lock")
        self._ending = False  # a run: what it activates now, it will not take over

    def state(self) -> State:
        """What the pointer says, without a look at the slots. Raises as `Pointer.read`."""
        return self._pointer.read() or State()

    def current(self) -> Slot | None:
        """The slot to run, verified; where it is damaged, the one to run instead.

        Returns:
            None: nothing was activated yet.

        Raises:
            NoModelError: all that was activated is damaged; says what to do.
        """
        with self._pointer.locked():
            return heal(self._pointer, self.store, self._now())

    def on_probation(self) -> bool:
        """Whether the current slot has still to prove itself."""
        return self.state().probation is not None

    def previous(self) -> Slot | None:
        """The slot to go back to, verified; None: there is none, or it is damaged."""
        with suppress(ReleaseError):
            if (previous := self.state().previous) is not None:
                return self.store.read(previous)
        return None

    def activate(self, slot: Slot, *, running: bool = False) -> None:
        """Make a slot that passed its self-test the current one, on probation.

        running: this process, a `run`, takes it over now.

        Raises:
            ReleaseError: it was refused in the meantime, or is not whole any more; nothing has
                changed.
            ConfigError: the home cannot be written; nothing has changed.
        """
        with self._pointer.locked():
            state = self.state()
            if refusal := state.refused.get(slot.id):
                raise ReleaseError(f"{slot.release} was refused: {refusal.reason}")
            self.store.read(slot.id)
            self.store.mark(slot.id)
            state = state.activated(slot.id, self._now())
            if running and not self._ending:
                state = state.begun(self._boot(), self._now())
            self._pointer.write(state)
        logger.info("%s is the current release", slot.release)

    def refuse(self, slot: Slot, reason: str) -> None:
        """Never take a slot that was not activated. Its files go at the next `prune`."""
        refusal = Refusal(slot.manifest.name, slot.manifest.version, reason, self._now())
        with self._pointer.locked():
            self._pointer.write(self.state().refusing(slot.id, refusal))

    def forgive(self) -> None:
        """Forget what was refused: its owner wants it tried again."""
        with self._pointer.locked():
            if (state := self.state()).refused:
                self._pointer.write(replace(state, refused={}))

    def rollback(self, reason: str | None = None, refuse: bool = True) -> Slot:
        """Go back to the previous slot.

        reason: why, for `status`. refuse: never take the one left again.

        Raises:
            NoModelError: there is no previous one, or it is damaged; nothing has changed.
        """
        reason = reason or BY_HAND
        with self._pointer.locked():
            state = self.state()
            if state.current is None:
                raise NoModelError("no release is installed: there is nothing to go back from")
            left = format_release(state.current)
            if state.previous is None:
                raise NoModelError(f"{left} is the only release here: nothing to go back to")
            try:
                previous = self.store.read(state.previous)
            except ReleaseError as error:
                raise NoModelError(
                    f"the previous release is damaged ({error}): staying with {left}"
                ) from error
            name, version = release_of(state.current)
            refusal = Refusal(name, version, reason, self._now()) if refuse else None
            self.store.mark(previous.id)
            self._pointer.write(state.rolled_back(refusal))
            if refuse:
                self.store.unmark(state.current)
        logger.warning("back to %s from %s: %s", previous.release, left, reason)
        return previous

    def begin_run(self) -> Slot | None:
        """Take the home for this `run`, settle what an earlier one left, say what to run.

        Until `begin_probation`, a death of this process does not count against the slot.

        Returns:
            None: there is nothing to run. Nothing was activated yet, or all of it is damaged; the
                log says so. `Updates.update` may find something.

        Raises:
            BusyError: another `run` has this home.
            ConfigError: the home cannot be used.
        """
        if not self._run_lock.acquire(0):
            raise BusyError(
                f"another run (process {self._run_lock.holder() or 'unknown'}) uses {self.home}:"
                " end it, or give this one a folder of its own with --home"
            )
        try:
            with self._pointer.locked():
                self._ending = False
                settle(self._pointer, self.store, self._boot(), self._now())
                return heal(self._pointer, self.store, self._now())
        except NoModelError as error:
            logger.error("%s", error)
            return None
        except BaseException:
            self._run_lock.release()
            raise

    def begin_probation(self) -> None:
        """This `run` opens the current slot now: until it ends in order, its death is a crash."""
        with self._pointer.locked():
            if (state := self.state()).probation is not None and not self._ending:
                self._pointer.try_to_write(state.begun(self._boot(), self._now()))

    def commit(self) -> None:
        """The current slot has proved itself. Harmless when it had before."""
        with self._pointer.locked():
            if (state := self.state()).probation is not None:
                self._pointer.try_to_write(state.committed())

    def end_probation(self, patience_s: float = PATIENCE_S) -> None:
        """This `run` begins to end in order: from now on its death counts against no slot.

        patience_s: how long another process is waited for. Harmless when it was called before.
        Raises as `Pointer.locked` and `Pointer.read`.
        """
        with self._pointer.locked(patience_s):
            state = self.state()
            if state.probation is not None and state.probation.boot_id is not None:
                self._pointer.try_to_write(state.ended())
            self._ending = True

    def end_run(self) -> None:
        """End in order, and let go of the home. Harmless when it was called before."""
        try:
            self.end_probation()
        finally:
            self._run_lock.release()

    @contextmanager
    def updating(self, patience_s: float) -> Iterator[None]:
        """Be the only one who installs, and sweep up what killed updates have left.

        Raises as `locked`.
        """
        with locked(self.home / "update.lock", patience_s, "another update is under way"):
            self.store.sweep()
            yield

    def prune(self) -> None:
        """Delete all slots but the current and the previous one. Only while `updating`."""
        with self._pointer.locked():
            state = self._pointer.read()
            if state is not None:  # else nobody knows which ones those are
                self.store.keep([slot for slot in (state.current, state.previous) if slot])

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")

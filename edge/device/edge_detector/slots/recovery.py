"""What is done about a run that crashed, a slot that decayed, and a pointer that was lost.

All of this holds the pointer's lock, and goes on where the disk cannot be written.
"""

import logging

from edge_detector.errors import NoModelError, ReleaseError
from edge_detector.slots.pointer import Pointer
from edge_detector.slots.slot import Slot, format_release, release_of
from edge_detector.slots.slot_store import SlotStore
from edge_detector.slots.state import State

logger = logging.getLogger(__name__)


def settle(pointer: Pointer, store: SlotStore, boot_id: str, now: str) -> None:
    """Count how the run before ended against its slot, and roll back where that is due."""
    state = pointer.read() or State()
    if state.probation is not None and state.previous is not None:
        try:
            store.read(state.previous)
        except ReleaseError as error:  # going back to it would leave nothing to run
            logger.error("%s is damaged: %s", format_release(state.previous), error)
            state = state.without(state.previous)
    name, version = release_of(state.current or "")
    settled = state.settled(boot_id, name, version, now)
    if settled.current != state.current and state.current is not None:
        reason = settled.refused[state.current].reason
        logger.error("%s %s was rolled back: %s", name, version, reason)
        store.unmark(state.current)
    if settled != state:
        pointer.try_to_write(settled)


def heal(pointer: Pointer, store: SlotStore, now: str) -> Slot | None:
    """The first whole slot: the current one, the previous one, or any that was current once.

    Returns and raises as `Slots.current`.
    """
    found = pointer.read()
    state = found or State()
    damaged: list[str] = []
    while state.current is not None:
        try:
            slot = store.read(state.current)
        except ReleaseError as error:
            logger.error("%s is damaged: %s", format_release(state.current), error)
            damaged.append(str(error))
            state = state.without(state.current)
            continue
        if damaged:
            logger.warning("going on with %s", slot.release)
            pointer.try_to_write(state)
        return slot
    if found is not None and not damaged:
        return None
    marked = _last_marked(store, damaged)
    if marked is not None:
        logger.warning("going on with %s", marked.release)
        pointer.try_to_write(State(current=marked.id, activated_at=now, refused=state.refused))
    elif damaged:
        raise NoModelError(
            f"no release in {store.folder} is whole: {'; '.join(dict.fromkeys(damaged))}."
            " Fetch one with `edge-detector update`"
        )
    return marked


def _last_marked(store: SlotStore, damaged: list[str]) -> Slot | None:
    """The whole slot that was activated last; what is wrong with others is added to `damaged`."""
    for candidate in store.marked():
        try:
            return store.read(candidate)
        except ReleaseError as error:
            damaged.append(str(error))
    return None

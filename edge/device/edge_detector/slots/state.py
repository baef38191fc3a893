"""The pointer: which slot runs, which one to go back to, and how the new one does.

`State` is a value; each event in the life of a device gives another one, and none touches a disk.

A release that is activated is on probation until it is committed. If the process that ran it died:
- in the same boot of the machine, the release crashed: it is rolled back and refused. Where there
  is nothing to go back to it is tried again: something else may have been at fault, and no model
  at all is worse. After MAX_CRASHES in a row a run looks for another one before it begins.
- before another boot, the power was cut: it is tried again. Not for ever: a release that restarts
  the machine each time looks the same, so after MAX_POWER_CUTS it is rolled back and refused.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

from edge_detector.contract.rules import Form
from edge_detector.contract.schema import read_json, read_value
from edge_detector.errors import SchemaError

FORMAT = 1
MAX_CRASHES = 3  # in a row, with nothing to go back to
MAX_POWER_CUTS = 5  # in a row, within a probation
MAX_REFUSED = 100  # that are remembered
CRASHED = "crashed within its first minute"
RESTARTED = f"the machine restarted {MAX_POWER_CUTS} times within its first minute"
BY_HAND = "rolled back by hand"
_PROBATION_KEY = "trial"  # in the file, as all versions have written it
SlotId = Annotated[str, Form(r"[a-z0-9][A-Za-z0-9._-]*", "a name of a folder, never a path")]


@dataclass(frozen=True)
class Probation:
    """How the current slot does, from its activation until it is committed.

    boot_id: the boot in which a process runs it or died with it; None: none does.
    started_at: when that process took it, UTC.
    crashes, power_cuts: since a process last ended in order.
    """

    boot_id: str | None = None
    started_at: str | None = None
    crashes: int = 0
    power_cuts: int = 0


@dataclass(frozen=True)
class Refusal:
    """A release that this device will not take again."""

    name: str
    version: str
    reason: str
    at: str  # UTC


@dataclass(frozen=True)
class State:
    """What the pointer file holds. Slots are named by their ids."""

    current: SlotId | None = None
    previous: SlotId | None = None
    activated_at: str | None = None  # UTC
    probation: Probation | None = None
    refused: Mapping[str, Refusal] = field(default_factory=dict)

    def activated(self, slot: str, at: str) -> "State":
        """With another slot on probation; the previous one is the last that proved itself."""
        if slot == self.current:
            return self
        proven = self.current if self.probation is None else self.previous or self.current
        return replace(
            self,
            current=slot,
            previous=proven if proven != slot else None,
            activated_at=at,
            probation=Probation(),
        )

    def begun(self, boot_id: str, at: str) -> "State":
        """A process runs the current slot from now on."""
        if self.probation is None:
            return self
        return replace(self, probation=replace(self.probation, boot_id=boot_id, started_at=at))

    def ended(self) -> "State":
        """It ended in order: a slot on probation has still to prove itself, from the start."""
        return self if self.probation is None else replace(self, probation=Probation())

    def committed(self) -> "State":
        """The current slot has proved itself."""
        return replace(self, probation=None)

    def rolled_back(self, refusal: Refusal | None) -> "State":
        """Back to the previous slot; there is none to go back to then."""
        left = self
        if self.current is not None and refusal is not None:
            left = self.refusing(self.current, refusal)
        return replace(
            left, current=self.previous, previous=None, activated_at=None, probation=None
        )

    def refusing(self, slot: str, refusal: Refusal) -> "State":
        """With a slot that will never be taken again."""
        known = [(key, value) for key, value in self.refused.items() if key != slot]
        return replace(self, refused=dict([*known, (slot, refusal)][-MAX_REFUSED:]))

    def without(self, slot: str) -> "State":
        """A slot turned out to be damaged: it is neither run nor gone back to."""
        if slot == self.current:
            return self.rolled_back(None)
        return replace(self, previous=None) if slot == self.previous else self

    def settled(self, boot_id: str, name: str, version: str, at: str) -> "State":
        """No process runs the current slot, called by name and version, any more: what now."""
        probation = self.probation
        if probation is None or probation.boot_id is None:
            return self
        if probation.boot_id == boot_id:
            probation = replace(probation, crashes=probation.crashes + 1)
            over, reason = self.previous is not None, CRASHED
        else:
            probation = replace(probation, power_cuts=probation.power_cuts + 1)
            over = self.previous is not None and probation.power_cuts >= MAX_POWER_CUTS
            reason = RESTARTED
        if over:
            return self.rolled_back(Refusal(name, version, reason, at))
        return replace(self, probation=replace(probation, boot_id=None, started_at=None))

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        raw_state = {
            "format": FORMAT,
            "current": self.current,
            "previous": self.previous,
            "activated_at": self.activated_at,
            _PROBATION_KEY: None if self.probation is None else asdict(self.probation),
            "refused": {slot: asdict(refusal) for slot, refusal in self.refused.items()},
        }
        return (json.dumps(raw_state, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes) -> "State":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            raw_state = read_json(content, "the file")
            if not isinstance(raw_state, dict) or raw_state.pop("format", None) != FORMAT:
                raise ValueError("another format")
            if _PROBATION_KEY in raw_state:
                raw_state["probation"] = raw_state.pop(_PROBATION_KEY)
            return read_value(raw_state, cls, "the pointer", lenient=True)
        except SchemaError as error:
            raise ValueError(f"not a pointer file: {error}") from error

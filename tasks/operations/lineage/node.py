"""What `trace` finds: a thing, the facts about it, and the things that made it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["review", "night", "answer", "batch", "audit", "model", "release", "device", "data"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MEANINGS: Mapping[Kind, str] = {
    "review": "a review's id, SOURCE/ID, or its text's digest",
    "night": "a scoring run's id",
    "answer": "an answer's request id or transaction id",
    "batch": "a batch's request id or body digest",
    "audit": "an audit run's id",
    "model": "a model's tag, name, digest or training run",
    "release": "a release's version or a digest of its files",
    "device": "a device's id",
    "data": "a digest of data",
}
SHORTEST_PREFIX = 6  # characters of a digest or run id


class NotFoundError(Exception):
    """Nothing in the home has an id that was asked for."""


@dataclass(frozen=True)
class Node:
    """A thing in a tree of origins.

    id: as the records have it; None: not recorded, and `why` says why.
    made_by: what it came from. also: what else came of it, as counts and the newest few.
    """

    kind: str
    id: str | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    made_by: tuple["Node", ...] = ()
    also: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what is empty is left out."""
        plain: dict[str, Any] = {"kind": self.kind, "id": self.id}
        if self.why:
            plain["not_recorded"] = self.why
        if facts := {name: value for name, value in self.facts.items() if value is not None}:
            plain["facts"] = facts
        if self.made_by:
            plain["made_by"] = [node.to_json() for node in self.made_by]
        if self.also:
            plain["also"] = dict(self.also)
        return plain

    def walk(self) -> Iterator["Node"]:
        """It and all below it."""
        yield self
        for node in self.made_by:
            yield from node.walk()


@dataclass(frozen=True)
class Match:
    """Something that an id may mean.

    id: as to be typed; is_whole: whether the id that was asked for is all of one of its ids.
    """

    kind: Kind
    id: str
    what: str
    is_whole: bool
    open: Callable[[], Node]


def unknown(kind: str, why: str) -> Node:
    """A thing of which there is no record."""
    return Node(kind, None, why=why)


def fits(asked: str, *ids: object) -> bool | None:
    """Whether one of some ids is what was asked for; False: it begins so; None: none does."""
    known = [str(one).lower() for one in ids if one is not None]
    asked = asked.lower()
    if asked in known:
        return True
    if len(asked) >= SHORTEST_PREFIX and any(
        one.startswith(asked) and len(one) >= 16 and _is_digest(one) for one in known
    ):
        return False
    return None


def _is_digest(text: str) -> bool:
    return not text.strip("0123456789abcdef-")

"""Which model answers, which answered before, and which runs in the shadow: one small text.

- It is `registry.json` in a home, or what several homes share in a database. Every change replaces
  it as a whole, so that a service which looks at any moment sees the standing before or after.
- Changes are made under a lock; none is lost between two processes, or machines.
- While promotion is blocked, nothing is promoted without the explicit wish to; going back is
  always possible.
- Whoever becomes champion or shadow is checked first, under the lock: where that fails, nothing
  moves. `model_check.checked_registry` is a registry that checks whether the model can answer.
- A champion that reads other features than the one before asks for the explicit wish to, for its
  callers have to send others; a shadow reads what the champion reads. A champion's own features are
  noted, so that they are known when its files are not.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from services.fraud.errors import ModelError, ModelsUnavailable, PromotionRefused
from services.fraud.model_storage.registry_storage import (
    BLOCK,
    STANDING,
    RegistryFiles,
    RegistryStorage,
)
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring.card import numbered
from services.fraud.scoring.model_input import describe
from services.fraud.transactions.features import FEATURES

KEPT = 20  # earlier champions
MEANT = "callers have to send others then: --new-contract says that this is meant"
_PERHAPS = "; if they are the Handbook's, register it with --features handbook"

Check = Callable[[str], Sequence[str] | None]


class Registry:
    """The registry in a home folder, or in another storage; a missing one is empty."""

    def __init__(
        self,
        kept_in: Path | RegistryStorage,
        check: Check = lambda tag: None,
        offer: Callable[[str], None] = lambda tag: None,
    ) -> None:
        """
        Args:
            check: the features that the model of a tag reads, where it knows them; raises
                ModelError where it could not answer.
            offer: sees to it that whoever reads this registry finds the model of a tag, which is
                about to get a role.
        """
        self.storage = RegistryFiles(kept_in) if isinstance(kept_in, Path) else kept_in
        self._check, self._offer = check, offer

    @property
    def place(self) -> str:
        """What it is called where it is told of: a file, or a database."""
        return self.storage.place(STANDING)

    def read(self) -> Standing:
        """How things stand.

        Raises:
            ModelError: it cannot be read, or is damaged.
            ModelsUnavailable: it lies in a database that does not answer.
        """
        try:
            text = self.storage.read(STANDING)
        except OSError as error:
            raise ModelError(f"{self.place} cannot be read: {error.strerror or error}") from error
        try:
            return Standing() if text is None else Standing.from_text(text)
        except ValueError as error:
            raise ModelError(f"{self.place} is damaged: {error}; promote a model anew") from error

    def last_seen(self) -> Standing | None:
        """How things stood when this home could read it last; None: that is not known."""
        text = self.storage.last_seen(STANDING)
        try:
            return None if text is None else Standing.from_text(text)
        except ValueError:
            return None

    def promote(
        self, tag: str, reason: str, *, override_block: bool = False, new_contract: bool = False
    ) -> Standing:
        """Make a model the champion; the one before is kept for `rollback`.

        Raises:
            PromotionRefused: promotion is blocked, or the model reads other features than the
                champion; says why and how to promote all the same.
            ModelError: the model could not answer.
        """
        with self.storage.changes():
            block = self.blocked()
            if block is not None and not override_block:
                raise PromotionRefused(
                    f"{tag} is not promoted, for promotion is blocked: {block}"
                    " (--override-block promotes all the same)"
                )
            standing = self._read_or_empty()
            names = self._refuse_unable(tag, "champion", standing.champion)
            if standing.champion == tag:
                return standing
            other = self._other_contract(names, standing)
            if other and not new_contract:
                hint = _hint(names, other)
                raise PromotionRefused(f"{tag} is not promoted: it {other}; {MEANT}{hint}")
            earlier = (standing.champion, *standing.previous)
            kept = tuple(t for t in earlier if t is not None and t != tag)[:KEPT]
            return self._crown(standing, tag, kept, reason, other, names)

    def rollback(self, *, new_contract: bool = False) -> str:
        """Go back to the champion before, and once more the next time; returns its tag.

        Raises:
            PromotionRefused: there was none, or it reads other features; says how to go back all
                the same.
            ModelError: it could not answer; says which of the earlier ones can.
        """
        with self.storage.changes():
            standing = self.read()
            if not standing.previous:
                raise PromotionRefused("no earlier champion to go back to")
            tag, *rest = standing.previous
            try:
                names = self._check(tag)
            except ModelError as error:
                raise ModelError(self._no_way_back(standing, str(error))) from None
            other = self._other_contract(names, standing)
            if other and not new_contract:
                raise PromotionRefused(
                    f"{standing.champion} stays champion: {tag} before it {other}; {MEANT}"
                )
            reason = f"rolled back from {standing.champion}"
            self._crown(standing, tag, tuple(rest), reason, other, names)
            return tag

    def shadow(self, tag: str | None) -> Standing:
        """Let a model score along without being heard; None ends it.

        Raises:
            PromotionRefused: it is the champion already, or reads other features.
            ModelError: the model could not answer.
        """
        with self.storage.changes():
            standing = self.read()
            if tag is not None and tag == standing.champion:
                raise PromotionRefused(f"{tag} is the champion: it cannot be its own shadow")
            if tag is not None:
                names = self._refuse_unable(tag, "shadow", standing.shadow)
                if other := self._other_contract(names, standing):
                    hint = _hint(names, other)
                    raise PromotionRefused(f"{tag} does not become shadow: it {other}{hint}")
                self._offer(tag)
            return self._write(replace(standing, shadow=tag))

    def block(self, reason: str) -> None:
        """Keep any model from being promoted; the last reason counts."""
        with self.storage.changes():
            entry = {"reason": reason, "blocked_at": datetime.now(UTC).isoformat()}
            self.storage.write(BLOCK, json.dumps(entry, indent=1) + "\n")

    def unblock(self) -> None:
        """Allow promotion again; no matter if it was allowed."""
        with self.storage.changes():
            self.storage.write(BLOCK, None)

    def blocked(self) -> str | None:
        """Why promotion is blocked; None if it is not. What is damaged blocks.

        Raises: ModelsUnavailable: as `read`.
        """
        try:
            text = self.storage.read(BLOCK)
            return None if text is None else str(json.loads(text)["reason"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return f"{self.storage.place(BLOCK)} is damaged"

    def _fault(self, tag: str) -> str | None:
        """Why a model could not answer; None if it can."""
        try:
            self._check(tag)
        except ModelError as error:
            return str(error)
        return None

    def _refuse_unable(self, tag: str, role: str, holder: str | None) -> Sequence[str] | None:
        """The features that a model reads, if it can answer."""
        try:
            return self._check(tag)
        except ModelError as error:
            kept = f"{holder} stays" if holder else "there is none as before"
            raise ModelError(
                f"{tag} does not become {role}: {error}; {kept} (see manage_models --list-models)"
            ) from None

    def _other_contract(self, names: Sequence[str] | None, standing: Standing) -> str | None:
        """How features differ from those that the champion reads; None if they do not.

        One that cannot be opened counts as one that reads what is noted, else the Handbook's.
        """
        champion = standing.champion
        if names is None or champion is None:
            return None
        try:
            before = self._check(champion)
        except ModelError:
            before = standing.own_features or FEATURES
        if before is None or tuple(before) == tuple(names):
            return None
        if sorted(before) == sorted(names):
            return f"reads the {len(names)} features of {champion} in another order"
        return f"reads {describe(names)}, and {champion} {describe(before)}"

    def _no_way_back(self, standing: Standing, fault: str) -> str:
        tag, *rest = standing.previous
        able = [earlier for earlier in rest if self._fault(earlier) is None]
        choice = (
            f"of the champions before it {', '.join(able[:3])} can answer: manage_models --promote"
            f" {able[0]} promotes the newest"
            if able
            else "no champion before it can answer either: see manage_models --list-models"
        )
        return f"{standing.champion} stays champion, for {tag} cannot answer: {fault}; {choice}"

    def _read_or_empty(self) -> Standing:
        """For a promotion, which mends what is damaged."""
        try:
            return self.read()
        except ModelsUnavailable:
            raise
        except ModelError:
            return Standing()

    def _crown(
        self,
        before: Standing,
        tag: str,
        previous: tuple[str, ...],
        reason: str,
        other: str | None,
        names: Sequence[str] | None,
    ) -> Standing:
        """names: its features; other: how they differ from those before, whose shadow goes then."""
        self._offer(tag)
        goes = other or before.shadow == tag or self._reads_others(before.shadow, names)
        shadow = None if goes else before.shadow
        own = None if names is None or tuple(names) == FEATURES else tuple(names)
        return self._write(Standing(tag, previous, shadow, before.changed_at, reason, other, own))

    def _reads_others(self, shadow: str | None, names: Sequence[str] | None) -> bool:
        """Whether a shadow is known to read other features than these."""
        if shadow is None or names is None:
            return False
        try:
            found = self._check(shadow)
        except ModelError:
            return False
        return found is not None and tuple(found) != tuple(names)

    def _write(self, standing: Standing) -> Standing:
        standing = replace(standing, changed_at=datetime.now(UTC).isoformat())
        self.storage.write(STANDING, standing.text())
        return standing


def _hint(names: Sequence[str] | None, other: str) -> str:
    """What else a network without names may be, that reads as many numbers as the Handbook has."""
    if names is None or tuple(names) != numbered(len(FEATURES)):
        return ""
    return _PERHAPS if other.endswith(describe(FEATURES)) else ""

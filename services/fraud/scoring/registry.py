"""Which model answers, which answered before, and which runs in the shadow: one small file.

- Every change is one atomic replacement of `registry.json`, so that a service which looks at it
  at any moment sees the standing before or after.
- Changes are made under a file lock; none is lost between two processes.
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
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.fraud.errors import ModelError, PromotionRefused
from services.fraud.scoring.card import numbered
from services.fraud.scoring.model_input import describe
from services.fraud.transactions.features import FEATURES
from services.storage.files import write_text
from services.storage.locks import held

KEPT = 20  # earlier champions
MEANT = "callers have to send others then: --new-contract says that this is meant"
_PERHAPS = "; if they are the Handbook's, register it with --features handbook"


@dataclass(frozen=True)
class Standing:
    """The models by their tags; `previous` are earlier champions, newest first."""

    champion: str | None = None
    previous: tuple[str, ...] = ()
    shadow: str | None = None
    changed_at: str | None = None  # ISO, UTC
    reason: str = ""
    new_contract: str | None = None  # how the champion's features differ from those before it
    own_features: tuple[str, ...] | None = None  # of the champion; None: not its own, or not noted

    def role(self, tag: str) -> str:
        """What a model is at present: champion, shadow, or a candidate."""
        if tag == self.champion:
            return "champion"
        return "shadow" if tag == self.shadow else "candidate"


Check = Callable[[str], Sequence[str] | None]


class Registry:
    """The registry in the home folder; a missing one is empty."""

    def __init__(self, home: Path, check: Check = lambda tag: None) -> None:
        """check: the features that the model of a tag reads, where it knows them; raises ModelError
        where it could not answer."""
        self.file = home / "fraud" / "registry.json"
        self._block = home / "fraud" / "promotion_block.json"
        self._lock = home / "fraud" / "registry.lock"
        self._check = check

    def read(self) -> Standing:
        """How things stand.

        Raises: ModelError: the file cannot be read or is damaged.
        """
        try:
            return _standing(json.loads(self.file.read_bytes()))
        except FileNotFoundError:
            return Standing()
        except OSError as error:
            raise ModelError(f"{self.file} cannot be read: {error.strerror or error}") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ModelError(f"{self.file} is damaged: {error}; promote a model anew") from error

    def promote(
        self, tag: str, reason: str, *, override_block: bool = False, new_contract: bool = False
    ) -> Standing:
        """Make a model the champion; the one before is kept for `rollback`.

        Raises:
            PromotionRefused: promotion is blocked, or the model reads other features than the
                champion; says why and how to promote all the same.
            ModelError: the model could not answer.
        """
        with held(self._lock):
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
        with held(self._lock):
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
        with held(self._lock):
            standing = self.read()
            if tag is not None and tag == standing.champion:
                raise PromotionRefused(f"{tag} is the champion: it cannot be its own shadow")
            if tag is not None:
                names = self._refuse_unable(tag, "shadow", standing.shadow)
                if other := self._other_contract(names, standing):
                    hint = _hint(names, other)
                    raise PromotionRefused(f"{tag} does not become shadow: it {other}{hint}")
            return self._write(replace(standing, shadow=tag))

    def block(self, reason: str) -> None:
        """Keep any model from being promoted; the last reason counts."""
        with held(self._lock):
            entry = {"reason": reason, "blocked_at": datetime.now(UTC).isoformat()}
            write_text(self._block, json.dumps(entry, indent=1) + "\n")

    def unblock(self) -> None:
        """Allow promotion again; no matter if it was allowed."""
        with held(self._lock):
            self._block.unlink(missing_ok=True)

    def blocked(self) -> str | None:
        """Why promotion is blocked; None if it is not. A damaged file blocks."""
        try:
            return str(json.loads(self._block.read_bytes())["reason"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return f"{self._block} is damaged"

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
        """For a promotion, which mends a damaged file."""
        try:
            return self.read()
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
        entries = asdict(standing)
        for entry in ("new_contract", "own_features"):  # which earlier versions do not know
            if entries[entry] is None:
                del entries[entry]
        write_text(self.file, json.dumps(entries, indent=1) + "\n")
        return standing


def _hint(names: Sequence[str] | None, other: str) -> str:
    """What else a network without names may be, that reads as many numbers as the Handbook has."""
    if names is None or tuple(names) != numbered(len(FEATURES)):
        return ""
    return _PERHAPS if other.endswith(describe(FEATURES)) else ""


def _standing(entries: Any) -> Standing:
    """Raises: ValueError, TypeError, KeyError: the entries are of another kind."""
    if not isinstance(entries, dict):
        raise ValueError("not a JSON object")
    own = entries.get("own_features")
    if not (own is None or (isinstance(own, list) and all(isinstance(name, str) for name in own))):
        raise ValueError("a feature is not text")
    standing = Standing(
        **{
            **entries,
            "previous": tuple(entries["previous"]),
            "own_features": None if own is None else tuple(own),
        }
    )
    tags = (standing.champion, standing.shadow, *standing.previous)
    if not all(text is None or isinstance(text, str) for text in (*tags, standing.new_contract)):
        raise ValueError("a tag is not text")
    return standing

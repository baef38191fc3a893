"""What has been told, and what is to be told now. Decides, and does no I/O.

- A trouble is told once it has lasted for a minute: by then everything has been looked at, and a
  storm is one message.
- It is told as well again once it has stayed away for twenty minutes. One that returns before is
  the same trouble, and nothing is told: what comes and goes within minutes is told once.
- About one kind of trouble there is at most one message in a quarter of an hour; what comes
  meanwhile is told with the next one. Whatever goes out takes along all that is new.
- While the Prefect server or the database is away, nobody sees whether the rest is well again, and
  nothing counts as that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from tasks.operations.notices.trouble import Trouble

LASTS = timedelta(minutes=1)
CALM = timedelta(minutes=20)  # longer than two rounds of what looks every ten minutes
QUIET = timedelta(minutes=15)
BLINDING = frozenset({"prefect-away", "prefect", "database", "database-away", "watcher"})


@dataclass(frozen=True)
class Known:
    """A trouble, since when it is there, whether it was told, and since when it is gone."""

    trouble: Trouble
    since: datetime
    is_told: bool = False
    gone_at: datetime | None = None


@dataclass(frozen=True)
class News:
    """What one message tells: what is new, and what is well again."""

    new: tuple[Known, ...]
    well: tuple[Known, ...]


@dataclass
class Memory:
    """Everything that is known to be wrong, and when each kind of it was told of last."""

    known: dict[str, Known] = field(default_factory=dict)
    told_at: dict[str, datetime] = field(default_factory=dict)

    def take(self, troubles: Iterable[Trouble], now: datetime) -> News | None:
        """Take all that is wrong at this moment; what has to be told of it counts as told."""
        self._mend_clock(now)
        self._see({trouble.key: trouble for trouble in troubles}, now)
        self.told_at = {kind: at for kind, at in self.told_at.items() if now - at < QUIET}
        well = [
            key
            for key, each in self.known.items()
            if each.is_told and each.gone_at is not None and now - each.gone_at >= CALM
        ]
        new = [key for key, each in self.known.items() if not (each.is_told or each.gone_at)]
        lasting = [key for key in new if now - self.known[key].since >= LASTS]
        if all(kind_of(key) in self.told_at for key in (*lasting, *well)):
            return None
        news = News(
            tuple(self.known[key] for key in new), tuple(self.known.pop(key) for key in well)
        )
        for key in new:
            self.known[key] = replace(self.known[key], is_told=True)
        self.told_at |= {kind_of(key): now for key in (*new, *well)}
        return news

    def _see(self, present: Mapping[str, Trouble], now: datetime) -> None:
        is_blind = any(kind_of(key) in BLINDING for key in present)
        for key, trouble in present.items():
            before = self.known.get(key, Known(trouble, now))
            self.known[key] = replace(before, trouble=trouble, gone_at=None)
        for key, each in list(self.known.items()):
            if key in present:
                continue
            gone_at = None if is_blind and kind_of(key) not in BLINDING else each.gone_at or now
            self.known[key] = replace(each, gone_at=gone_at)
            if not each.is_told and gone_at is not None and now - gone_at >= LASTS:
                del self.known[key]  # it has come and gone, and nobody has to know

    def _mend_clock(self, now: datetime) -> None:
        """A clock that was put back makes nobody wait until it is as late again."""
        for key, each in self.known.items():
            gone_at = min(each.gone_at, now) if each.gone_at else None
            self.known[key] = replace(each, since=min(each.since, now), gone_at=gone_at)
        self.told_at = {kind: min(at, now) for kind, at in self.told_at.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        known = [
            {
                **asdict(each.trouble),
                "since": each.since.isoformat(),
                "is_told": each.is_told,
                "gone_at": each.gone_at.isoformat() if each.gone_at else None,
            }
            for each in self.known.values()
        ]
        return {"known": known, "told_at": {k: at.isoformat() for k, at in self.told_at.items()}}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """From what `to_json` gave. Raises: KeyError, TypeError, ValueError: it is not that."""
        known = {}
        for each in values["known"]:
            parts = {name: str(each[name]) for name in ("key", "what", "meaning", "cure")}
            gone_at = datetime.fromisoformat(each["gone_at"]) if each["gone_at"] else None
            since = datetime.fromisoformat(each["since"])
            known[parts["key"]] = Known(Trouble(**parts), since, bool(each["is_told"]), gone_at)
        told_at = {k: datetime.fromisoformat(at) for k, at in values["told_at"].items()}
        return cls(known, told_at)


def kind_of(key: str) -> str:
    """What troubles of the same sort share: the part of the key before the colon."""
    return key.partition(":")[0]

"""How things stand, as plain values: what runs, each panel, and the disk."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.reporting.figures import counted


@dataclass(frozen=True)
class Run:
    """A run as the Prefect server tells of it; at: when it began, or is due, or ended."""

    name: str
    deployment: str  # flow/deployment, or the flow alone
    state: str
    at: datetime | None
    message: str = ""


@dataclass(frozen=True)
class Schedule:
    """The Prefect server. address: None where none runs for this home.

    cure: of the fault, where it is known. running, due, failed: what is at work, the next of each
    deployment, and deployments whose last run failed. workers: that are there; None: not known.
    """

    address: str | None
    fault: str = ""
    cure: str = ""
    running: tuple[Run, ...] = ()
    due: tuple[Run, ...] = ()
    failed: tuple[Run, ...] = ()
    late: int = 0
    workers: int | None = None


@dataclass(frozen=True)
class Night:
    """The last night of a source.

    stopped: how many of its last nights in a row ended as stopped. usual_days: between its nights,
    None where there are too few to say. finished: the newest finished night, and finished_at when
    it ended. usual_share: the middle of the positive shares of finished nights before the last.
    """

    source: str
    run_date: str
    status: str
    rows_read: int
    scored: int
    rejected: int
    rows_waiting: int
    started_at: datetime
    ended_at: datetime | None
    message: str
    model: str
    positive_share: float | None = None
    stopped: int = 0
    usual_days: float | None = None
    finished: str | None = None
    finished_at: datetime | None = None
    usual_share: float | None = None
    command: str | None = None  # that runs it again

    def describe_rows(self) -> str:
        """619 rows: 607 scored, 12 rejected"""
        return f"{self.rows_read:,} rows: {self.scored:,} scored, {self.rejected:,} rejected"

    def describe_share(self) -> str:
        """, 58% positive; empty where nothing was scored"""
        return "" if self.positive_share is None else f", {self.positive_share:.0%} positive"


@dataclass(frozen=True)
class Interrupted:
    """A roll-back of a night that ended before its end. way: taken back or put back."""

    source: str
    run_date: str
    way: str


@dataclass(frozen=True)
class Quality:
    """The champion on the last day that the audit could judge it."""

    day: str
    auc_roc: float
    average_precision: float
    frauds: int
    expected_auc_roc: float | None
    expected_average_precision: float | None

    def describe(self) -> str:
        """average precision 0.870 (its card: 0.774), AUC ROC 0.933, 60 frauds"""
        promised = self.expected_average_precision
        beside = f" (its card: {promised:.3f})" if promised is not None else ""
        return (
            f"average precision {self.average_precision:.3f}{beside},"
            f" AUC ROC {self.auc_roc:.3f}, {counted(self.frauds, 'fraud')}"
        )


@dataclass(frozen=True)
class Drift:
    """Features whose values, on the day audited last, are others than those of training.

    large, some: by how much, in the audit's words; each as a feature with its index, the largest
    first.
    """

    day: str
    large: tuple[str, ...] = ()
    some: tuple[str, ...] = ()

    def describe(self) -> str:
        """large change of TX_AMOUNT (0.41); some change of A (0.12), B (0.11)"""
        found = (("large", self.large), ("some", self.some))
        return "; ".join(f"{much} change of {', '.join(names)}" for much, names in found if names)


@dataclass(frozen=True)
class RealTime:
    """The fraud service's models and log."""

    champion: str | None
    since: str | None
    shadow: str | None
    fault: str  # of the registry or the champion's files; empty: none
    blocked: str | None
    quality: Quality | None
    answers: int  # in the last day
    last_answer: datetime | None
    last_audit: str | None  # the newest day that was audited
    spilled: int  # files of answers that the database has not taken for long
    drift: Drift | None = None  # None: nothing has changed, or nothing was audited


@dataclass(frozen=True)
class Device:
    """A device as it was judged last."""

    device: str
    release: str
    health: str
    reason: str
    last_seen: datetime


@dataclass(frozen=True)
class Edge:
    """Releases and devices. expires: of each role of the metadata; None: there is no repository."""

    url: str
    fault: str
    releases: tuple[str, ...]
    newest: str | None
    expires: Mapping[str, datetime] | None
    devices: tuple[Device, ...]
    judged_at: datetime | None

    @property
    def health(self) -> dict[str, int]:
        """How many devices there are of each health."""
        counts: dict[str, int] = {}
        for device in self.devices:
            counts[device.health] = counts.get(device.health, 0) + 1
        return counts


@dataclass(frozen=True)
class Status:
    """Everything at one moment."""

    at: datetime
    home: str
    has_home: bool
    schedule: Schedule
    nights: tuple[Night, ...]
    real_time: RealTime
    edge: Edge
    free_bytes: int
    total_bytes: int
    faults: tuple[str, ...] = ()  # databases that could not be read
    interrupted: tuple[Interrupted, ...] = ()
    damaged: tuple[str, ...] = ()  # files of nights, each with what mends it

    def to_json(self) -> dict[str, Any]:
        """Plain values; instants are to be written as text."""
        return asdict(self)

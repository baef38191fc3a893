"""How all stands, as figures for Prometheus: what the watcher and its looks at the home have found.

Nothing is asked for a scrape: it gets what was seen last, and when that was. Names and labels hold
no secret and no id of a run, a device or a person.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tasks.operations.notices.memory import kind_of
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Edge, Night, RealTime, Schedule, Status

KINDS = (  # of troubles; each has a series, also where nothing is wrong
    *("answers-waiting", "audit-missing", "blackout", "champion", "database", "device-degraded"),
    *("device-silent", "devices-degraded", "devices-silent", "disk", "drift", "metadata-expires"),
    *("night-behind", "night-damaged", "night-failed", "night-long", "night-missed"),
    *("night-missing", "nights-database", "no-worker", "prefect", "prefect-away"),
    *("promotion-blocked", "releases", "rollback-interrupted"),
    *("run-failed", "run-late", "run-overdue", "run-stuck", "tag", "telemetry-old", "watcher"),
)
NIGHT_STATES = ("running", "finished", "stopped", "failed")
HEALTHS = ("ok", "degraded", "late", "silent")
MOST_SOURCES = 50  # that have a series, the newest
SHOWN_FOR = timedelta(days=31)  # after a source's last night

Values = Mapping[Any, float | None]  # by tuples of the labels' values


class Figures(Collector):
    """What was seen last. One thread hands it in, others ask."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._troubles: Sequence[Trouble] | None = None

    def take_status(self, status: Status) -> None:
        """How the home stands now."""
        self._status = status

    def take_troubles(self, troubles: Sequence[Trouble]) -> None:
        """All that is wrong now."""
        self._troubles = tuple(troubles)

    def collect(self) -> Iterable[Metric]:
        """What is known; nothing before the first look."""
        status, troubles = self._status, self._troubles
        if troubles is not None:
            yield from _of_troubles(troubles)
        if status is not None:
            yield _single("looked_timestamp_seconds", "Last look at the home", _s(status.at))
            yield _single("disk_free_bytes", "Free on the home's disk", status.free_bytes)
            yield _single("disk_size_bytes", "Size of the home's disk", status.total_bytes)
            yield from _of_schedule(status.schedule)
            yield from _of_nights(status.nights, status.at)
            yield from _of_real_time(status.real_time)
            yield from _of_edge(status.edge)


def _of_troubles(troubles: Sequence[Trouble]) -> Iterator[Metric]:
    counts: dict[tuple[str, ...], float] = {(kind,): 0.0 for kind in KINDS}
    for trouble in troubles:
        kind = (kind_of(trouble.key),)
        counts[kind] = counts.get(kind, 0.0) + 1
    yield _family("troubles", "What needs a person", counts, "kind")


def _of_schedule(schedule: Schedule) -> Iterator[Metric]:
    answers = schedule.address is not None and not schedule.fault
    yield _single("prefect_up", "Whether the Prefect server answers", float(answers))
    if answers:
        runs = {("running",): float(len(schedule.running)), ("late",): float(schedule.late)}
        yield _family("prefect_runs", "Runs at work, and those that should be", runs, "state")
        yield _single("prefect_workers", "Workers that give signs of life", schedule.workers or 0)


def _of_nights(nights: Sequence[Night], now: datetime) -> Iterator[Metric]:
    shown = [each for each in nights if now - each.started_at < SHOWN_FOR][:MOST_SOURCES]
    states = {(n.source, state): float(n.status == state) for n in shown for state in NIGHT_STATES}
    yield _family("night_state", "How each source's last night ended", states, "source", "state")
    rows: dict[tuple[str, ...], float | None] = {}
    for night in shown:
        rows[night.source, "scored"] = night.scored
        rows[night.source, "rejected"] = night.rejected
        rows[night.source, "reused"] = night.rows_read - night.scored - night.rejected
        rows[night.source, "waiting"] = night.rows_waiting
    yield _family("night_rows", "Rows of the last night", rows, "source", "outcome")
    of_each = {
        "night_duration_seconds": ("Of the last night", _duration_s),
        "night_finished_timestamp_seconds": (
            "End of the newest finished night",
            lambda night: _s(night.finished_at),
        ),
        "night_usual_interval_seconds": (
            "Between finished nights, as far as that is known",
            lambda night: night.usual_days and night.usual_days * 86_400,
        ),
        "night_positive_ratio": (
            "Share of positive labels in the last night",
            lambda night: night.positive_share,
        ),
        "night_usual_positive_ratio": (
            "The same in the nights before",
            lambda night: night.usual_share,
        ),
    }
    for name, (what, of) in of_each.items():
        yield _family(name, what, {(night.source,): of(night) for night in shown}, "source")


def _of_real_time(panel: RealTime) -> Iterator[Metric]:
    quality = panel.quality
    ready = panel.champion is not None and not panel.fault
    yield _single("champion_ready", "Whether a sound champion is registered", float(ready))
    yield _single("champion_judged", "Whether an audit has judged it", float(quality is not None))
    yield _single("answers_waiting_files", "Files that the database lacks", panel.spilled)
    yield _single("audited_timestamp_seconds", "Newest audited day", _midnight_s(panel.last_audit))
    if quality is not None:
        precision = {
            ("measured",): quality.average_precision,
            ("expected",): quality.expected_average_precision,
        }
        what = "Of the champion, on the last day judged and on its card"
        yield _family("champion_average_precision", what, precision, "of")


def _of_edge(edge: Edge) -> Iterator[Metric]:
    health = {(each,): float(edge.health.get(each, 0)) for each in HEALTHS}
    yield _family("devices", "Devices by health, as last judged", health, "health")
    yield _single("devices_judged_timestamp_seconds", "Last judgement", _s(edge.judged_at))
    expires = {(role,): _s(at) for role, at in (edge.expires or {}).items()}
    what = "When the signature of a role of the release metadata expires"
    yield _family("release_metadata_expiry_timestamp_seconds", what, expires, "role")


def _single(name: str, what: str, value: float | None) -> Metric:
    return _family(name, what, {(): value})


def _family(name: str, what: str, values: Values, *labels: str) -> Metric:
    """A gauge with the values that are known."""
    family = GaugeMetricFamily(f"triptych_{name}", what, labels=labels)
    for given, value in values.items():
        if value is not None:
            family.add_metric(given, value)
    return family


def _duration_s(night: Night) -> float | None:
    return (night.ended_at - night.started_at).total_seconds() if night.ended_at else None


def _midnight_s(day: str | None) -> float | None:
    return _s(datetime.combine(date.fromisoformat(day), time(), UTC)) if day else None


def _s(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()

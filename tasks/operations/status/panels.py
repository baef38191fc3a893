"""How the three panels stand, from their tables and files; Prefect and the frameworks stay out."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from statistics import median
from typing import Any

import sqlalchemy as sa
from edge_detector.contract.channel import CHANNELS

from edge.fleet.tables import DEVICES
from edge.release.errors import PublisherError
from edge.release.publishing.request import Place
from services.fraud.errors import ModelError
from services.fraud.log.tables import FRAUD_DAILY_METRICS, FRAUD_DRIFT, FRAUD_PREDICTIONS
from services.fraud.model_storage.standing import Standing
from tasks.operations.lineage.models import read_card
from tasks.operations.records import Records, Row
from tasks.operations.status.night_command import night_command
from tasks.operations.status.state import Device, Drift, Edge, Night, Quality, RealTime
from tasks.sentiment.sql.nights import TAKEN_BACK
from tasks.sentiment.sql.tables import SENTIMENT_RUNS

RUNS, ANSWERS, AUDITS = SENTIMENT_RUNS.c, FRAUD_PREDICTIONS.c, FRAUD_DAILY_METRICS.c
SHIFTS = FRAUD_DRIFT.c
STABLE, SOME, LARGE = "stable", "some change", "large change"  # as the audit calls them
SHIFTS_NAMED = 4
RECENT = 400  # runs, of all sources
NIGHTS_COMPARED = 7
SPILLED_FOR = timedelta(minutes=10)


def read_nights(records: Records) -> tuple[Night, ...]:
    """The last night of each source, the newest source first."""
    newest = (RUNS.run_date.desc(), RUNS.started_at.desc())  # whenever a night of the past is run
    rows = records.rows(SENTIMENT_RUNS, order=newest, limit=RECENT)
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        if row["message"] != TAKEN_BACK:
            by_source.setdefault(row["source"], []).append(row)
    nights = (_night(records, mine) for mine in by_source.values())
    return tuple(sorted(nights, key=lambda night: night.started_at, reverse=True))


def _night(records: Records, rows: list[Row]) -> Night:
    """rows: of one source, the newest night first."""
    last = rows[0]
    ended_well = [row for row in rows if row["status"] == "finished"]
    finished = [row["run_date"] for row in ended_well]
    days = sorted(set(finished), reverse=True)[:NIGHTS_COMPARED]
    gaps = [(later - earlier).days for later, earlier in pairwise(days)]
    shares = [row["positive_share"] for row in ended_well if row is not last]
    known = [share for share in shares if share is not None][:NIGHTS_COMPARED]
    shown = ("source", "status", "rows_read", "scored", "rejected", "rows_waiting", "started_at")
    return Night(
        **{name: last[name] for name in (*shown, "ended_at", "message", "model")},
        run_date=str(last["run_date"]),
        positive_share=last["positive_share"],
        stopped=len(list(takewhile(lambda row: row["status"] == "stopped", rows))),
        usual_days=float(median(gaps)) if len(gaps) >= 2 else None,
        finished=str(finished[0]) if finished else None,
        finished_at=ended_well[0]["ended_at"] if ended_well else None,
        usual_share=float(median(known)) if known else None,
        command=_command(records, last, finished),
    )


def _command(records: Records, last: Row, finished: list[date]) -> str | None:
    """What runs the night again, as far as a published night of the source tells.

    What other nights read is named only where two of them read the same: else it may be the input
    of that night alone.
    """

    def asked(day: date) -> Mapping[str, Any]:
        entry = records.night_manifests(day).get(last["source"]) or {}
        request: Mapping[str, Any] = entry.get("request") or {}
        return request

    if own := asked(last["run_date"]):
        return night_command(own, last["source"], last["run_date"])
    others = [asked(day) for day in sorted(set(finished), reverse=True)[:2]]
    if len(others) == 2 and others[0] and others[0].get("source") == others[1].get("source"):
        return night_command(others[0], last["source"], last["run_date"])
    return None


def read_real_time(records: Records, now: datetime) -> RealTime:
    """The registry, the champion's files, its last audit, and the log of answers."""
    fault, blocked, standing = "", None, Standing()
    try:
        registry = records.fraud_models.registry()
        blocked = registry.blocked()
        standing = registry.read()
        if standing.champion:
            fault = records.fraud_models.fault(standing.champion) or ""
    except ModelError as error:
        fault = str(error)
    since = ANSWERS.answered_at > now - timedelta(days=1)
    answers, last = records.one(
        FRAUD_PREDICTIONS, sa.func.count(), sa.func.max(ANSWERS.answered_at), where=since
    )
    audited = records.rows(FRAUD_DAILY_METRICS, order=(AUDITS.day.desc(),), limit=1)
    return RealTime(
        champion=standing.champion,
        since=standing.changed_at,
        shadow=standing.shadow,
        fault=fault,
        blocked=blocked,
        quality=_quality(records, standing.champion),
        answers=answers,
        last_answer=last if isinstance(last, datetime) else None,
        last_audit=str(audited[0]["day"]) if audited else None,
        spilled=_spilled(records, now),
        drift=_drift(records, standing.champion, audited[0]["day"]) if audited else None,
    )


def _drift(records: Records, champion: str | None, day: date) -> Drift | None:
    """By the card of the champion: another model's says nothing of it."""
    shifted = (SHIFTS.day == day, SHIFTS.model == champion, SHIFTS.verdict != STABLE)
    rows = records.rows(FRAUD_DRIFT, *shifted, order=(SHIFTS.psi.desc(),), limit=SHIFTS_NAMED)
    if not rows:
        return None
    large, some = (
        tuple(f"{row['feature']} ({row['psi']:.2f})" for row in rows if row["verdict"] == verdict)
        for verdict in (LARGE, SOME)
    )
    return Drift(str(day), large, some)


def _quality(records: Records, tag: str | None) -> Quality | None:
    judged = (AUDITS.model == tag, AUDITS.role == "answered", AUDITS.auc_roc.is_not(None))
    rows = records.rows(FRAUD_DAILY_METRICS, *judged, order=(AUDITS.day.desc(),), limit=1)
    if tag is None or not rows:
        return None
    promised = read_card(records, tag).get("metrics") or {}
    row = rows[0]
    return Quality(
        day=str(row["day"]),
        auc_roc=row["auc_roc"],
        average_precision=row["average_precision"],
        frauds=row["frauds"],
        expected_auc_roc=promised.get("auc_roc"),
        expected_average_precision=promised.get("average_precision"),
    )


def _spilled(records: Records, now: datetime) -> int:
    """Files of answers that the database has not taken for long."""
    count = 0
    for file in (records.home / "fraud" / "spill").glob("*.jsonl"):
        try:
            changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except OSError:  # loaded meanwhile
            continue
        count += changed < now - SPILLED_FOR
    return count


def read_edge(records: Records) -> Edge:
    """What is published, until when it is signed, and the devices."""
    settings = records.settings
    releases: list[str] = []
    newest, fault, expires = None, "", None
    try:
        repository = Place(settings.releases_url, settings.release_keys).open()
        listed = {channel: repository.releases(channel) for channel in CHANNELS}
        if any(listed.values()):
            expires = {role.role: role.expires for role in repository.status().roles}
        for channel, ones in listed.items():
            for one in ones:
                state = "withdrawn" if one.withdrawn else f"{one.share:.0%} of {channel}"
                releases.append(f"{one.name} {one.version} ({state})")
                if channel == CHANNELS[0] and not one.withdrawn and one.share:
                    newest = f"{one.name} {one.version}"
    except PublisherError as error:
        fault = str(error)
    rows = records.rows(DEVICES, order=(DEVICES.c.device,), limit=100_000)
    judged = [row["judged_at"] for row in rows if row["judged_at"] is not None]
    return Edge(
        url=settings.releases_url,
        fault=fault,
        releases=tuple(releases),
        newest=newest,
        expires=expires,
        devices=tuple(map(_device, rows)),
        judged_at=max(judged, default=None),
    )


def _device(row: Row) -> Device:
    return Device(
        device=row["device"],
        release=f"{row['model']} {row['version']}" if row["model"] else "no model",
        health=row["health"] or "not judged",
        reason=row["reason"] or "",
        last_seen=row["last_seen"],
    )

"""What needs a person is named, with its meaning and its cure; what is well is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import (
    Device,
    Drift,
    Edge,
    Night,
    RealTime,
    Run,
    Schedule,
    Status,
)
from tasks.operations.troubles import troubles

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHT = Night(
    source="shop",
    run_date="2026-11-22",
    status="finished",
    rows_read=100,
    scored=98,
    rejected=2,
    rows_waiting=0,
    started_at=NOW - 7 * HOUR,
    ended_at=NOW - 6 * HOUR,
    message="",
    model="triptych-sentiment",
    usual_days=1.0,
    finished="2026-11-22",
    command="triptych score-sentiment --source shop.csv",
)
SERVICE = RealTime(
    champion="fraud_detector:1",
    since=None,
    shadow=None,
    fault="",
    blocked=None,
    quality=None,
    answers=10,
    last_answer=NOW - HOUR,
    last_audit="2026-11-21",
    spilled=0,
)
EDGE = Edge(
    url="releases",
    fault="",
    releases=("parts 1.0.0 (100% of stable)",),
    newest="parts 1.0.0",
    expires={"root": NOW + 300 * DAY, "timestamp": NOW + 2 * DAY},
    devices=(Device("press-1", "parts 1.0.0", "ok", "", NOW),),
    judged_at=NOW - HOUR,
)
WELL = Status(
    at=NOW,
    home="var",
    has_home=True,
    schedule=Schedule("http://127.0.0.1:4200/api", workers=1),
    nights=(NIGHT,),
    real_time=SERVICE,
    edge=EDGE,
    free_bytes=50 << 30,
    total_bytes=100 << 30,
)


def night(**changes: Any) -> Status:
    return replace(WELL, nights=(replace(NIGHT, **changes),))


def service(**changes: Any) -> Status:
    return replace(WELL, real_time=replace(SERVICE, **changes))


def edge(**changes: Any) -> Status:
    return replace(WELL, edge=replace(EDGE, **changes))


def schedule(**changes: Any) -> Status:
    return replace(WELL, schedule=replace(WELL.schedule, **changes))


def device(health: str, count: int = 1) -> tuple[Device, ...]:
    return tuple(Device(f"d{n}", "parts 1.0.0", health, "hot", NOW) for n in range(count))


FAILED_RUN = Run("audit-fraud 2026-11-22", "audit-fraud/nightly", "Failed", NOW - HOUR, "no disk")


def test_what_is_well_needs_nobody():
    """Nor does an empty home, nor one without a server, nor a night that was stopped once."""
    empty = replace(
        WELL,
        schedule=Schedule(None),
        nights=(),
        real_time=RealTime(None, None, None, "", None, None, 0, None, None, 0),
        edge=Edge("releases", "", (), None, None, (), None),
    )
    once = night(status="stopped", stopped=1, rows_waiting=5)

    some = service(drift=Drift("2026-11-21", some=("TX_AMOUNT (0.12)",)))

    assert [troubles(status) for status in (WELL, empty, once, some)] == [[], [], [], []]


@pytest.mark.parametrize(
    ("status", "key", "what", "cure"),
    [
        (night(status="failed", message="no disk"), "night-failed:shop", "no disk", "--source"),
        (
            night(status="running", started_at=NOW - 13 * HOUR),
            "night-long:shop",
            "since 13 h",
            "triptych score-sentiment",
        ),
        (night(status="stopped", stopped=3, rows_waiting=9), "night-behind:shop", "9 rows", "shop"),
        (night(run_date="2026-11-19"), "night-missing:shop", "3 days ago", "triptych backfill"),
        (service(fault="model.tflite is gone"), "champion", "is gone", "triptych manage-models"),
        (service(blocked="audit of x"), "promotion-blocked", "audit of x", "--unblock"),
        (
            service(drift=Drift("2026-11-21", large=("TX_AMOUNT (0.41)",), some=("B (0.12)",))),
            "drift",
            "2026-11-21 differ from those of training in TX_AMOUNT (0.41)",
            "triptych train-fraud",
        ),
        (service(spilled=2), "answers-waiting", "2 files", "database"),
        (service(last_audit="2026-11-18"), "audit-missing", "2026-11-18", "triptych audit-fraud"),
        (edge(fault="timestamp.json is damaged"), "releases", "is damaged", "copy"),
        (
            edge(expires={"timestamp": NOW - HOUR}),
            "metadata-expires:timestamp",
            "has expired",
            "triptych manage-releases --renew",
        ),
        (edge(judged_at=NOW - 3 * HOUR), "telemetry-old", "05:00", "triptych collect-telemetry"),
        (edge(devices=device("silent")), "device-silent:d0", "d0 is silent: hot", "trace d0"),
        (edge(devices=device("degraded", 99)), "devices-degraded", "99 devices", "lists them"),
        (schedule(failed=(FAILED_RUN,)), "run-failed:audit-fraud/nightly", "no disk", "run audit"),
        (schedule(late=4, workers=0), "no-worker", "4 runs are late", "worker"),
        (schedule(fault="refused"), "prefect", "refused", "triptych up"),
        (replace(WELL, free_bytes=1 << 29), "disk", "0.5 GB", "triptych prune"),
        (replace(WELL, faults=("database x: locked",)), "database", "locked", "TRIPTYCH_DATABASE"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else None,
)
def test_what_is_wrong_is_told_once_with_its_cure(status, key, what, cure):
    """One trouble, by which it is known again as long as it lasts."""
    (trouble,) = troubles(status)

    assert trouble.key == key
    assert what in trouble.what and cure in trouble.cure and trouble.meaning
    assert not any("\n" in text for text in vars(trouble).values())


def test_failed_night_is_told_once_for_its_source_and_its_deployment():
    """The source's says more."""
    run = replace(FAILED_RUN, deployment="score-sentiment/nightly")
    failed = replace(night(status="failed"), schedule=replace(WELL.schedule, failed=(run,)))

    assert [trouble.key for trouble in troubles(failed)] == ["night-failed:shop"]


def test_source_that_has_long_ceased_is_waited_for_no_more():
    """It was retired, and nobody is told each morning."""
    assert troubles(night(run_date="2026-10-01")) == []
    assert isinstance(troubles(night(run_date="2026-11-10"))[0], Trouble)

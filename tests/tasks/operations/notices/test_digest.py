"""The morning's digest: as Markdown for the UI, and as plain text for a message."""

from datetime import UTC, date, datetime

from tasks.operations.notices.digest import Alerts, compose
from tasks.operations.notices.message import MAX_BODY
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import (
    Device,
    Edge,
    Night,
    Quality,
    RealTime,
    Schedule,
    Status,
)

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 6, tzinfo=UTC)
BLOCKED = Trouble("promotion-blocked", "promotion is blocked: AP fell", "m", "triptych status")


def a_night(source: str = "shop", run_date: str = "2026-03-02") -> Night:
    return Night(
        source=source,
        run_date=run_date,
        status="finished",
        rows_read=10_240,
        scored=10_200,
        rejected=40,
        rows_waiting=0,
        started_at=AT,
        ended_at=AT,
        message="",
        model="m",
        positive_share=0.634,
    )


def a_device(name: str, health: str, reason: str = "") -> Device:
    return Device(name, "v7", health, reason, AT)


def a_status(nights=(), real_time=None, devices=(), newest=None) -> Status:
    return Status(
        at=AT,
        home="/home",
        has_home=True,
        schedule=Schedule(None),
        nights=tuple(nights),
        real_time=real_time or RealTime(None, None, None, "", None, None, 0, None, None, spilled=0),
        edge=Edge("releases", "", (), newest, None, tuple(devices), None),
        free_bytes=10**12,
        total_bytes=10**12,
    )


FRAUD = RealTime(
    champion="fraud:abc",
    since=None,
    shadow=None,
    fault="",
    blocked="AP fell",
    quality=Quality("2026-02-23", 0.951, 0.68, 31, 0.95, 0.7),
    answers=4_321,
    last_answer=AT,
    last_audit="2026-03-01",
    spilled=0,
)


def test_digest_tells_of_all_three_panels_and_of_what_needs_a_person():
    devices = [
        a_device("cam-1", "ok"),
        a_device("cam-2", "ok"),
        a_device("cam-3", "silent", "24 h"),
    ]
    status = a_status([a_night(), a_night("mail", "2026-02-27")], FRAUD, devices, "v7")
    alerts = Alerts(date(2026, 3, 1), 4_000, 12, 20.0, ("amount (0.31)",))

    digest = compose(DAY, status, alerts, [BLOCKED])

    assert (
        digest.text()
        == """1 thing needs a person.

Batch
- shop, night of 2026-03-02: finished, 10,240 rows: 10,200 scored, 40 rejected, 63% positive
- mail, night of 2026-02-27, 3 days ago: finished, 10,240 rows: 10,200 scored, 40 rejected, 63% \
positive

Real time
- champion fraud:abc, 4,321 answers in the last day
- 2026-03-01: 4,000 answers, 12 cards flagged, the budget is 20
- drift: amount (0.31)
- quality on 2026-02-23: average precision 0.680 (its card: 0.700), AUC ROC 0.951, 31 frauds
- promotion is blocked: AP fell

Edge
- release v7
- 3 devices: 2 ok, 1 silent
- cam-3 is silent: 24 h

What needs a person
- promotion is blocked: AP fell. Do: triptych status"""
    )
    message = digest.message()
    assert message.title == "Triptych, 2026-03-02: 1 thing needs a person" and message.is_bad
    assert message.body == digest.text()


def test_digest_of_empty_panels_reads_well():
    digest = compose(DAY, a_status(), None, [])
    assert (
        digest.markdown()
        == """# Triptych, 2026-03-02

**nothing needs a person**

## Batch

- no night yet

## Real time

- no champion yet

## Edge

- no release yet
- no device has reported yet

## What needs a person

- nothing
"""
    )
    assert not digest.message().is_bad


def test_digest_of_much_stays_short_and_says_what_it_leaves_out():
    """A message of any service takes it."""
    many = range(300)
    status = a_status(
        [a_night(f"source-{n}" * 20) for n in many],
        FRAUD,
        [a_device(f"cam-{n}", "degraded", "w" * 900) for n in many],
    )
    digest = compose(DAY, status, None, [BLOCKED] * 300)
    assert "and 295 more sources" in digest.text() and "and 295 more that are not" in digest.text()
    assert len(digest.message().body) <= MAX_BODY
    assert digest.message().body.endswith("… the rest: triptych status")


def test_what_data_says_styles_nothing_in_the_ui():
    digest = compose(DAY, a_status([a_night("**bold** <b> [x](http://y)")]), None, [])
    assert "**bold**" not in digest.markdown() and "<b>" not in digest.markdown()

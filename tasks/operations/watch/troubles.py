"""What a person is told of nights that are over, from the table `nights`."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tasks.operations.nights.ledger import NightRow
from tasks.operations.notices.trouble import Trouble

OLD = timedelta(days=8)  # a weekly night that failed is told of until the next one
MISSED = "Missed"  # how the reason of a missed night begins; a blackout day is no trouble


def night_troubles(latest: Iterable[NightRow], now: datetime) -> Iterator[Trouble]:
    """Those of each deployment's latest night.

    latest: one row per deployment, of nights that have ended or were skipped.
    """
    for row in latest:
        if now - row.due_at > OLD:
            continue
        if row.status in ("failed", "crashed"):
            yield Trouble(
                f"night-failed:{row.deployment}",
                f"{row.deployment}: the night of {row.night} {row.status}. {row.reason}".strip(),
                "its results are not there; the next night takes up what it has left",
                f"look at its run, or try again: prefect deployment run {row.deployment}",
            )
        elif row.status == "skipped" and row.reason.startswith(MISSED):
            yield Trouble(
                f"night-missed:{row.deployment}",
                f"{row.deployment}: the night of {row.night} was skipped. {row.reason}",
                "its results come with the next night",
                f"wait, or run it now: prefect deployment run {row.deployment}",
            )

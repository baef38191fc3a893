"""The task module of `digest`: how everything stands, for the UI and those who are told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from prefect import task

from tasks.operations.notices.addresses import read_addresses
from tasks.operations.notices.notices import Notices
from tasks.orchestration.policies import DB_RETRY, PLAIN
from tasks.orchestration.reporting import add_markdown, run_parameters, scheduled_time
from tasks.orchestration.terminal import print_notice, print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from tasks.operations.notices.digest import Digest

ERRORS = (OSError,)


def name_run() -> str:
    """The run's name in the UI: flow and day."""
    return f"digest {run_parameters().get('run_date') or scheduled_time().date()}"


def day_of(params: Any) -> date:
    """The day whose morning it is. params: the flow's Digest."""
    day: date = params.run_date or scheduled_time().date()
    return day


@task(**DB_RETRY)
def compose(day: date) -> Digest:
    """Read how everything stands now."""
    from tasks.operations.notices import digest
    from tasks.operations.notices.audited import read_alerts
    from tasks.operations.status.read import read_status
    from tasks.operations.troubles import troubles

    settings = Settings()
    status = read_status(settings, datetime.now(UTC))
    return digest.compose(day, status, read_alerts(settings), troubles(status))


@task(**PLAIN)
def show(digest: Digest) -> None:
    """In the UI and on the terminal."""
    add_markdown("digest", digest.markdown())
    print_result(digest.text())


@task(**PLAIN)
def send(digest: Digest) -> int:
    """To the addresses that are set; how many there are. One that is away is tried again."""
    settings = Settings()
    addresses = read_addresses(settings.notify_text)
    Notices(settings.home, addresses, print_notice).send(digest.message())
    return len(addresses)

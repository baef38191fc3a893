"""`triptych backfill`: the dates that are asked for, each by a run of its own, and how they end."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from rich.console import Console

from tasks.operations.backfill.dates import State, backfill, days
from tasks.operations.backfill.process import start_flow
from tasks.operations.backfill.table import shown
from tasks.orchestration.command_line import fail
from tasks.orchestration.prefect_api import ApiError, prefect_api
from tasks.settings import Settings

ERRORS = (ApiError,)


def run(
    asked: Any, is_finished: Callable[[date], bool], arguments: Callable[[date], Sequence[str]]
) -> int:
    """Do all dates; 1 if one of them failed.

    asked: the verb's Backfill. arguments: of `score_sentiment` for a date.
    """
    dates = days(asked.from_, asked.to)
    if asked.dry_run:
        with shown(dates) as tell:
            for day in dates:
                tell(day, State.THERE if is_finished(day) else State.WAITING, "")
        return 0
    with prefect_api(Settings().home, Console(stderr=True).print), shown(dates) as tell:
        states = backfill(
            dates,
            is_finished=is_finished,
            start=lambda day: start_flow("flows.score_sentiment", arguments(day)),
            at_most=asked.at_most,
            tell=tell,
        )
    failed = [str(day) for day, state in states.items() if state is State.FAILED]
    if failed:
        fail(f"{len(failed)} of {len(dates)} dates failed: {', '.join(failed)}")
    return 1 if failed else 0

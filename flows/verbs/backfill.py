"""`triptych backfill`: the nightly run for each of many dates."""

from datetime import date, timedelta
from typing import Any, Self

from pydantic import AliasChoices, Field, model_validator

from flows.score_sentiment import ScoreSentiment
from tasks import score_sentiment as steps
from tasks.operations.backfill import verb
from tasks.operations.backfill.dates import has_date, of_date
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import Day, RunDay

MOST_DATES = 3_660
_NOT_HANDED_ON = ("rescore", "run_date", "stop_at")


class Backfill(ScoreSentiment):
    """Score reviews of many dates: one run of score-sentiment for each, in processes of their own.

    Takes the options of score-sentiment. {date} in --source stands for the date, and {date:%Y%m%d}
    for one in another form. Dates that are finished for these options are skipped, so type the
    same again to go on after an interruption. The runs report to the Prefect API as ever; no
    worker is needed.
    """

    from_: Day = Field(description="the first date", validation_alias=AliasChoices("from", "from_"))
    to: RunDay = Field(description="the last date")
    at_most: int = Field(1, ge=1, le=16, description="runs at once")
    dry_run: bool = Field(False, description="only show what is there and what would run")

    @model_validator(mode="after")
    def _dates_differ(self) -> Self:
        if not 0 <= (self.to - self.from_) / timedelta(days=1) < MOST_DATES:
            raise ValueError(f"to: give a date from {self.from_} on, of {MOST_DATES:,} at most")
        if not has_date(self.source):
            raise ValueError(
                "source: put {date} where the date belongs, as in 'reviews-{date}.csv'"
            )
        if self.source_name is None:
            raise ValueError("give --source-name, else each file would be a source of its own")
        for name in _NOT_HANDED_ON:
            if name in self.model_fields_set:
                raise ValueError(f"{name} goes with score-sentiment alone")
        return self

    def of(self, day: date) -> ScoreSentiment:
        """What the run of a date is asked for."""
        given = {
            n: getattr(self, n) for n in self.model_fields_set & {*ScoreSentiment.model_fields}
        }
        return ScoreSentiment(**{**given, "source": of_date(self.source, day), "run_date": day})


def _arguments(asked: ScoreSentiment) -> list[str]:
    words = []
    for name in sorted(asked.model_fields_set):
        value: Any = getattr(asked, name)
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, tuple):
            words += [f"--{option}={one}" for one in value]
        elif value is not None:
            words.append(f"--{option}={value}")
    return words


def _run(asked: Backfill) -> int:
    return verb.run(
        asked,
        is_finished=lambda day: steps.is_finished(asked.of(day)),
        arguments=lambda day: _arguments(asked.of(day)),
    )


COMMAND = Command(Backfill, _run, (*steps.ERRORS, *verb.ERRORS))

"""The nightly run: score customer reviews for sentiment, into Parquet and SQL."""

from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from prefect import flow
from pydantic import AfterValidator, Field, model_validator

from tasks import score_sentiment as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, RunDay, SourceReference, TimeOfDay


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name} is no IANA time zone; use one such as Europe/Berlin or UTC")
    return str(ZoneInfo(name))


def _distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    if "" in columns or len(set(columns)) < len(columns):
        raise ValueError("name each column once, and none of them empty")
    return columns


def _one_character(given: str | None) -> str | None:
    if given not in (None, "none") and len(given or "") != 1:
        raise ValueError("give one character, or none")
    return given


def _a_delimiter(given: str | None) -> str | None:
    if given in _NAMED_DELIMITERS:
        return _NAMED_DELIMITERS[given]
    mark = given and (given.rstrip(" ") or given)
    if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in "\r\n\"'"):
        raise ValueError("give one character such as ; or tab, with spaces behind it if cells have")
    return given


_NAMED_DELIMITERS: dict[str | None, str] = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "space": " ",
}


def _without_offset(stop_at: time | None) -> time | None:
    if stop_at is not None and stop_at.tzinfo is not None:
        raise ValueError("give a time of day without an offset; the zone is time_zone")
    return stop_at


class ScoreSentiment(FlowParameters):
    """Score customer reviews for sentiment and write them to Parquet and SQL.

    Run it again to finish a run that was killed or stopped: nothing is scored twice.
    """

    source: SourceReference = Field(
        min_length=1,
        description="CSV, TSV, JSON Lines, JSON or Parquet file, also packed, a folder or glob of"
        " these, each also as an address (https://, s3://), or a SQL query"
        " (SELECT …) on TRIPTYCH_SOURCE_DATABASE_URL",
    )
    text_column: str = Field(min_length=1, description="column with the review's text")
    id_column: str | None = Field(
        None,
        min_length=1,
        description="column that identifies a review; without it a digest of the text and its"
        " occurrence number",
    )
    source_name: str | None = Field(
        None,
        min_length=1,
        description="name of the source in all results; by default the file's or folder's."
        " Give it if the file is named anew each night",
    )
    carry: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        (), description="input columns that travel to the Parquet output, as input_NAME"
    )
    report_by: str | None = Field(
        None,
        min_length=1,
        description="column for the report's share of positive; dates are taken per day",
    )
    encoding: str = Field("utf-8", description="of text files without a byte-order mark")
    columns: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        (), description="names of the columns of a CSV file without a header, in their order"
    )
    delimiter: Annotated[str | None, AfterValidator(_a_delimiter)] = Field(
        None,
        description="between the cells of CSV files: one character, or tab; with a space behind it"
        " where each cell begins with one. By default, as for the next three, a sample tells",
    )
    quote: Annotated[str | None, AfterValidator(_one_character)] = Field(
        None, description="around cells of CSV files; none: a quote is a character like any other"
    )
    escape: Annotated[str | None, AfterValidator(_one_character)] = Field(
        None, description="before a quote in cells of CSV files, such as \\; or none"
    )
    skip_lines: int | None = Field(
        None, ge=0, description="lines of CSV files before the header, or before the first row"
    )
    decimal_comma: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        (), description="carried columns of CSV files in which 1.234,50 stands for 1234.50"
    )
    sheet: str | None = Field(
        None, min_length=1, description="of an Excel workbook of which several are not empty"
    )
    run_date: RunDay | None = Field(
        None, description="the logical day; by default the day for which the run was scheduled"
    )
    model: str = Field(
        "triptych-sentiment",
        description="a bundled name, a folder in Hugging Face format, or a hub id",
    )
    model_revision: str | None = Field(None, description="commit or tag of a hub model")
    positive_label: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        (),
        description="the model's labels that mean POSITIVE, where their names leave a doubt; of"
        " two the other one means NEGATIVE, and of more so does the rest if a neutral one is named",
    )
    neutral_label: Annotated[tuple[str, ...], AfterValidator(_distinct)] = Field(
        (), description="the model's labels that mean NEUTRAL"
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="auto measures on this machine and keeps the fastest that agrees with"
        " float32 on 99 of 100 labels; one that is named and does not is refused",
    )
    rows_per_part: int = Field(
        2_000, ge=1, le=1_000_000, description="rows that are scored, written and loaded at once"
    )
    max_rejected_share: float = Field(
        0.05, ge=0, le=1, description="the run fails if a larger share of rows is rejected"
    )
    min_rows: int = Field(
        0, ge=0, description="the run fails, and publishes nothing, if fewer rows are read"
    )
    reject_unknown_text: bool = Field(
        False,
        description="reject texts without a word that the model knows, such as those in another"
        " script; otherwise they are scored and counted in the report",
    )
    stop_at: Annotated[TimeOfDay | None, AfterValidator(_without_offset)] = Field(
        None, description="end of the off-peak window: no part starts that would not end by then"
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="of stop_at and of the default run date"
    )
    rescore: bool = Field(False, description="score again what was scored before")
    keep_null_words: bool = Field(
        False,
        description="score N/A, NULL, nan, - and the like as texts, instead of rejecting them as"
        " blank",
    )

    @model_validator(mode="after")
    def _decimals_are_carried(self) -> "ScoreSentiment":
        if others := set(self.decimal_comma) - set(self.carry):
            raise ValueError(f"decimal_comma names {', '.join(sorted(others))}: carry it as well")
        return self


@flow(name="score-sentiment", flow_run_name=steps.name_run)
def score_sentiment(params: ScoreSentiment) -> steps.Outcome:
    """Read, check and partition the source, score, load, publish, report."""
    with steps.open_run(params) as run:
        if finished := steps.settle(run):
            return steps.announce_finished(run, finished)
        plan = steps.partition_source(run)
        choice = steps.check_model(run, plan)
        complete = steps.score_partitions(run, plan, choice.precision)
        end = steps.publish if complete else steps.stop
        outcome = end(run, plan, choice.precision)
        steps.write_report(run, plan, choice, outcome)
        steps.clear(run, outcome)
        return outcome


COMMAND = FlowCommand(ScoreSentiment, score_sentiment, steps.ERRORS, check=steps.find_source)

if __name__ == "__main__":
    COMMAND.run("python -m flows.score_sentiment")

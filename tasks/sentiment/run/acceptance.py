"""Whether what was read of a source is good enough to be published.

Rows without a text are no faults: people give stars and no words. They are rejected and counted,
but only other rejected rows count towards the share that may be rejected, unless no row has a text.
A header that comes again is no row of the source either.
"""

from collections.abc import Iterable

from services.reporting.figures import counted
from tasks.sentiment.errors import RejectedTooMany, TooFewRows
from tasks.sentiment.reading.csv_rows import HEADER_REPEATED
from tasks.sentiment.reading.reviews import BLANK_TEXT, DUPLICATE_ID
from tasks.sentiment.run import publication
from tasks.sentiment.run.plan import Plan
from tasks.sentiment.run.scoring_run import ScoringRun

REASONS_SHOWN = 4


def tolerated(plan: Plan) -> int:
    """Rejected rows that do not count towards the share that may be rejected."""
    return _without_text(plan) + _count(plan, HEADER_REPEATED)


def _without_text(plan: Plan) -> int:
    """Rows that were rejected for want of a text, where other rows have one."""
    without_text = _count(plan, BLANK_TEXT)
    return without_text if plan.rows_read > without_text else 0


def check_acceptable(run: ScoringRun, plan: Plan) -> None:
    """Raises: TooFewRows, RejectedTooMany: nothing shall be published."""
    if plan.rows_read < run.min_rows:
        raise TooFewRows(
            f"{run.request.source} has {counted(plan.rows_read, 'row')} where"
            f" {run.min_rows:,} are asked for (--min-rows). Nothing was published"
        )
    if plan.rejected - tolerated(plan) > run.max_rejected_share * plan.rows_read:
        raise RejectedTooMany(_describe_rejected(run, plan))


def warn(run: ScoringRun, plan: Plan, unseen: Iterable[str]) -> tuple[str, ...]:
    """Sentences about what is odd in a source that is accepted.

    Args: unseen: columns that no row has.
    """
    warnings = [
        f"No row has the column {name}: is it spelled otherwise?" for name in sorted(unseen)
    ]
    without_text = _without_text(plan)
    if without_text > run.max_rejected_share * plan.rows_read:
        share = without_text / plan.rows_read
        have, they_do = ("has", "It does") if without_text == 1 else ("have", "They do")
        warnings.append(
            f"{without_text:,} of {plan.rows_read:,} rows ({share:.1%}) {have} no text in"
            f" {run.request.text_column}. {they_do} not count towards --max-rejected-share."
        )
    if plan.copies:
        warnings.append(
            f"{plan.copies} have one name but for how they are packed: if one is a copy, leave it"
            " out, since its rows are read twice."
        )
    if ids := _describe_other_ids(run):
        warnings.append(ids)
    if headers := _count(plan, HEADER_REPEATED):
        warnings.append(
            f"{counted(headers, 'row')} repeated the header and did not count towards"
            " --max-rejected-share: were files put together?"
        )
    return tuple(warnings)


def _describe_other_ids(run: ScoringRun) -> str:
    """That the source's ids came from elsewhere before, "" if they did not."""
    newest = publication.newest_entry(run.folder)
    if newest is None or "id_column" not in newest[1].get("request", {}):
        return ""
    run_date, before = newest[0], newest[1]["request"]["id_column"]
    if before == run.request.id_column:
        return ""
    now, then = map(_describe_ids, (run.request.id_column, before))
    way_out = f"--id-column {before}" if before else "no --id-column"
    return (
        f"Ids are made from {now}, and on {run_date} they were made from {then}: reviews of that"
        f" date are there a second time. Give {way_out}, or another --source-name."
    )


def _describe_ids(column: str | None) -> str:
    return f"the column {column}" if column else "the texts"


def _count(plan: Plan, reason: str) -> int:
    return plan.rejected_reasons.get(reason, (0, ()))[0]


def _describe_rejected(run: ScoringRun, plan: Plan) -> str:
    without_text, duplicates = _without_text(plan), _count(plan, DUPLICATE_ID)
    reasons = sorted(plan.rejected_reasons.items(), key=lambda item: -item[1][0])
    listed = "; ".join(
        f"{count:,} x {reason} (row {', '.join(map(str, rows))}"
        + (", …)" if count > len(rows) else ")")
        for reason, (count, rows) in reasons[:REASONS_SHOWN]
        if not (reason == BLANK_TEXT and without_text)
    )
    hint = f"; {plan.encoding_hint}" if plan.encoding_hint else ""
    if duplicates and plan.copies:
        hint += f"; {plan.copies} have one name but for how they are packed: is one a copy?"
    elif 2 * duplicates > plan.rows_read:
        different = plan.rows_read - plan.rejected
        hint += (
            f"; {counted(different, 'different id')} in {plan.rows_read:,} rows: the column"
            f" {run.request.id_column} does not identify a review"
        )
    faults = plan.rejected - tolerated(plan)
    return (
        f"{faults:,} of {counted(plan.rows_read, 'row')} rejected,"
        f" {faults / plan.rows_read:.1%} where {run.max_rejected_share:.1%} are allowed"
        f" (--max-rejected-share): {listed}{hint}. Nothing was published;"
        f" the rows are in {run.folder.staging}/rejected-*.parquet"
    )

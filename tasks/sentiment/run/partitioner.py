"""The first step of a run: read the source, check each row, and partition what is accepted."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sentiment.reading.recognition.encoding import EncodingTally
from tasks.sentiment.reading.reviews import WRONG_ENCODING, Rejected, Review, ReviewChecker
from tasks.sentiment.reading.seen_ids import SeenIds
from tasks.sentiment.reading.source import Source
from tasks.sentiment.run.acceptance import check_acceptable, warn
from tasks.sentiment.run.plan import (
    Plan,
    discard,
    hold_reserve,
    read_plan,
    write_parquet,
    write_plan,
)
from tasks.sentiment.run.scoring_run import ScoringRun

FIRST_ROWS = 5  # row numbers that are kept of each reason
REJECTED_COLUMNS = ("row_number", "file", "review_id", "reason", "excerpt")

INPUT = pa.schema(
    [
        ("row_number", pa.int64()),
        ("file", pa.string()),
        ("review_id", pa.string()),
        ("text", pa.string()),
        ("text_digest", pa.string()),
        ("group", pa.string()),
    ]
)
REJECTED = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("review_id", pa.string()),
        ("reason", pa.string()),
        ("excerpt", pa.string()),
        ("run_id", pa.string()),
        ("run_date", pa.dictionary(pa.int32(), pa.string())),
    ]
)


def partition_source(run: ScoringRun, source: Source, knows: Callable[[str], bool]) -> Plan:
    """Read the source, check each row, and write the accepted ones to staging in partitions.

    knows: whether the model knows a word of a text.

    What an earlier run has partitioned for the same input and request is kept as it is, unless
    `rescore` asks for a run that the earlier one has not begun with the same wish.
    Raises:
        SourceError: the input cannot be read as asked.
        TooFewRows: and nothing was published.
        RejectedTooMany: says how many, why, and where to look at them.
    """
    plan = read_plan(run.folder)
    fingerprint = source.fingerprint()
    is_same = (
        plan is not None
        and plan.request_digest == run.request.digest
        and plan.rescore == run.rescore
        and plan.database == run.database_digest
        and fingerprint is not None  # what a query finds may differ by now
        and plan.fingerprint == fingerprint
    )
    if plan is None or not is_same:
        plan = _partition_anew(run, source, fingerprint, knows)
    check_acceptable(run, plan)
    # From here on there will be results under the name.
    run.warehouse().claim_origin(run.folder.source, run.origin, run.run_id, run.clock())
    hold_reserve(run.folder)
    return plan


def _partition_anew(
    run: ScoringRun, source: Source, fingerprint: str | None, knows: Callable[[str], bool]
) -> Plan:
    request = run.request
    group = (request.group_column,) if request.group_column else ()
    seen = SeenIds(run.folder.staging)
    checker = ReviewChecker(
        seen,
        text_column=request.text_column,
        id_column=request.id_column,
        carry=(*request.carry, *group),
        keep_null_words=request.keep_null_words,
        knows=knows,
        reject_unknown=request.reject_unknown_text,
    )
    rows = source.rows(checker.columns, checker.optional, request.text_column)
    partitioner = Partitioner(run, source.types())
    encodings = EncodingTally(request.encoding)
    count = 0
    try:
        with seen:
            if request.id_column is not None:
                for review_id, spelling in run.warehouse().spellings(run.folder.source):
                    seen.keep_spelling(review_id, spelling)
            for raw in rows:
                count += 1
                checked = checker.check(raw)
                partitioner.add(checked)
                if raw.values is not None:
                    is_valid = not isinstance(checked, Rejected) or checked.reason != WRONG_ENCODING
                    encodings.add(raw.values[request.text_column], is_valid=is_valid)
    except BaseException:
        discard(run.folder)
        raise
    return partitioner.finish(count, fingerprint, source, encodings.hint)


class Partitioner:
    """Writes checked rows to staging, `rows_per_part` at a time; `finish` writes the plan."""

    def __init__(self, run: ScoringRun, carried_types: Mapping[str, pa.DataType]) -> None:
        """Empty the staging folder."""
        self._run, self._folder = run, run.folder
        self._schema = INPUT
        for column in run.request.carry:
            kind = carried_types.get(column, pa.string())
            self._schema = self._schema.append(pa.field(f"input_{column}", kind))
        group = run.request.group_column
        self._has_float_groups = group is not None and carried_types.get(group) == pa.float64()
        self._reviews: list[Review] = []
        self._rejects: list[Rejected] = []
        self._parts: list[int] = []
        self._rejected = self._rejected_parts = 0
        self._reasons: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._unknown, self._unknown_rows = 0, list[int]()
        self._content = hashlib.sha256()
        discard(run.folder)
        run.folder.staging.mkdir(parents=True)

    def add(self, row: Review | Rejected) -> None:
        """Take the next row; a review carries the group column's value last, if there is one."""
        if isinstance(row, Review):
            self._content.update(f"{row.review_id}\0{row.text_digest}\n".encode())
            self._reviews.append(row)
            if not row.is_known:
                self._unknown += 1
                self._unknown_rows = [*self._unknown_rows, row.row_number][:FIRST_ROWS]
            if len(self._reviews) == self._run.request.rows_per_part:
                self._flush_reviews()
        else:
            self._content.update(f"\0{row.file}\0{row.row_number}\0{row.reason}\n".encode())
            count, rows = self._reasons.get(row.reason, (0, ()))
            self._reasons[row.reason] = (count + 1, (*rows, row.row_number)[:FIRST_ROWS])
            self._rejected += 1
            self._rejects.append(row)
            if len(self._rejects) == self._run.request.rows_per_part:
                self._flush_rejects()

    def finish(
        self,
        rows_read: int,
        fingerprint: str | None,
        source: Source,
        encoding_hint: str,
    ) -> Plan:
        """The plan of all that was added.

        Without reviews there is one partition of no rows: a reader of it finds its columns.
        """
        if self._reviews or not self._parts:
            self._flush_reviews()
        self._flush_rejects()
        plan = Plan(
            request_digest=self._run.request.digest,
            rescore=self._run.rescore,
            database=self._run.database_digest,
            source=self._run.request.source,
            fingerprint=fingerprint,
            content_digest=self._content.hexdigest(),
            rows_read=rows_read,
            rejected=self._rejected,
            parts=tuple(self._parts),
            rejected_parts=self._rejected_parts,
            rejected_reasons=self._reasons,
            unknown=self._unknown,
            unknown_rows=tuple(self._unknown_rows),
            read_as=dict(source.read_as),
            left_out=source.left_out,
            short_rows=source.short_rows,
            copies=source.copies,
            encoding_hint=encoding_hint,
        )
        if plan.accepted + plan.rejected != rows_read:
            raise AssertionError(f"rows got lost while partitioning: {plan}")
        plan = replace(plan, warnings=warn(self._run, plan, source.unseen))
        write_plan(self._folder, plan)
        return plan

    def _flush_reviews(self) -> None:
        reviews, request = self._reviews, self._run.request
        has_group = request.group_column is not None
        columns: list[Any] = [
            [r.row_number for r in reviews],
            [r.file for r in reviews],
            [r.review_id for r in reviews],
            [r.text for r in reviews],
            [r.text_digest for r in reviews],
            [self._group(r.carried[-1]) if has_group else None for r in reviews],
        ]
        for i in range(len(request.carry)):
            kind = self._schema.field(len(INPUT) + i).type
            values: Iterable[object] = (r.carried[i] for r in reviews)
            columns.append(list(map(as_text, values) if kind == pa.string() else values))
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)],
            schema=self._schema,
        )
        write_parquet(table, self._folder.staged("input", len(self._parts)))
        self._parts.append(len(reviews))
        self._reviews = []

    def _group(self, value: object) -> str | None:
        """5 of one file is 5.0 of another."""
        if self._has_float_groups and isinstance(value, int):
            value = float(value)
        return as_text(value)

    def _flush_rejects(self) -> None:
        if not self._rejects:
            return
        same = {
            "source": self._folder.source,
            "run_id": self._run.run_id,
            "run_date": self._folder.run_date.isoformat(),
        }
        rows = [
            {**same, **{name: getattr(row, name) for name in REJECTED_COLUMNS}}
            for row in self._rejects
        ]
        file = self._folder.staged("rejected", self._rejected_parts)
        write_parquet(pa.Table.from_pylist(rows, REJECTED), file)
        self._rejected_parts += 1
        self._rejects = []


def as_text(value: object) -> str | None:
    """A carried value as text; one of several elements as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def rejected_rows(run: ScoringRun, plan: Plan) -> Iterator[Rejected]:
    """All rejected rows of the source, one file in memory at a time."""
    for number in range(plan.rejected_parts):
        file = run.folder.staged("rejected", number)
        for row in pq.read_table(file, columns=list(REJECTED_COLUMNS)).to_pylist():
            yield Rejected(**row)


def sample_texts(run: ScoringRun, plan: Plan, count: int) -> list[str]:
    """About `count` texts, evenly from the first, middle and last partition."""
    if not plan.parts:
        return []
    numbers = sorted({0, len(plan.parts) // 2, len(plan.parts) - 1})
    texts: list[str] = []
    for number in numbers:
        file = run.folder.staged("input", number)
        column = pq.read_table(file, columns=["text"])["text"].to_pylist()
        step = max(1, len(column) * len(numbers) // count)
        texts += column[::step][: -(-count // len(numbers))]
    return texts

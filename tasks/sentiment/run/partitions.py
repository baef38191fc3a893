"""The parts of a night in its staging folder: cut from the input, then scored one by one.

    plan.json                 the cut is complete; what it found
    input-00000.parquet       accepted reviews in input order
    rejected-00000.parquet    rejected rows
    scores-00000.parquet      the part, scored
    scores-00000.json         the part is finished; its counts, times and statistics
    reserve                   room for the database to say so when the disk is full

A file is written aside and renamed, and the JSON file that vouches for others is written last.
So whatever is found after a kill is either whole or ignored.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sentiment.reading.reviews import Rejected, Review
from tasks.sentiment.run.run_folder import Night, Request, write_json, written_aside
from tasks.sentiment.run.statistics import ScoreStatistics
from tasks.sentiment.sql.tables import ScoredRow

RESERVE_BYTES = 256 << 10  # SQLite needs 32 KiB beside its pages to open a database

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
SCORES = pa.schema(
    [
        ("source", pa.string()),
        ("review_id", pa.string()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("positive_probability", pa.float64()),
        ("model", pa.string()),
        ("model_digest", pa.string()),
        ("run_id", pa.string()),
        # a dictionary, as pandas reads it from the folder's name: any other type is refused there
        ("run_date", pa.dictionary(pa.int32(), pa.string())),
        ("scored_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True)
class Plan:
    """What the cut found. `rows_read` is counted by the reader, before any check."""

    request_digest: str
    rescore: bool
    database: str  # digest of the address that finished parts were loaded into
    source: str  # the reference as given
    fingerprint: str | None
    content_digest: str
    rows_read: int
    rejected: int
    parts: tuple[int, ...]  # rows of each
    rejected_parts: int
    rejected_reasons: Mapping[str, tuple[int, tuple[int, ...]]]  # count, first row numbers
    unknown: int = 0  # accepted reviews of which the model knows no word
    unknown_rows: tuple[int, ...] = ()  # first row numbers

    @property
    def accepted(self) -> int:
        return sum(self.parts)


@dataclass(frozen=True)
class PartResult:
    """A finished part. `seconds` is the time that scoring it took, reading and writing included."""

    number: int
    rows: int
    scored: int
    reused: int
    seconds: float
    finished_at: datetime


class TextScorer(Protocol):
    """Positive probabilities of cleaned texts, float64, shape (texts,), in their order."""

    def score(self, texts: Sequence[str]) -> np.ndarray: ...


def read_plan(night: Night) -> Plan | None:
    """The plan of a complete cut, or None: also for a damaged one, whose cut is made anew."""
    file = night.staging / "plan.json"
    if not file.exists():
        return None
    try:
        return _as_plan(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _as_plan(content: dict[str, Any]) -> Plan:
    content["parts"] = tuple(content["parts"])
    content["unknown_rows"] = tuple(content.get("unknown_rows", ()))
    content["rejected_reasons"] = {
        reason: (count, tuple(rows))
        for reason, (count, rows) in content["rejected_reasons"].items()
    }
    return Plan(**content)


def discard(night: Night) -> None:
    """Delete the staging folder: first what vouches for it, then the rest."""
    (night.staging / "plan.json").unlink(missing_ok=True)
    shutil.rmtree(night.staging, ignore_errors=True)


def hold_reserve(night: Night) -> None:
    """Take the room that `release_reserve` gives back.

    Raises: OSError: there is none.
    """
    with written_aside(night.staging / "reserve") as handle:
        handle.write(bytes(RESERVE_BYTES))


def release_reserve(night: Night) -> None:
    """Make room for a few pages of the database, which may lie on the same disk."""
    with suppress(OSError):
        (night.staging / "reserve").unlink()


class Cutter:
    """Writes checked rows to staging, `rows_per_part` at a time; `finish` completes the cut."""

    def __init__(
        self,
        night: Night,
        request: Request,
        run_id: str,
        rescore: bool,
        database: str,
        carried_types: Mapping[str, pa.DataType],
    ) -> None:
        self._night, self._request, self._run_id = night, request, run_id
        self._rescore, self._database = rescore, database
        self._schema = INPUT
        for column in request.carry:
            kind = carried_types.get(column, pa.string())
            self._schema = self._schema.append(pa.field(f"input_{column}", kind))
        self._reviews: list[Review] = []
        self._rejects: list[Rejected] = []
        self._parts: list[int] = []
        self._rejected = self._rejected_parts = 0
        self._reasons: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._unknown, self._unknown_rows = 0, list[int]()
        self._content = hashlib.sha256()
        discard(night)
        night.staging.mkdir(parents=True)

    def add(self, row: Review | Rejected) -> None:
        """Take the next row; a review carries the group column's value last, if there is one."""
        if isinstance(row, Review):
            self._content.update(f"{row.review_id}\0{row.text_digest}\n".encode())
            self._reviews.append(row)
            if not row.is_known:
                self._unknown += 1
                self._unknown_rows = [*self._unknown_rows, row.row_number][:5]
            if len(self._reviews) == self._request.rows_per_part:
                self._flush_reviews()
        else:
            self._content.update(f"\0{row.file}\0{row.row_number}\0{row.reason}\n".encode())
            count, rows = self._reasons.get(row.reason, (0, ()))
            self._reasons[row.reason] = (count + 1, (*rows, row.row_number)[:5])
            self._rejected += 1
            self._rejects.append(row)
            if len(self._rejects) == self._request.rows_per_part:
                self._flush_rejects()

    def finish(self, rows_read: int, fingerprint: str | None) -> Plan:
        """The plan of all that was added.

        A night without reviews has one part of no rows: who reads it finds its columns.
        """
        if self._reviews or not self._parts:
            self._flush_reviews()
        self._flush_rejects()
        plan = Plan(
            request_digest=self._request.digest,
            rescore=self._rescore,
            database=self._database,
            source=self._request.source,
            fingerprint=fingerprint,
            content_digest=self._content.hexdigest(),
            rows_read=rows_read,
            rejected=self._rejected,
            parts=tuple(self._parts),
            rejected_parts=self._rejected_parts,
            rejected_reasons=self._reasons,
            unknown=self._unknown,
            unknown_rows=tuple(self._unknown_rows),
        )
        if plan.accepted + plan.rejected != rows_read:
            raise AssertionError(f"rows got lost in the cut: {plan}")
        write_json(self._night.staging / "plan.json", asdict(plan))
        return plan

    def _flush_reviews(self) -> None:
        reviews, has_group = self._reviews, self._request.group_column is not None
        columns: list[Any] = [
            [r.row_number for r in reviews],
            [r.file for r in reviews],
            [r.review_id for r in reviews],
            [r.text for r in reviews],
            [r.text_digest for r in reviews],
            [as_text(r.carried[-1]) if has_group else None for r in reviews],
        ]
        for i in range(len(self._request.carry)):
            kind = self._schema.field(len(INPUT) + i).type
            values: Iterable[object] = (r.carried[i] for r in reviews)
            columns.append(list(map(as_text, values) if kind == pa.string() else values))
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)],
            schema=self._schema,
        )
        write_parquet(table, self._night.staging / f"input-{len(self._parts):05d}.parquet")
        self._parts.append(len(reviews))
        self._reviews = []

    def _flush_rejects(self) -> None:
        if not self._rejects:
            return
        run_date = self._night.run_date.isoformat()
        rows = [
            {
                **_rejected_row(r),
                "source": self._night.source,
                "run_id": self._run_id,
                "run_date": run_date,
            }
            for r in self._rejects
        ]
        file = self._night.staging / f"rejected-{self._rejected_parts:05d}.parquet"
        write_parquet(pa.Table.from_pylist(rows, REJECTED), file)
        self._rejected_parts += 1
        self._rejects = []


def _rejected_row(row: Rejected) -> dict[str, object]:
    return {
        "file": row.file,
        "row_number": row.row_number,
        "review_id": row.review_id,
        "reason": row.reason,
        "excerpt": row.excerpt,
    }


def as_text(value: object) -> str | None:
    """A carried value as text; what has parts as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def write_parquet(table: pa.Table, file: Path) -> None:
    """Write a Parquet file so that it is there whole or not at all."""
    with written_aside(file) as handle:
        pq.write_table(table, handle, compression="zstd")


def score_part(
    night: Night,
    number: int,
    model: str,
    model_digest: str,
    run_id: str,
    scorer: Callable[[], TextScorer],
    find_scores: Callable[[Sequence[str]], Mapping[str, ScoredRow]],
    clock: Callable[[], datetime],
) -> PartResult:
    """Score one part that is not finished.

    scorer: opened only if there is something to score.
    find_scores: rows of earlier nights by review id; taken over where the text is the same.
    """
    started = time.monotonic()
    table = pq.read_table(night.staging / f"input-{number:05d}.parquet")
    ids, texts = table["review_id"].to_pylist(), table["text"].to_pylist()
    digests = table["text_digest"].to_pylist()
    known = find_scores(ids)
    reused = {
        i: known[k] for i, k in enumerate(ids) if k in known and known[k].text_digest == digests[i]
    }
    fresh = [i for i in range(len(ids)) if i not in reused]
    probability = np.empty(len(ids))
    if fresh:
        probability[fresh] = scorer().score([texts[i] for i in fresh])
    for i, row in reused.items():
        probability[i] = row.positive_probability
    now = clock().astimezone(UTC)
    positive = probability >= 0.5
    columns: dict[str, Any] = {
        "source": [night.source] * len(ids),
        "review_id": table["review_id"],
        "label": np.where(positive, "POSITIVE", "NEGATIVE").tolist(),
        "score": np.round(np.where(positive, probability, 1 - probability), 6),
        "positive_probability": probability,
        "model": [reused[i].model if i in reused else model for i in range(len(ids))],
        "model_digest": [model_digest] * len(ids),
        "run_id": [reused[i].run_id if i in reused else run_id for i in range(len(ids))],
        "run_date": [night.run_date.isoformat()] * len(ids),
        "scored_at": [reused[i].scored_at if i in reused else now for i in range(len(ids))],
    }
    carried = [name for name in table.column_names if name.startswith("input_")]
    schema = SCORES
    for name in carried:
        schema = schema.append(table.schema.field(name))
        columns[name] = table[name]
    file = night.staging / f"scores-{number:05d}.parquet"
    write_parquet(pa.table(columns, schema=schema), file)
    result = PartResult(number, len(ids), len(fresh), len(reused), time.monotonic() - started, now)
    groups = table["group"].to_pylist() if table["group"].null_count < len(ids) else None
    statistics = ScoreStatistics.of(ids, probability, texts, groups)
    write_json(
        file.with_suffix(".json"),
        {
            **asdict(result),
            "finished_at": now.isoformat(),
            "statistics": statistics.to_json(),
        },
    )
    return result


def read_result(night: Night, number: int) -> PartResult | None:
    """The result of a finished part, or None."""
    content = _marker(night, number)
    if content is None:
        return None
    content.pop("statistics")
    finished_at = datetime.fromisoformat(content.pop("finished_at"))
    return PartResult(**content, finished_at=finished_at)


def sample_texts(night: Night, plan: Plan, count: int) -> list[str]:
    """About `count` texts, evenly from the first, middle and last part."""
    if not plan.parts:
        return []
    numbers = sorted({0, len(plan.parts) // 2, len(plan.parts) - 1})
    texts: list[str] = []
    for number in numbers:
        file = night.staging / f"input-{number:05d}.parquet"
        column = pq.read_table(file, columns=["text"])["text"].to_pylist()
        step = max(1, len(column) * len(numbers) // count)
        texts += column[::step][: -(-count // len(numbers))]
    return texts


def finished_parts(night: Night, plan: Plan) -> list[PartResult]:
    """All finished parts, by number."""
    results = (read_result(night, number) for number in range(len(plan.parts)))
    return [result for result in results if result is not None]


def merged_statistics(night: Night, results: Iterable[PartResult]) -> ScoreStatistics:
    """The statistics of the given parts, one part in memory at a time."""
    merged = ScoreStatistics()
    for result in results:
        content = _marker(night, result.number)
        if content is not None:
            merged = merged.merged(ScoreStatistics.from_json(content["statistics"]))
    return merged


def _marker(night: Night, number: int) -> dict[str, Any] | None:
    file = night.staging / f"scores-{number:05d}.json"
    if not file.exists():
        return None
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def rows_to_load(night: Night, number: int) -> list[ScoredRow]:
    """The rows of a finished part that were scored in this night, as SQL takes them."""
    scores = pq.read_table(night.staging / f"scores-{number:05d}.parquet", columns=SCORES.names)
    digests = pq.read_table(night.staging / f"input-{number:05d}.parquet", columns=["text_digest"])[
        "text_digest"
    ].to_pylist()
    result = read_result(night, number)
    if result is None:
        raise AssertionError(f"part {number} is not finished")
    rows = []
    for row, digest in zip(scores.to_pylist(), digests, strict=True):
        if row["scored_at"] == result.finished_at:  # a reused row keeps the time of its night
            rows.append(ScoredRow(**{**row, "run_date": night.run_date, "text_digest": digest}))
    return rows


def rejected_rows(night: Night, plan: Plan) -> Iterator[Rejected]:
    """All rejected rows of the night, one file in memory at a time."""
    for number in range(plan.rejected_parts):
        file = night.staging / f"rejected-{number:05d}.parquet"
        columns = ["row_number", "file", "review_id", "reason", "excerpt"]
        for row in pq.read_table(file, columns=columns).to_pylist():
            yield Rejected(**row)

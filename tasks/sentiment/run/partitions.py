"""The partitions of a run after the source is read: scored one by one, and what came of them.

The JSON file beside a partition's scores is its marker: the partition is finished.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from tasks.sentiment.run.plan import Plan, write_parquet
from tasks.sentiment.run.run_folder import RunFolder, write_json
from tasks.sentiment.run.scoring_run import ScoringRun
from tasks.sentiment.run.statistics import ScoreStatistics
from tasks.sentiment.scoring.labels import NEUTRAL, POSITIVE, decide, split
from tasks.sentiment.scoring.scorer import TextScorer
from tasks.sentiment.sql.tables import ScoredRow

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
OF_NEUTRAL = pa.field("neutral_probability", pa.float64())  # of a model that has such a label


@dataclass(frozen=True)
class PartitionResult:
    """A finished partition; the fields are keys of its marker. `seconds` is the time that scoring
    it took, reading and writing included."""

    number: int
    rows: int
    scored: int
    reused: int
    seconds: float
    finished_at: datetime


_RESULT = TypeAdapter(PartitionResult)


@dataclass(frozen=True)
class Outcome:
    """How a run stands. Always rows_read = scored + reused + rejected."""

    status: str
    run_id: str
    rows_read: int
    scored: int
    reused: int
    rejected: int
    rows_waiting: int
    parts: int
    parts_done: int

    @classmethod
    def of(
        cls, status: str, run_id: str, plan: Plan, results: Sequence[PartitionResult]
    ) -> "Outcome":
        done = sum(result.rows for result in results)
        return cls(
            status=status,
            run_id=run_id,
            rows_read=done + plan.rejected,
            scored=sum(result.scored for result in results),
            reused=sum(result.reused for result in results),
            rejected=plan.rejected,
            rows_waiting=plan.accepted - done,
            parts=sum(1 for rows in plan.parts if rows),
            parts_done=sum(1 for result in results if result.rows),
        )

    @property
    def counts(self) -> dict[str, int]:
        """The counts by their names, as SQL and the manifest have them."""
        return {k: v for k, v in asdict(self).items() if k not in ("status", "run_id")}


def score_partition(
    run: ScoringRun, number: int, open_scorer: Callable[[], TextScorer]
) -> PartitionResult:
    """Score one partition that is not finished.

    open_scorer: called only if there is something to score.
    """
    started = time.monotonic()
    table = pq.read_table(run.folder.staged("input", number))
    ids, texts = table["review_id"].to_pylist(), table["text"].to_pylist()
    reused = _find_reusable(run, ids, table["text_digest"].to_pylist())
    fresh = [i for i in range(len(ids)) if i not in reused]
    scored = open_scorer().score([texts[i] for i in fresh]) if fresh else None
    probability = _join(scored, fresh, reused)
    now = run.clock().astimezone(UTC)
    scores = _scores(run, table, probability, reused, now)
    write_parquet(scores, run.folder.staged("scores", number))
    seconds = time.monotonic() - started
    result = PartitionResult(number, len(ids), len(fresh), len(reused), seconds, now)
    groups = table["group"].to_pylist() if table["group"].null_count < len(ids) else None
    statistics = ScoreStatistics.of(ids, probability, texts, groups)
    marker = {**asdict(result), "finished_at": now.isoformat(), "statistics": asdict(statistics)}
    write_json(_marker(run.folder, number), marker)
    return result


def _join(
    scored: np.ndarray | None, fresh: Sequence[int], reused: Mapping[int, ScoredRow]
) -> np.ndarray:
    """What was scored now and before, in the order of the rows, as a scorer gives it."""
    rows = len(fresh) + len(reused)
    known = [(row.positive_probability, row.neutral_probability) for row in reused.values()]
    if scored is not None:
        has_neutral = scored.ndim == 2
    else:
        has_neutral = any(neutral is not None for _, neutral in known)
    probability = np.empty((rows, 2) if has_neutral else rows)
    if scored is not None:
        probability[fresh] = scored
    if reused:
        probability[list(reused)] = known if has_neutral else [positive for positive, _ in known]
    return probability


def _find_reusable(
    run: ScoringRun, ids: Sequence[str], text_digests: Sequence[str]
) -> dict[int, ScoredRow]:
    """Rows of earlier runs by their place in `ids`, where the text is the same."""
    if run.rescore:
        return {}
    known = run.warehouse().find_scores(run.folder.source, ids, run.request.model_digest)
    return {
        i: known[key]
        for i, key in enumerate(ids)
        if key in known and known[key].text_digest == text_digests[i]
    }


def _scores(
    run: ScoringRun,
    table: pa.Table,
    probability: np.ndarray,
    reused: Mapping[int, ScoredRow],
    now: datetime,
) -> pa.Table:
    """The rows of the Parquet output; a reused row keeps its model, run and time."""
    rows = range(len(probability))
    shares = split(probability)
    model, run_id = run.request.model, run.run_id
    columns: dict[str, Any] = {
        "source": [run.folder.source] * len(rows),
        "review_id": table["review_id"],
        "label": decide(probability).tolist(),
        "score": np.round(np.max(list(shares.values()), axis=0), 6),
        "positive_probability": shares[POSITIVE],
        "model": [reused[i].model if i in reused else model for i in rows],
        "model_digest": [run.request.model_digest] * len(rows),
        "run_id": [reused[i].run_id if i in reused else run_id for i in rows],
        "run_date": [run.folder.run_date.isoformat()] * len(rows),
        "scored_at": [reused[i].scored_at if i in reused else now for i in rows],
    }
    schema = SCORES
    if NEUTRAL in shares:
        schema = schema.append(OF_NEUTRAL)
        columns[OF_NEUTRAL.name] = shares[NEUTRAL]
    for name in table.column_names:
        if name.startswith("input_"):
            schema = schema.append(table.schema.field(name))
            columns[name] = table[name]
    return pa.table(columns, schema=schema)


def read_result(folder: RunFolder, number: int) -> PartitionResult | None:
    """The result of a finished partition, or None: also for a damaged one, which is done anew."""
    try:
        content = json.loads(_marker(folder, number).read_bytes())
        ScoreStatistics.from_json(content["statistics"])
        return _RESULT.validate_python(content)
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None


def finished_partitions(folder: RunFolder, plan: Plan) -> list[PartitionResult]:
    """All finished partitions, by number."""
    results = (read_result(folder, number) for number in range(len(plan.parts)))
    return [result for result in results if result is not None]


def merged_statistics(folder: RunFolder, results: Iterable[PartitionResult]) -> ScoreStatistics:
    """The statistics of the given partitions, those of one in memory at a time."""
    merged = ScoreStatistics()
    for result in results:
        content = json.loads(_marker(folder, result.number).read_bytes())
        merged = merged.merge(ScoreStatistics.from_json(content["statistics"]))
    return merged


def rows_to_load(folder: RunFolder, number: int) -> list[ScoredRow]:
    """The rows of a finished partition that were scored in this run, as SQL takes them."""
    file = folder.staged("scores", number)
    of_neutral = {OF_NEUTRAL.name} & set(pq.read_schema(file).names)
    scores = pq.read_table(file, columns=[*SCORES.names, *of_neutral])
    inputs = pq.read_table(folder.staged("input", number), columns=["text_digest"])
    result = read_result(folder, number)
    if result is None:
        raise AssertionError(f"partition {number} is not finished")
    rows = []
    for row, digest in zip(scores.to_pylist(), inputs["text_digest"].to_pylist(), strict=True):
        if row["scored_at"] == result.finished_at:  # a reused row keeps the time of its run
            rows.append(ScoredRow(**{**row, "run_date": folder.run_date, "text_digest": digest}))
    return rows


def _marker(folder: RunFolder, number: int) -> Path:
    return folder.staged("scores", number).with_suffix(".json")

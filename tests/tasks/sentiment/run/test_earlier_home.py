"""A home that the last version left in the middle of a run goes on; its files are spelled out."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import Job, published_rows, runs, sql_rows

TEXTS = ["Good", "Bad", "Fine", "Poor", "Great"]
FINISHED_AT = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
SCORE_COLUMNS = pa.schema(
    [
        ("source", pa.string()),
        ("review_id", pa.string()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("positive_probability", pa.float64()),
        ("model", pa.string()),
        ("model_digest", pa.string()),
        ("run_id", pa.string()),
        ("run_date", pa.dictionary(pa.int32(), pa.string())),
        ("scored_at", pa.timestamp("us", tz="UTC")),
        ("input_day", pa.string()),
    ]
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "shop.csv"
    lines = [f"r{i},2026-11-22,{text}" for i, text in enumerate(TEXTS)]
    source.write_text("\n".join(["id,day,review", *lines, "r9,2026-11-22,"]) + "\n")
    url = f"sqlite:///{tmp_path}/triptych.db"
    return Job(tmp_path / "var", source, url, rows_per_part=3, max_rejected_share=0.5)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _leave_staging(job: Job) -> Path:
    """What a killed run of the last version has left: a plan, two parts, one of them scored."""
    staging = job.home / "sentiment" / "staging" / "run_date=2026-11-22" / "shop"
    staging.mkdir(parents=True)
    for number, rows in enumerate((range(3), range(3, 5))):
        inputs = {
            "row_number": [i + 1 for i in rows],
            "file": ["shop.csv" for _ in rows],
            "review_id": [f"r{i}" for i in rows],
            "text": [TEXTS[i] for i in rows],
            "text_digest": [_sha256(TEXTS[i]) for i in rows],
            "group": ["2026-11-22" for _ in rows],
            "input_day": ["2026-11-22" for _ in rows],
        }
        pq.write_table(pa.table(inputs), staging / f"input-{number:05d}.parquet")
    rejected = {
        "source": ["shop"],
        "file": ["shop.csv"],
        "row_number": [6],
        "review_id": ["r9"],
        "reason": ["blank text"],
        "excerpt": [""],
        "run_id": ["killed-run"],
        "run_date": ["2026-11-22"],
    }
    pq.write_table(pa.table(rejected), staging / "rejected-00000.parquet")
    _leave_scores(staging)
    (staging / "plan.json").write_text(json.dumps(_plan(job)))
    (staging / "ledger.sqlite").write_bytes(b"left behind")
    (staging / "reserve").write_bytes(bytes(1024))
    return staging


def _leave_scores(staging: Path) -> None:
    probability = np.array([0.25, 0.75, 0.125])
    scores = {
        "source": ["shop"] * 3,
        "review_id": ["r0", "r1", "r2"],
        "label": ["NEGATIVE", "POSITIVE", "NEGATIVE"],
        "score": [0.75, 0.75, 0.875],
        "positive_probability": probability,
        "model": ["fake"] * 3,
        "model_digest": ["digest-of-the-fake"] * 3,
        "run_id": ["killed-run"] * 3,
        "run_date": ["2026-11-22"] * 3,
        "scored_at": [FINISHED_AT] * 3,
        "input_day": ["2026-11-22"] * 3,
    }
    pq.write_table(pa.table(scores, schema=SCORE_COLUMNS), staging / "scores-00000.parquet")
    statistics = {
        "rows": 3,
        "positive": 1,
        "histogram": [0, 0, 1, 0, 0, 1, *[0] * 9, 1, 0, 0, 0, 0],
        "groups": {
            "by_value": {"2026-11-22": [3, 1]},
            "by_day": {"2026-11-22": [3, 1]},
            "dated": 3,
            "undated": 0,
        },
        "most_negative": [["r2", 0.125, "Fine"], ["r0", 0.25, "Good"], ["r1", 0.75, "Bad"]],
        "most_positive": [["r1", 0.75, "Bad"], ["r0", 0.25, "Good"], ["r2", 0.125, "Fine"]],
    }
    marker = {
        "number": 0,
        "rows": 3,
        "scored": 3,
        "reused": 0,
        "seconds": 0.5,
        "finished_at": FINISHED_AT.isoformat(),
        "statistics": statistics,
    }
    (staging / "scores-00000.json").write_text(json.dumps(marker))


def _plan(job: Job) -> dict[str, object]:
    request = {
        "source": str(job.source),
        "text_column": "review",
        "id_column": "id",
        "carry": ["day"],
        "group_column": "day",
        "encoding": "utf-8",
        "rows_per_part": 3,
        "model": "fake",
        "model_revision": None,
        "model_digest": "digest-of-the-fake",
        "precision": "float32",
    }
    file = job.source.stat()
    return {
        "request_digest": _sha256(json.dumps(request, sort_keys=True))[:16],
        "rescore": False,
        "database": _sha256(job.url)[:16],
        "source": str(job.source),
        "fingerprint": _sha256(f"shop.csv\0{file.st_size}\0{file.st_mtime_ns}\n"),
        "content_digest": "of no consequence here",
        "rows_read": 6,
        "rejected": 1,
        "parts": [3, 2],
        "rejected_parts": 1,
        "rejected_reasons": {"blank text": [1, [6]]},
        "unknown": 0,
        "unknown_rows": [],
    }


def test_run_that_the_last_version_left_in_the_middle_goes_on(job):
    """Its finished part is loaded and published as it is; only the other one is scored."""
    staging = _leave_staging(job)
    scorer = FakeScorer()

    outcome = job.run(scorer)

    assert scorer.scored == TEXTS[3:]
    assert (outcome.status, outcome.scored, outcome.rejected) == ("finished", 5, 1)
    assert (outcome.parts, outcome.parts_done) == (2, 2)
    published = {row["review_id"]: row for row in published_rows(job.folder)}
    assert [published[f"r{i}"]["positive_probability"] for i in range(3)] == [0.25, 0.75, 0.125]
    scored_by = {row["run_id"] for row in _full_rows(job)}
    assert scored_by == {"killed-run", outcome.run_id}
    assert len(sql_rows(job.url, "review_sentiment")) == 5
    assert [run["rows_read"] for run in runs(job.url)] == [6]
    assert not staging.exists()


def _full_rows(job: Job) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(job.folder.scores).to_pylist()
    return rows

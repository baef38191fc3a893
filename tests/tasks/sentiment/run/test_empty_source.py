"""Runs without rows, or with too few: finished, or told, and never half."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import TooFewRows
from tasks.sentiment.report.build import build_report
from tasks.sentiment.report.page import render_html
from tasks.sentiment.report.summary import render_markdown, render_table
from tasks.sentiment.run import partitions, steps
from tasks.sentiment.run.partitioner import partition_source
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import (
    FLOAT32,
    Job,
    knows_all,
    published_rows,
    runs,
    write_source,
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = write_source(tmp_path / "shop.csv", 120)
    return Job(home=tmp_path / "var", source=source, url=f"sqlite:///{tmp_path}/triptych.db")


def _nothing_in(kind: str, file: Path) -> Path:
    """A file of a kind that has no rows."""
    file = file.with_name(f"shop.{kind}")
    columns = ["id", "day", "review"]
    if kind == "parquet":
        empty: list[str] = []
        pq.write_table(pa.table({name: pa.array(empty, pa.string()) for name in columns}), file)
    else:
        head = {
            "csv": "id,day,review\r\n\r\n",
            "tsv": "id\tday\treview",
            "jsonl": "",
            "ndjson": "\n\n",
        }
        file.write_text(head[kind])
    return file


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_run_without_rows_is_finished(job, kind):
    """It is published with its columns, is in SQL, and a run after it is compared as usual."""
    outcome = job.run()
    empty = job.again(source=_nothing_in(kind, job.source), run_date=date(2026, 11, 23))

    nothing = empty.run()

    assert (nothing.status, nothing.rows_read, nothing.scored) == ("finished", 0, 0)
    scores = pq.read_table(empty.folder.scores)
    assert scores.num_rows == 0 and set(partitions.SCORES.names) <= set(scores.column_names)
    assert [(r["status"], r["rows_read"]) for r in runs(job.url)] == [
        ("finished", outcome.rows_read),
        ("finished", 0),
    ]
    again = empty.run()
    assert (again.run_id, again.scored) == (nothing.run_id, 0)


def test_run_after_empty_ones_is_compared_with_one_that_had_rows(job):
    """A week of empty runs does not make the next one the first."""
    first = job.run()
    nothing = job.again(source=_nothing_in("tsv", job.source))
    for day in range(1, 9):
        nothing.again(run_date=date(2026, 12, day)).run()
    later = job.again(run_date=date(2026, 12, 24)).scoring_run()
    steps.begin(later)
    plan = partition_source(later, job.open(), knows_all)
    for number in range(len(plan.parts)):
        steps.score(later, plan, number, FakeScorer)

    report = build_report(later, plan, FLOAT32, steps.publish(later, plan, "float32"))

    assert report.comparison is not None
    assert [run.run_id for run in report.comparison.previous] == [first.run_id]
    assert report.warnings == ()


def test_report_of_an_empty_run_says_so_and_compares_nothing(job):
    """On the page and in short; no share is made of no rows."""
    job.run()
    later = job.again(source=_nothing_in("jsonl", job.source), run_date=date(2026, 11, 23))
    run = later.scoring_run()
    steps.begin(run)
    plan = partition_source(run, later.open(), knows_all)
    steps.score(run, plan, 0, FakeScorer)

    report = build_report(run, plan, FLOAT32, steps.publish(run, plan, "float32"))

    assert report.warnings == ("The source was empty: no rows were read.",)
    assert "no rows were read" in render_html(report)
    assert "no rows were read" in render_markdown(report)
    assert {"figure": "Positive", "value": "–"} in render_table(report)


def test_run_that_becomes_empty_replaces_its_rows(job):
    """What was published for it is gone, as for any other change of the source."""
    job.run()
    job.source.write_text("id,day,review\r\n")

    job.run()

    assert published_rows(job.folder) == []


@pytest.mark.parametrize(("rows", "least"), [(0, 1), (30, 31)])
def test_fewer_rows_than_asked_for_fail_the_run(job, rows, least):
    """And say so; what was published stays as it was."""
    job.run()
    before = published_rows(job.folder)
    write_source(job.source, rows)

    with pytest.raises(TooFewRows, match=rf"has {rows} rows where {least} are asked for"):
        job.again(min_rows=least).run()

    assert published_rows(job.folder) == before
    assert [run["status"] for run in runs(job.url)] == ["finished", "failed"]
    assert "--min-rows" in runs(job.url)[1]["message"]
    assert job.again(min_rows=rows).run().rows_read == rows


def test_finished_run_is_held_to_the_rows_asked_for_now(job):
    """Who asks afterwards gets the alarm too, and not that there is nothing to do."""
    write_source(job.source, 3)
    job.run()

    with pytest.raises(TooFewRows):
        job.again(min_rows=4).run()

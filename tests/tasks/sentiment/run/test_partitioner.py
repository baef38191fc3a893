"""Partitioning: what a source as a whole is accepted, warned of or refused for."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import RejectedTooMany
from tasks.sentiment.reading.source import FileSource, open_source
from tasks.sentiment.run import steps
from tasks.sentiment.run.acceptance import tolerated
from tasks.sentiment.run.partitioner import partition_source
from tasks.sentiment.run.plan import Plan
from tests.tasks.sentiment.inputs import write_csv
from tests.tasks.sentiment.small_run import Job, knows_all, published_rows

NEXT = date(2026, 11, 23)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    url = f"sqlite:///{tmp_path}/triptych.db"
    return Job(home=tmp_path / "var", source=tmp_path / "shop.jsonl", url=url)


def write_feed(folder: Path, **days: pa.Array) -> Path:
    """A Parquet file of each name, whose rows have these days."""
    folder.mkdir()
    for name, values in days.items():
        ids = [f"{name}{n}" for n in range(len(values))]
        table = pa.table({"id": ids, "review": ["Fine."] * len(values), "day": values})
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def partition(job: Job, rows: Sequence[Mapping[str, object]]) -> Plan:
    """The plan of a run over these rows."""
    job.source.write_text("\n".join(map(json.dumps, rows)))
    run = job.scoring_run()
    steps.settle(run, job.open())
    steps.begin(run)
    return partition_source(run, job.open(), knows_all)


def test_carried_column_that_no_row_has_is_warned_of(job):
    """JSON Lines may lack a key in every object; a misspelled one looks just so."""
    plan = partition(job, [{"id": n, "review": f"Review {n}."} for n in range(3)])

    assert plan.rejected == 0
    assert plan.warnings == ("No row has the column day: is it spelled otherwise?",)


def test_rows_without_text_are_no_faults_where_others_have_one(job):
    """Many give stars and no words: they are rejected, counted, and warned of."""
    rows = [{"id": n, "day": "2026-11-22", "review": "Fine." if n else ""} for n in (0, 0, 0, 4)]

    plan = partition(job, rows)

    assert (plan.accepted, plan.rejected) == (1, 3)
    assert plan.warnings == (
        "3 of 4 rows (75.0%) have no text in review. They do not count towards"
        " --max-rejected-share.",
    )


def test_repeated_headers_are_told_and_are_no_faults(job):
    """Files were put together, each with its header: all reviews are there."""
    source = job.source.with_suffix(".csv")
    header = "id,day,review\n"
    source.write_text("".join(f"{header}{n},2026-11-22,Fine.\n" for n in range(3)))
    run = job.again(source=source).scoring_run()
    steps.begin(run)

    plan = partition_source(run, open_source(str(source)), knows_all)

    assert (plan.accepted, plan.rejected, tolerated(plan)) == (3, 2, 2)
    assert plan.warnings == (
        "2 rows repeated the header and did not count towards --max-rejected-share: were files"
        " put together?",
    )


def test_rows_of_which_none_has_a_text_are_refused(job):
    """The column is another one."""
    with pytest.raises(RejectedTooMany, match=r"3 of 3 rows rejected.* 3 x blank text"):
        partition(job, [{"id": n, "day": "2026-11-22", "review": None} for n in range(3)])


def test_id_that_repeats_all_over_identifies_no_review(job):
    """Such as a product's."""
    rows = [{"id": n % 2, "day": "2026-11-22", "review": f"Fine {n}."} for n in range(9)]

    with pytest.raises(
        RejectedTooMany,
        match="2 different ids in 9 rows: the column id does not identify a review",
    ):
        partition(job, rows)


def test_packed_copy_beside_a_file_is_named(job):
    """Without ids its rows are read twice; with ids they are duplicates."""
    folder = job.source.with_suffix("")
    for name in ("r.csv", "r.csv.gz"):
        write_csv(folder / name)
    named = r"r\.csv and r\.csv\.gz have one name but for how they are packed"
    run = job.again(source=folder, carry=(), id_column=None).scoring_run()
    run = replace(run, request=replace(run.request, text_column="text", group_column=None))
    steps.begin(run)

    warnings = partition_source(run, open_source(str(folder)), knows_all).warnings

    assert any(re.match(named, warning) for warning in warnings)
    run = replace(run, request=replace(run.request, id_column="id"))
    with pytest.raises(RejectedTooMany, match=rf"duplicate id.*{named}: is one a copy\?"):
        partition_source(run, open_source(str(folder)), knows_all)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (
            None,
            "id",
            "from the column id, and on 2026-11-22 they were made from the texts: .*Give no",
        ),
        ("id", None, "from the texts, .* from the column id: .*Give --id-column id, or another"),
    ],
)
def test_ids_that_came_from_elsewhere_before_are_warned_of(job, before, now, told):
    """Each review would be there twice under the source's name."""
    rows = [{"id": n, "day": "2026-11-22", "review": f"Fine {n}."} for n in range(3)]
    job.source.write_text("\n".join(map(json.dumps, rows)))
    job.again(id_column=before).run()

    same = partition(job.again(id_column=before, run_date=NEXT), rows)
    other = partition(job.again(id_column=now, run_date=NEXT), rows)

    assert same.warnings == ()
    (warning,) = other.warnings
    assert re.search(told, warning)


def test_finished_run_with_many_rows_without_text_has_nothing_to_do(job):
    """It is held to the same rule as when it was read."""
    rows = [{"id": n, "day": "2026-11-22", "review": "Fine." if n else ""} for n in range(4)]
    job.source.write_text("\n".join(map(json.dumps, rows)))
    first = job.run()

    again = job.run()

    assert (again.run_id, again.scored, again.rejected) == (first.run_id, 0, 1)


def test_numbers_of_whole_and_decimal_files_are_carried_as_numbers(job, tmp_path, monkeypatch):
    """Whichever file they stand in, a number is one value and one group of the report. The night
    before, whose version carried them as text, is read together with this one."""
    feed = write_feed(tmp_path / "feed", a=pa.array([1, None]), b=pa.array([2.5, 1.0]))
    job = job.again(source=feed)
    with monkeypatch.context() as earlier:
        earlier.setattr(FileSource, "types", lambda _: {})
        job.run()
    tonight = job.again(run_date=NEXT, rescore=True)

    tonight.run()

    assert [row["input_day"] for row in published_rows(job.folder)] == ["1", None, "2.5", "1.0"]
    assert [row["input_day"] for row in published_rows(tonight.folder)] == [1.0, None, 2.5, 1.0]
    nights = pd.read_parquet(job.folder.scores.parent).sort_values(["run_date", "review_id"])
    assert nights["input_day"].dropna().tolist() == ["1", "2.5", "1.0", "1", "2.5", "1"]


def test_numbers_of_whole_and_decimal_files_are_the_same_groups(job, tmp_path):
    """5 of one file is 5.0 of another."""
    feed = write_feed(tmp_path / "feed", a=pa.array([5, 4]), b=pa.array([5.0, 4.5]))
    job = job.again(source=feed)
    run = job.scoring_run()
    steps.settle(run, job.open())
    steps.begin(run)

    partition_source(run, job.open(), knows_all)

    groups = pq.read_table(run.folder.staged("input", 0))["group"].to_pylist()
    assert groups == ["5.0", "4.0", "5.0", "4.5"]


def test_rows_that_lack_their_last_cells_are_counted(job, tmp_path):
    """They are whole; the count says that a file may be another one than was meant."""
    file = tmp_path / "short.csv"
    file.write_text("id,review,day\n1,Fine.,2026-11-22\n2,Fine.\n3,Good.,2026-11-23\n4,Bad.\n")
    job = job.again(source=file)
    run = job.scoring_run()
    steps.settle(run, job.open())
    steps.begin(run)

    plan = partition_source(run, job.open(), knows_all)

    assert (plan.accepted, plan.short_rows) == (4, 2)
    assert plan.how_read.endswith("; 2 rows without the last cells")

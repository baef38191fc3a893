"""The night that is broken: what it must come to is known, and a lost or doubled row is found."""

import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.operations.rehearsal.errors import Broken
from tasks.operations.rehearsal.faults.night import ROWS, RUN_DATE, Night, make_night

ALL = [f"r{number}" for number in range(ROWS)]


def night_of(tmp_path, in_sql, in_parquet, status="finished") -> Night:
    """A night that has come to these ids."""
    night = make_night(tmp_path / "home", tmp_path, "broken")
    folder = night.home / "sentiment" / "scores" / f"run_date={RUN_DATE}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"review_id": in_parquet}), folder / "part-broken-00000.parquet")
    with closing(sqlite3.connect(night.home / "triptych.db")) as database:
        database.execute("CREATE TABLE review_sentiment (source, review_id)")
        database.execute("CREATE TABLE sentiment_runs (source, status, started_at)")
        database.execute("INSERT INTO sentiment_runs VALUES ('broken', ?, 1)", (status,))
        rows = [("broken", each) for each in in_sql]
        database.executemany("INSERT INTO review_sentiment VALUES (?, ?)", rows)
        database.commit()
    return night


def test_night_with_each_row_once_has_survived(tmp_path):
    night_of(tmp_path, ALL, ALL).check()


@pytest.mark.parametrize(
    ("in_sql", "in_parquet", "status", "says"),
    [
        (ALL[1:], ALL, "finished", "SQL has lost 1 rows and doubled 0"),
        (ALL, [*ALL, "r7"], "finished", "Parquet has lost 0 rows and doubled 1"),
        (ALL, [], "finished", "Parquet has lost 400"),
        (ALL, ALL, "running", "ended as running"),
    ],
    ids=["lost", "doubled", "unpublished", "unfinished"],
)
def test_harm_to_a_night_is_found(tmp_path, in_sql, in_parquet, status, says):
    with pytest.raises(Broken, match=says):
        night_of(tmp_path, in_sql, in_parquet, status).check()


def test_night_that_has_not_begun_has_no_rows(tmp_path):
    """Nor a status."""
    night = make_night(tmp_path / "home", tmp_path, "none")
    assert (night.rows(), night.status(), night.leftovers()) == (0, "", [])
    assert len(night.file.read_text().splitlines()) == ROWS + 1

"""The warehouse, on a SQLite file and on a real PostgreSQL alike."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tasks.sentiment.errors import WarehouseBusy, WarehouseError
from tasks.sentiment.reading.reviews import Rejected
from tasks.sentiment.sql.tables import RunRow, ScoredRow
from tasks.sentiment.sql.warehouse import Warehouse

RUN_DATE = date(2026, 11, 22)
BEGUN = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


@pytest.fixture
def warehouse(database_url: str) -> Iterator[Warehouse]:
    """A prepared warehouse, once on each kind of database."""
    warehouse = Warehouse(database_url)
    warehouse.prepare()
    yield warehouse
    warehouse.close()


def scored(review_id: str = "r1", **changes) -> ScoredRow:
    row = ScoredRow(
        source="toys",
        review_id=review_id,
        label="POSITIVE",
        score=0.9,
        positive_probability=0.9,
        model="musical",
        model_digest="m1",
        text_digest="t1",
        run_id="run-1",
        run_date=RUN_DATE,
        scored_at=datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC),
    )
    return replace(row, **changes)


def begun(run_id: str = "run-1", **changes) -> RunRow:
    run = RunRow(
        run_id=run_id,
        source="toys",
        run_date=RUN_DATE,
        status="running",
        model="musical",
        model_digest="m1",
        precision="float32",
        started_at=BEGUN,
    )
    return replace(run, **changes)


def rejected(row_number: int, reason: str = "blank text") -> Rejected:
    return Rejected(row_number, "toys.csv", None, reason, "")


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def test_scores_come_back_as_they_went_in(warehouse):
    """Unicode, emoji, quotes, tabs, microseconds and every digit of a probability survive."""
    odd = 'Müller\t"7"\\N \\. \n{1,2} 评论 👩‍👩‍👧 \N{ZERO WIDTH SPACE}'
    row = scored(odd, model=odd, score=0.1 + 0.2, positive_probability=1e-6, label="NEGATIVE")

    assert warehouse.load_scores([row]) == 1
    assert warehouse.find_scores("toys", [odd], "m1") == {odd: row}


def test_times_are_given_and_returned_in_utc(warehouse):
    """A time of another zone comes back as the same instant in UTC."""
    tokyo = timezone(timedelta(hours=9))
    warehouse.load_scores([scored(scored_at=datetime(2026, 11, 22, 9, 30, tzinfo=tokyo))])

    scored_at = warehouse.find_scores("toys", ["r1"], "m1")["r1"].scored_at
    assert scored_at == datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    assert scored_at.utcoffset() == timedelta(0)


def test_times_without_zone_are_refused(warehouse):
    """A naive time would mean another instant on each database."""
    with pytest.raises(ValueError, match="no time zone"):
        warehouse.load_scores([scored(scored_at=datetime(2026, 11, 22))])


def test_load_is_idempotent(warehouse, database_url):
    """The same rows again leave one row each, the same."""
    rows = [scored(f"r{i}") for i in range(10)]
    warehouse.load_scores(rows)
    warehouse.load_scores(rows)

    assert query(database_url, "SELECT count(*) FROM review_sentiment") == [(10,)]
    found = warehouse.find_scores("toys", [row.review_id for row in rows], "m1")
    assert list(found.values()) == rows


def test_load_of_equal_rows_writes_nothing(fresh_postgres_url):
    """The very row version stays: an upsert without a change is none."""
    warehouse = Warehouse(fresh_postgres_url)
    warehouse.prepare()
    warehouse.load_scores([scored()])
    before = query(fresh_postgres_url, "SELECT xmin::text FROM review_sentiment")
    warehouse.load_scores([scored()])
    warehouse.close()

    assert query(fresh_postgres_url, "SELECT xmin::text FROM review_sentiment") == before


def test_load_replaces_by_source_and_review(warehouse):
    """A newer score takes the place of the older; another source keeps its own."""
    warehouse.load_scores([scored(), scored(source="books")])
    newer = scored(model_digest="m2", text_digest="t2", run_id="run-2")
    warehouse.load_scores([newer])

    assert warehouse.find_scores("toys", ["r1"], "m2") == {"r1": newer}
    assert warehouse.find_scores("books", ["r1"], "m1") == {"r1": scored(source="books")}


def test_load_keeps_the_last_of_a_repeated_key(warehouse):
    """A key twice in one load is one row: the last."""
    assert warehouse.load_scores([scored(score=0.7), scored(score=0.8)]) == 1
    assert warehouse.find_scores("toys", ["r1"], "m1")["r1"].score == 0.8


def test_load_of_a_past_night_keeps_what_later_ones_have(warehouse):
    """As of a backfill; the same night again, and a later one, replace."""
    before, after = RUN_DATE - timedelta(days=1), RUN_DATE + timedelta(days=1)
    warehouse.load_scores([scored()])

    warehouse.load_scores([scored(run_date=before, score=0.6), scored("r2", run_date=before)])
    found = warehouse.find_scores("toys", ["r1", "r2"], "m1")
    assert (found["r1"].score, found["r2"].run_date) == (0.9, before)

    for day, score in ((RUN_DATE, 0.7), (after, 0.8)):
        warehouse.load_scores([scored(run_date=day, score=score)])
        assert warehouse.find_scores("toys", ["r1"], "m1")["r1"].score == score


def test_load_of_nothing_is_nothing(warehouse):
    """A part all of whose rows were reused has no rows to load."""
    assert warehouse.load_scores([]) == 0
    assert warehouse.find_scores("toys", [], "m1") == {}


def test_failing_load_leaves_nothing(warehouse, database_url):
    """One row that the table refuses, far behind good ones, undoes them all."""
    rows = [scored(f"r{i:05}") for i in range(6_000)]
    with pytest.raises(WarehouseError) as caught:
        warehouse.load_scores([*rows, scored("r99999", score=float("nan"))])

    assert "\n" not in str(caught.value)
    assert query(database_url, "SELECT count(*) FROM review_sentiment") == [(0,)]


def test_find_returns_only_the_asked_model_and_source(warehouse):
    """A score of another model or source is no score of this review."""
    warehouse.load_scores(
        [scored("r1"), scored("r2", model_digest="m2"), scored("r3", source="books")]
    )
    found = warehouse.find_scores("toys", ["r1", "r2", "r3", "r4"], "m1")

    assert found == {"r1": scored("r1")}


def test_find_takes_twenty_thousand_ids(warehouse):
    """No limit on parameters shows."""
    rows = [scored(f"r{i:05}") for i in range(0, 20_000, 2)]
    warehouse.load_scores(rows)
    found = warehouse.find_scores("toys", [f"r{i:05}" for i in range(20_000)], "m1")

    assert found.keys() == {row.review_id for row in rows}


def test_loads_at_the_same_time_all_succeed(warehouse, database_url):
    """Writers of the same rows in opposite order wait for each other; none fails."""
    rows = [scored(f"r{i:04}") for i in range(2_000)]
    start = threading.Barrier(4)

    def load(worker):
        mine = [replace(row, run_id=f"run-{worker}") for row in rows]
        start.wait()
        return warehouse.load_scores(mine if worker % 2 else mine[::-1])

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(load, range(4))) == [2_000] * 4
    runs = query(database_url, "SELECT run_id, count(*) FROM review_sentiment GROUP BY run_id")
    assert [count for _, count in runs] == [2_000]


def test_prepare_at_the_same_time_all_succeed(database_url):
    """Several workers may start on an empty database at once, and prepare it again later."""
    start = threading.Barrier(6)

    def prepare(_: int) -> None:
        warehouse = Warehouse(database_url)
        start.wait()
        warehouse.prepare()
        warehouse.prepare()
        warehouse.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(prepare, range(6)))
    assert query(database_url, "SELECT count(*) FROM sentiment_runs") == [(0,)]


def test_rejected_rows_are_replaced_per_run_date(warehouse, database_url):
    """Loading a run date again leaves its newest rejects, and those of others."""
    later = RUN_DATE + timedelta(days=1)
    warehouse.load_rejected("toys", later, "run-0", [rejected(1)])
    warehouse.load_rejected("toys", RUN_DATE, "run-1", (rejected(i) for i in range(1, 5_500)))
    warehouse.load_rejected("toys", RUN_DATE, "run-2", [rejected(7, 'a "quoted" NUL 👀')])

    rows = query(
        database_url, "SELECT run_id, file, row_number, review_id, reason FROM rejected_reviews"
    )
    assert sorted(rows) == [
        ("run-0", "toys.csv", 1, None, "blank text"),
        ("run-2", "toys.csv", 7, None, 'a "quoted" NUL 👀'),
    ]


def test_rejected_rows_stay_when_reading_new_ones_fails(warehouse, database_url):
    """An error of the caller's iterable comes through as it is, and changes nothing."""
    warehouse.load_rejected("toys", RUN_DATE, "run-1", [rejected(1)])

    def torn() -> Iterator[Rejected]:
        yield rejected(2)
        raise RuntimeError("the file ends here")

    with pytest.raises(RuntimeError, match="the file ends here"):
        warehouse.load_rejected("toys", RUN_DATE, "run-2", torn())
    assert query(database_url, "SELECT run_id FROM rejected_reviews") == [("run-1",)]


def test_run_comes_back_as_recorded(warehouse):
    """All fields of a run, the empty ones included, survive; an unknown id is no run."""
    run = begun()
    warehouse.begin_run(run)
    assert warehouse.run("run-1") == run

    values: dict[str, Any] = {"rows_read": 10, "scored": 6, "reused": 3, "rejected": 1}
    values |= {"histogram": [4, 0, 2], "positive_share": 0.25, "ended_at": BEGUN}
    values |= {"status": "finished", "message": "done 👍"}
    warehouse.update_run("run-1", **values)
    assert warehouse.run("run-1") == replace(run, **values)
    assert warehouse.run("run-9") is None


ADD_UP = r"CHECK constraint failed: rows_read|violates check constraint"


@pytest.mark.parametrize("counts", [{"rows_read": 1}, {"rows_read": 3, "scored": 2, "reused": 2}])
def test_run_that_does_not_add_up_is_refused(warehouse, counts):
    """The rows read are those scored, reused and rejected, at any moment."""
    with pytest.raises(WarehouseError, match=ADD_UP):
        warehouse.begin_run(begun(**counts))
    warehouse.begin_run(begun())
    with pytest.raises(WarehouseError, match=ADD_UP):
        warehouse.update_run("run-1", **counts)
    assert warehouse.run("run-1") == begun()


def test_run_update_refuses_unknown_runs_and_fields(warehouse):
    """A slip in a name is an error, not a silent nothing."""
    with pytest.raises(ValueError, match="no run run-1"):
        warehouse.update_run("run-1", status="finished")
    with pytest.raises(WarehouseError, match="Unconsumed column names: rows"):
        warehouse.update_run("run-1", rows=1)


def test_killed_run_becomes_failed_when_taken_over(warehouse):
    """Only the run of the same source and run date, and only if it still says running."""
    warehouse.begin_run(begun("killed"))
    warehouse.begin_run(begun("books", source="books"))
    warehouse.begin_run(begun("later", run_date=RUN_DATE + timedelta(days=1)))
    warehouse.begin_run(begun("next", started_at=BEGUN + timedelta(hours=2)))
    warehouse.update_run("next", status="stopped")
    warehouse.begin_run(begun("last"))

    killed = warehouse.run("killed")
    assert (killed.status, killed.message) == ("failed", "killed; taken over by next")
    assert killed.ended_at == BEGUN + timedelta(hours=2)
    statuses = {name: warehouse.run(name).status for name in ("books", "later", "next", "last")}
    assert statuses == {
        "books": "running",
        "later": "running",
        "next": "stopped",
        "last": "running",
    }


def test_run_begun_twice_is_one_run(warehouse, database_url):
    """A retry after an answer that was lost on the way does no harm."""
    warehouse.begin_run(begun())
    warehouse.begin_run(begun())

    assert query(database_url, "SELECT status FROM sentiment_runs") == [("running",)]


def test_previous_runs_are_the_finished_ones_newest_first(warehouse):
    """Of the same source, begun before, at most as many as asked."""
    for hour, status in enumerate(["finished", "failed", "finished", "finished", "stopped"]):
        run_date = RUN_DATE + timedelta(days=hour)
        run = begun(f"run-{hour}", started_at=BEGUN + timedelta(hours=hour), run_date=run_date)
        warehouse.begin_run(replace(run, status=status))
    warehouse.begin_run(begun("books", source="books", status="finished"))

    def before(hour: int, limit: int) -> list[str]:
        at = BEGUN + timedelta(hours=hour)
        return [run.run_id for run in warehouse.previous_finished_runs("toys", at, limit)]

    assert before(9, 10) == ["run-3", "run-2", "run-0"]
    assert before(9, 2) == ["run-3", "run-2"]
    assert before(3, 10) == ["run-2", "run-0"]


def test_unfinished_run_after_another_is_found(warehouse):
    """Only of the same run date, only later, and only if it did not finish."""
    first = begun("run-0", status="finished")
    warehouse.begin_run(first)
    assert not warehouse.has_unfinished_run_since(first)

    later = begun("run-1", started_at=BEGUN + timedelta(hours=1))
    warehouse.begin_run(replace(later, status="finished"))
    warehouse.begin_run(replace(later, run_id="other", run_date=RUN_DATE + timedelta(days=1)))
    assert not warehouse.has_unfinished_run_since(first)

    warehouse.begin_run(replace(later, run_id="run-2", status="stopped"))
    assert warehouse.has_unfinished_run_since(first)


def test_table_of_another_layout_is_one_clear_line(database_url):
    """A table of the same name that is not ours is named, with what it lacks."""
    warehouse = Warehouse(database_url)
    query(database_url, "CREATE TABLE review_sentiment (source text, review_id text)")

    with pytest.raises(WarehouseError, match=r"review_sentiment .* no column label, score"):
        warehouse.prepare()
    with pytest.raises(WarehouseError) as caught:
        warehouse.find_scores("toys", ["r1"], "m1")
    assert "\n" not in str(caught.value)
    warehouse.close()


def test_older_table_gets_the_columns_that_came_later(database_url):
    """Those that may be null; its rows stay, without a value there."""
    warehouse = Warehouse(database_url)
    warehouse.prepare()
    warehouse.begin_run(begun())
    query(database_url, "ALTER TABLE sentiment_runs DROP COLUMN histogram")

    warehouse.prepare()

    assert warehouse.run("run-1") == begun()
    warehouse.update_run("run-1", histogram=[1, 2])
    assert warehouse.run("run-1") == begun(histogram=[1, 2])
    warehouse.close()


def test_table_with_another_key_is_one_clear_line(warehouse, database_url):
    """Without its key a table would take a review twice."""
    query(database_url, "DROP TABLE review_sentiment")
    columns = ", ".join(f"{name} text" for name in ScoredRow.__slots__)
    query(database_url, f"CREATE TABLE review_sentiment ({columns}, PRIMARY KEY (review_id))")

    with pytest.raises(WarehouseError, match="not keyed by source, review_id"):
        warehouse.prepare()


def test_sqlite_locked_for_too_long_is_busy(tmp_path):
    """Waiting ends, and the error says that trying again may help; readers are not held up."""
    file = tmp_path / "triptych.db"
    warehouse = Warehouse(f"sqlite:///{file}?timeout=0.05")
    warehouse.prepare()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(WarehouseBusy, match="locked"):
        warehouse.load_scores([scored()])
    assert warehouse.find_scores("toys", ["r1"], "m1") == {}
    other.close()
    assert warehouse.load_scores([scored()]) == 1


def test_postgres_connection_that_is_lost_is_busy(fresh_postgres_url):
    """A connection cut in the middle of a COPY is worth another try, which succeeds."""
    warehouse = Warehouse(fresh_postgres_url)
    warehouse.prepare()

    def cut() -> Iterator[Rejected]:
        yield rejected(1)
        query(
            fresh_postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        yield from (rejected(i) for i in range(2, 50_000))

    with pytest.raises(WarehouseBusy) as caught:
        warehouse.load_rejected("toys", RUN_DATE, "run-1", cut())
    assert "\n" not in str(caught.value)
    warehouse.load_rejected("toys", RUN_DATE, "run-1", [rejected(1)])
    assert query(fresh_postgres_url, "SELECT count(*) FROM rejected_reviews") == [(1,)]
    warehouse.close()


OLDER_SCORES = """
CREATE TABLE review_sentiment (
\tsource TEXT NOT NULL,
\treview_id TEXT NOT NULL,
\tlabel TEXT NOT NULL,
\tscore DOUBLE PRECISION NOT NULL,
\tpositive_probability DOUBLE PRECISION NOT NULL,
\tmodel TEXT NOT NULL,
\tmodel_digest TEXT NOT NULL,
\ttext_digest TEXT NOT NULL,
\trun_id TEXT NOT NULL,
\trun_date DATE NOT NULL,
\tscored_at TIMESTAMP WITH TIME ZONE NOT NULL,
\tPRIMARY KEY (source, review_id),
\tCHECK (label IN ('POSITIVE', 'NEGATIVE')),
\tCHECK (score BETWEEN 0 AND 1),
\tCHECK (positive_probability BETWEEN 0 AND 1)
)
"""


def test_older_table_admits_the_label_neutral(database_url):
    """Its rows, its other rules and what users have added stay."""
    query(database_url, OLDER_SCORES)
    query(
        database_url,
        "INSERT INTO review_sentiment VALUES ('toys', 'r1', 'POSITIVE', 0.9, 0.9, 'musical', 'm1',"
        " 't1', 'run-1', '2026-11-22', '2026-11-22 01:02:03.456789')",
    )
    query(database_url, "CREATE INDEX of_labels ON review_sentiment (label)")
    query(database_url, "CREATE VIEW labels AS SELECT label FROM review_sentiment")
    warehouse = Warehouse(database_url)

    for _ in range(2):
        warehouse.prepare()

    neutral = scored("r2", label="NEUTRAL", score=0.6, positive_probability=0.3)
    neutral = replace(neutral, neutral_probability=0.6)
    warehouse.load_scores([neutral])
    labels = query(database_url, "SELECT label FROM labels ORDER BY label")
    assert labels == [("NEUTRAL",), ("POSITIVE",)]
    assert warehouse.find_scores("toys", ["r1", "r2"], "m1") == {"r1": scored(), "r2": neutral}
    for wrong in ({"label": "MIXED"}, {"score": 1.5}):
        with pytest.raises(WarehouseError, match=r"(?i)check constraint"):
            warehouse.load_scores([replace(neutral, **wrong)])
    warehouse.close()

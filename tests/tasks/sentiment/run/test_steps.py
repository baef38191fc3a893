"""What one run after another does to the published results."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tasks.sentiment.errors import (
    PublicationError,
    RejectedTooMany,
    RunConflict,
    SourceChanged,
)
from tasks.sentiment.reading.reviews import ReviewChecker
from tasks.sentiment.reading.source import open_source
from tasks.sentiment.run import publication, steps
from tasks.sentiment.run.partitioner import as_text
from tasks.sentiment.run.publication import read_manifest
from tasks.sentiment.run.window import Window
from tests.fakes import FakeScorer
from tests.tasks.sentiment.kill import run_and_kill_at
from tests.tasks.sentiment.small_run import Job, published_rows, runs, sql_rows, write_source

ROWS = 200
GOOD = ROWS - ROWS // 25


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = write_source(tmp_path / "shop.csv", ROWS)
    return Job(home=tmp_path / "var", source=source, url=f"sqlite:///{tmp_path}/triptych.db")


def test_run_accounts_for_every_row(job):
    """Rows read = scored + reused + rejected, in the outcome, in SQL and on disk."""
    outcome = job.run()

    assert (outcome.scored, outcome.reused, outcome.rejected) == (GOOD, 0, ROWS - GOOD)
    run = runs(job.url)[-1]
    assert (run["status"], run["rows_read"], run["rows_waiting"]) == ("finished", ROWS, 0)
    assert len(sql_rows(job.url, "review_sentiment")) == len(published_rows(job.folder)) == GOOD
    assert len(sql_rows(job.url, "rejected_reviews")) == ROWS - GOOD
    assert len(pq.read_table(job.folder.rejected)) == ROWS - GOOD


def test_published_rows_have_the_promised_columns_and_values(job):
    """Score is the probability of the label, and carried columns are called input_NAME."""
    job.run()

    frame = pd.read_parquet(job.folder.scores)
    assert list(frame.columns) == [
        "source",
        "review_id",
        "label",
        "score",
        "positive_probability",
        "model",
        "model_digest",
        "run_id",
        "run_date",
        "scored_at",
        "input_day",
    ]
    first = frame.set_index("review_id").loc["r1"]
    probability = FakeScorer.probability("Review 1, it is fine.")
    assert first["positive_probability"] == pytest.approx(probability, abs=1e-9)
    assert first["label"] == ("POSITIVE" if probability >= 0.5 else "NEGATIVE")
    assert first["score"] == pytest.approx(max(probability, 1 - probability), abs=1e-6)
    assert (first["input_day"], first["run_date"]) == ("2026-11-02", "2026-11-22")


def test_whole_history_reads_as_one_data_set(job):
    """pandas reads all run dates at once, with the run date as a column."""
    job.run()
    job.again(run_date=date(2026, 11, 23)).run()

    frame = pd.read_parquet(job.folder.scores.parent)

    assert frame["run_date"].value_counts().to_dict() == {"2026-11-22": GOOD, "2026-11-23": GOOD}


def test_next_run_scores_only_what_is_new(job):
    """With 1 % new reviews, those are scored and all others taken over with their run and time."""
    job.run()
    before = {row["review_id"]: row for row in _full_rows(job)}
    with job.source.open("a", newline="") as handle:
        handle.write("new1,2026-11-23,Brand new\r\nnew2,2026-11-23,Newer still\r\n")
    tomorrow, scorer = job.again(run_date=date(2026, 11, 23)), FakeScorer()

    outcome = tomorrow.run(scorer)

    assert (outcome.scored, outcome.reused) == (2, GOOD)
    assert scorer.scored == ["Brand new", "Newer still"]
    after = {row["review_id"]: row for row in _full_rows(tomorrow)}
    assert after.keys() - before.keys() == {"new1", "new2"}
    for review_id, row in before.items():
        assert after[review_id] == {**row, "run_date": "2026-11-23"}


def _full_rows(job: Job) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(job.folder.scores).to_pylist()
    return rows


def test_same_run_date_with_a_longer_file_scores_only_what_is_new(job):
    """The file has grown since the run was finished: the work is done again, cheaply."""
    job.run()
    with job.source.open("a", newline="") as handle:
        handle.write("new1,2026-11-23,Brand new\r\n")

    outcome = job.run()

    assert (outcome.scored, outcome.reused) == (1, GOOD)
    assert len(published_rows(job.folder)) == GOOD + 1


def test_appended_file_keeps_its_ids_without_an_id_column(job):
    """Ids made from the text and its occurrence do not move when rows are appended."""
    job = job.again(id_column=None)
    job.run()
    with job.source.open("a", newline="") as handle:
        handle.write("x,2026-11-23,Good\r\ny,2026-11-23,Good\r\n")
    scorer = FakeScorer()

    outcome = job.again(run_date=date(2026, 11, 23)).run(scorer)

    assert (outcome.scored, outcome.reused) == (2, GOOD)
    assert scorer.scored == ["Good", "Good"]


def test_changed_text_or_model_is_scored_again(job):
    """Reuse needs the same review, the same text and the same model."""
    job.run()
    text = job.source.read_text()
    job.source.write_text(text.replace("Review 3, it is fine.", "Review 3, it broke."))
    scorer = FakeScorer()
    job.run(scorer)
    assert scorer.scored == ["Review 3, it broke."]

    outcome = job.again(model_digest="digest-of-another").run()
    assert (outcome.scored, outcome.reused) == (GOOD, 0)
    assert len(sql_rows(job.url, "review_sentiment")) == GOOD


def test_rescore_scores_everything_again(job):
    """A finished run is scored anew when asked to."""
    job.run()

    outcome = job.again(rescore=True).run()

    assert (outcome.scored, outcome.reused) == (GOOD, 0)
    assert job.again(rescore=False).run().scored == 0


def test_window_stops_the_run_and_the_next_run_goes_on(job):
    """No part starts that would not end in time; what was done is not done again."""
    now = datetime(2026, 11, 22, 5, 29, 0, tzinfo=UTC)
    readings = iter(now + timedelta(seconds=25 * i) for i in range(100))
    window = Window(datetime(2026, 11, 22, 5, 30, tzinfo=UTC))
    first, second = FakeScorer(), FakeScorer()

    stopped = job.again(window=window, clock=lambda: next(readings)).run(first)

    assert stopped.status == "stopped"
    assert 0 < stopped.scored < GOOD
    assert stopped.scored + stopped.rows_waiting == GOOD
    assert runs(job.url)[-1]["status"] == "stopped"
    assert not job.folder.scores.exists()
    tomorrow = job.again(run_date=date(2026, 11, 23))
    outcome = tomorrow.run(second)
    assert (outcome.reused, outcome.scored) == (stopped.scored, stopped.rows_waiting)
    assert not set(first.scored) & set(second.scored) - {"Good"}
    assert len(published_rows(tomorrow.folder)) == GOOD
    assert not job.folder.staging.exists()  # the run date that was caught up with


def test_run_killed_yesterday_is_failed_and_one_at_work_is_left_alone(job):
    """`running` is said only by runs that run."""
    killed, live = (job.again(run_date=date(2026, 11, day)).scoring_run() for day in (19, 20))
    steps.begin(killed)
    with live.folder.lock():
        steps.begin(live)
        job.run()

    assert [run["status"] for run in runs(job.url)] == ["failed", "running", "finished"]
    assert runs(job.url)[0]["message"].startswith("killed; noticed by")


def test_stopped_run_goes_on_under_its_own_date_too(job):
    """Run again for the same date, only the rest is scored."""
    job.again(window=Window(datetime(2026, 11, 22, tzinfo=UTC))).run()
    scorer = FakeScorer()

    outcome = job.run(scorer)

    assert (outcome.status, outcome.scored, len(scorer.scored)) == ("finished", GOOD, GOOD)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"parts": 1}', "\udcff"])
def test_run_whose_plan_is_damaged_is_partitioned_anew(job, content):
    """As one that was killed while its source was cut: every row is scored or reused, once."""
    job.again(window=Window(datetime(2026, 11, 22, tzinfo=UTC))).run()
    plan = job.folder.staging / "plan.json"
    plan.write_bytes(content.encode("utf-8", "surrogateescape"))

    outcome = job.run()

    assert (outcome.status, outcome.scored + outcome.reused) == ("finished", GOOD)
    assert len(published_rows(job.folder)) == GOOD


@pytest.mark.parametrize("content", ["", "{", "[]", '{"number": 0}', "\udcff"])
def test_part_whose_marker_is_damaged_is_scored_anew(job, content, monkeypatch):
    """The run goes on with what else it has."""
    monkeypatch.setattr(steps, "publish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.run()
    monkeypatch.undo()
    marker = job.folder.staged("scores", 1).with_suffix(".json")
    marker.write_bytes(content.encode("utf-8", "surrogateescape"))

    outcome = job.run()

    assert (outcome.status, outcome.scored + outcome.reused) == ("finished", GOOD)
    assert len(published_rows(job.folder)) == GOOD


def test_too_many_rejected_rows_leave_published_results_as_they_were(job):
    """The run fails with the reasons; files and tables stay, and the rejects can be looked at."""
    job.run()
    before = (published_rows(job.folder), sql_rows(job.url, "review_sentiment"))
    with job.source.open("a", newline="") as handle:
        handle.write("x,2026-11-23,a,b\r\n" * 50)

    with pytest.raises(RejectedTooMany, match=r"50 of 250 rows rejected, 20\.0%.*50 x 4 fields"):
        job.run()

    assert (published_rows(job.folder), sql_rows(job.url, "review_sentiment")) == before
    run = runs(job.url)[-1]
    assert (run["status"], run["rows_read"], run["rejected"]) == ("failed", 58, 58)
    assert run["rows_waiting"] == 192
    assert list(job.folder.staging.glob("rejected-*.parquet"))


def test_finished_run_is_held_to_the_rejected_share_allowed_now(job):
    """Who asks afterwards is refused too, and not told that there is nothing to do."""
    lines = job.source.read_text().splitlines()  # a surplus cell where there was no text
    job.source.write_text("\n".join(f"{x}a,b" if x.endswith(",") else x for x in lines))
    finished = job.run()
    before = (published_rows(job.folder), sql_rows(job.url, "review_sentiment"))

    with pytest.raises(RejectedTooMany, match=r"8 of 200 rows rejected, 4\.0% where 3\.0%"):
        job.again(max_rejected_share=0.03).run()

    assert (published_rows(job.folder), sql_rows(job.url, "review_sentiment")) == before
    again = job.again(max_rejected_share=0.04).run()
    assert (again.rows_read, again.scored, again.rejected) == (finished.rows_read, 0, 8)


def test_source_that_changes_while_it_is_read_fails_before_anything_is_written(job):
    """The reader notices, staging is empty, and the next run starts from scratch."""
    content = job.source.read_text()

    real_check = ReviewChecker.check

    def check(self, row):  # the file grows while its rows are looked at
        job.source.write_text(content + "late,2026-11-23,Late\r\n")
        return real_check(self, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReviewChecker, "check", check)
        with pytest.raises(SourceChanged):
            job.run()

    assert not job.folder.staging.exists() and not job.folder.scores.exists()
    assert sql_rows(job.url, "review_sentiment") == []
    assert runs(job.url)[-1]["status"] == "failed"
    assert job.run().scored == GOOD + 1


def test_another_request_killed_over_a_finished_run_is_put_right(job):
    """SQL that a killed run of another model has begun to change is brought back."""
    job.run()
    before = (published_rows(job.folder), sql_rows(job.url, "review_sentiment"))
    other = job.again(model_digest="digest-of-another")
    boundary = 0
    while sql_rows(job.url, "review_sentiment") == before[1]:
        boundary += 5
        run_and_kill_at(other, boundary)

    outcome = job.run()

    assert outcome.status == "finished" and outcome.scored > 0
    assert (published_rows(job.folder), sql_rows(job.url, "review_sentiment")) == before
    assert {run["status"] for run in runs(job.url)} == {"finished", "failed"}


def test_run_moved_to_another_database_in_the_middle_is_whole_there(job, tmp_path):
    """Parts that were loaded elsewhere are done again, so that no row is missing."""
    boundary = 0
    while not list(job.folder.staging.glob("scores-*.json")):
        boundary += 5
        run_and_kill_at(job, boundary)
    moved = job.again(url=f"sqlite:///{tmp_path}/moved.db")

    moved.run()

    assert len(sql_rows(moved.url, "review_sentiment")) == GOOD


def test_later_run_leaves_an_earlier_one_at_work_alone(job):
    """Staging of a live run is not cleaned up by another's end."""
    yesterday = job.again(run_date=date(2026, 11, 21))
    yesterday.again(window=Window(datetime(2026, 11, 21, tzinfo=UTC))).run()
    with yesterday.folder.lock():
        job.run()
        assert yesterday.folder.staging.exists()
    job.again(rescore=True).run()
    assert not yesterday.folder.staging.exists()


def test_query_is_read_anew_after_a_failed_run(tmp_path):
    """What a query finds may have been mended; an old cut of it is not trusted."""
    url = f"sqlite:///{tmp_path}/triptych.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE feed (id TEXT, day TEXT, review TEXT)"))
        rows = [{"i": i, "t": "a\0" if i % 2 else f"text {i}"} for i in range(10)]
        connection.execute(sa.text("INSERT INTO feed VALUES (:i, '2026-11-22', :t)"), rows)

    class QueryJob(Job):
        def open(self):
            return open_source("SELECT * FROM feed", query_url=url)

    job = QueryJob(home=tmp_path / "var", source=Path("SELECT * FROM feed"), url=url)
    with pytest.raises(RejectedTooMany):
        job.run()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE feed SET review = 'mended ' || id WHERE id % 2"))
    engine.dispose()

    assert job.run().scored == 10


def test_run_of_rejects_alone_is_finished_when_all_may_be_rejected(job):
    """With a share of 1 even a file of blanks is a run: no scores, all rows in the rejects."""
    job.source.write_text("id,day,review\r\na,2026-11-22,\r\nb,2026-11-22, \r\n")

    outcome = job.again(max_rejected_share=1.0).run()

    assert (outcome.status, outcome.scored, outcome.rejected, outcome.parts) == (
        "finished",
        0,
        2,
        0,
    )
    assert len(sql_rows(job.url, "rejected_reviews")) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("19.90"), "19.90"),
        (True, "true"),
        (4.5, "4.5"),
        (date(2026, 11, 22), "2026-11-22"),
        ([1, "a"], '[1, "a"]'),
        ({"a": None}, '{"a": null}'),
        (None, None),
    ],
)
def test_carried_values_become_plain_text(value, text):
    """Only what has parts is written as JSON."""
    assert as_text(value) == text


def test_two_sources_share_a_run_date(job, tmp_path):
    """The folder of a date holds the parts of both, and one run leaves the other's alone."""
    from dataclasses import replace

    from tests.tasks.sentiment import small_run

    job.run()
    other_file = write_source(tmp_path / "other.csv", 50)

    class OtherJob(Job):
        def scoring_run(self):
            run = super().scoring_run()
            return replace(run, folder=replace(run.folder, source="other shop"))

    other = OtherJob(home=job.home, source=other_file, url=job.url)
    other.run()

    assert set(read_manifest(job.folder.scores)["sources"]) == {"shop", "other shop"}
    frame = pd.read_parquet(job.folder.scores)
    assert frame["source"].value_counts().to_dict() == {"shop": GOOD, "other shop": 48}
    job.again(rescore=True).run()
    assert len(pd.read_parquet(job.folder.scores)) == GOOD + 48
    assert small_run.sql_rows(job.url, "review_sentiment")


def test_second_live_run_of_a_run_date_is_refused(job):
    """One line that names the process that holds the run date."""
    with job.folder.lock(), pytest.raises(RunConflict, match=r"process \d+ is at work"):
        job.run()


def test_reader_never_sees_half_a_run_while_it_is_replaced(job):
    """A reader that lists the folder again and again finds whole runs only."""
    import threading

    job.run()
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                names = {file.name for file in job.folder.scores.iterdir()}
            except FileNotFoundError:
                names = set()
            seen.add(frozenset(names))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for size in (40, 70, 40):
            job.again(rescore=True, rows_per_part=size).run()
    finally:
        stop.set()
        reader.join()
    names = ("part-shop-{:05d}.parquet", "_texts-shop-{:05d}")
    whole = {
        frozenset({"_manifest.json", *(name.format(i) for i in range(parts) for name in names)})
        for parts in (3, 5)
    }
    assert seen <= whole


def test_finished_run_whose_files_are_gone_is_published_again(job):
    """What the manifest names is looked at; all scores are taken over."""
    job.run()
    before = published_rows(job.folder)
    next(job.folder.scores.glob("part-*.parquet")).unlink()

    outcome = job.run()

    assert (outcome.scored, outcome.reused) == (0, GOOD)
    assert published_rows(job.folder) == before


@pytest.mark.parametrize("damage", [b"", b"PAR1 not really", None])
def test_run_with_a_damaged_part_leaves_what_is_published(job, monkeypatch, damage):
    """Looked at before it takes the place of what readers see; one line says what to do."""
    job.run()
    before = published_rows(job.folder)
    publish = publication.publish

    def publish_damaged(folder, plan, entry, url):
        part = folder.staging / "scores-00001.parquet"
        part.unlink()
        if damage is not None:
            part.write_bytes(damage)
        publish(folder, plan, entry, url)

    monkeypatch.setattr(publication, "publish", publish_damaged)
    with pytest.raises(PublicationError, match=r"scores-00001\.parquet cannot be .* delete .* run"):
        job.again(rescore=True).run()

    assert published_rows(job.folder) == before
    assert runs(job.url)[-1]["status"] == "failed"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "\udcff", '{"sources": 1}', '{"sources": {"shop": {}}}']
)
def test_damaged_manifest_is_named(job, content):
    """In one line with the way out; what is published stays."""
    job.run()
    manifest = job.folder.scores / "_manifest.json"
    manifest.write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(PublicationError, match=r"_manifest\.json is damaged .*: move the folder"):
        job.again(rescore=True).run()

    assert len(published_rows(job.folder)) == GOOD


def test_part_that_holds_too_few_rows_is_not_published(job, monkeypatch):
    """A whole file of another run is none of this one."""
    publish = publication.publish

    def publish_short(folder, plan, entry, url):
        part = folder.staging / "scores-00001.parquet"
        pq.write_table(pq.read_table(part).slice(1), part)
        publish(folder, plan, entry, url)

    monkeypatch.setattr(publication, "publish", publish_short)
    with pytest.raises(PublicationError, match="hold 191 rows where 192 belong"):
        job.run()

    assert not job.folder.scores.exists()


def test_other_source_that_lost_a_file_is_named(job, tmp_path):
    """Its run date would lose what it still has."""
    from dataclasses import replace

    class OtherJob(Job):
        def scoring_run(self):
            run = super().scoring_run()
            return replace(run, folder=replace(run.folder, source="other"))

    other = OtherJob(home=job.home, source=write_source(tmp_path / "o.csv", 50), url=job.url)
    other.run()
    next(job.folder.scores.glob("part-other-*.parquet")).unlink()

    with pytest.raises(PublicationError, match=r"lacks files of other .* run other"):
        job.run()
    assert other.run().status == "finished"
    assert job.run().status == "finished"

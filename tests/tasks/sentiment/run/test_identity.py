"""A review keeps its id and its result from run to run, and from version to version."""

import csv
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from tasks.sentiment.reading import reviews
from tasks.sentiment.run.window import Window
from tasks.sentiment.sql.warehouse import Warehouse
from tasks.sentiment.text import clean_for_id
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import Job, published_rows, runs, sql_rows

NEXT = date(2026, 11, 23)
ROWS = 120


def write(file: Path, ids: list[str]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "day", "review"])
        writer.writerows((id_, "2026-11-22", f"Review {i}, fine.") for i, id_ in enumerate(ids))
    return file


def numbers(form: str) -> list[str]:
    return [form % i for i in range(ROWS)]


@pytest.fixture
def job(tmp_path: Path, database_url: str) -> Job:
    return Job(home=tmp_path / "var", source=tmp_path / "shop.csv", url=database_url)


@pytest.fixture
def earlier_version(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Ids as the version before wrote them, until the returned patch is undone."""

    def identify(value: object, *, keep_null_words: bool = False) -> tuple[str, None]:
        return str(value).strip(), None

    monkeypatch.setattr(reviews, "identify", identify)
    monkeypatch.setattr(Warehouse, "spellings", lambda *_: iter(()))
    return monkeypatch


def ids_in_sql(job: Job) -> set[str]:
    return {row[1] for row in sql_rows(job.url, "review_sentiment")}


@pytest.mark.parametrize("form", ["%d.0", "%d.00", "%d.", " %d "])
def test_whole_numbers_turned_into_floats_are_the_same_reviews(job, form):
    """Nothing is scored again, and nothing is there twice."""
    write(job.source, numbers("%d"))
    job.run()
    write(job.source, numbers(form))
    scorer = FakeScorer()

    outcome = job.again(run_date=NEXT).run(scorer)

    assert (outcome.scored, outcome.reused, scorer.scored) == (0, ROWS, [])
    assert ids_in_sql(job) == set(numbers("%d"))


def test_file_that_pandas_wrote_around_a_missing_id_has_the_same_reviews(job):
    """One id missing makes floats of all the others; its row is the only one that is lost."""
    write(job.source, numbers("%d"))
    job.run()
    frame = pd.read_csv(job.source)
    frame.loc[7, "id"] = None
    frame.to_csv(job.source, index=False)
    assert "\n6.0," in job.source.read_text()

    outcome = job.again(run_date=NEXT).run()

    assert (outcome.scored, outcome.reused, outcome.rejected) == (0, ROWS - 1, 1)


@pytest.mark.parametrize("form", ["%d", "%d.0", "%d.00"])
@pytest.mark.parametrize("before", ["%d.0", "%d.00", "%d."])
def test_home_of_an_earlier_version_keeps_its_ids_and_results(job, earlier_version, before, form):
    """Its 5.0 stays 5.0, whatever form comes next; no review is doubled or done again."""
    write(job.source, numbers(before))
    job.run()
    rows, published = sql_rows(job.url, "review_sentiment"), published_rows(job.folder)
    earlier_version.undo()
    write(job.source, numbers(form))
    scorer = FakeScorer()

    tomorrow = job.again(run_date=NEXT)
    outcome = tomorrow.run(scorer)

    assert (outcome.scored, outcome.reused, scorer.scored) == (0, ROWS, [])
    assert sql_rows(job.url, "review_sentiment") == rows
    assert [row["review_id"] for row in published_rows(tomorrow.folder)] == [
        row["review_id"] for row in published
    ]


def test_reviews_known_by_their_text_are_there_once_after_the_rule_of_cleaning_changed(
    job, monkeypatch
):
    """Their rows are those of the home, scored anew where today's rule finds another text."""
    texts = [r"Great.\nBuy it", "I love it", "I <really> love it", "<not> bad", "bad", "Fine<br>"]
    with job.source.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["day", "review"], *(["2026-11-22", t] for t in texts)])
    job = job.again(id_column=None)
    with monkeypatch.context() as earlier:
        earlier.setattr(reviews, "clean", clean_for_id)
        job.run()
    before = ids_in_sql(job)
    scorer = FakeScorer()

    outcome = job.again(run_date=NEXT).run(scorer)

    assert (outcome.scored, outcome.reused) == (3, 3)
    assert sorted(scorer.scored) == ["<not> bad", "Great. Buy it", "I <really> love it"]
    assert ids_in_sql(job) == before and len(before) == len(texts)


def test_finished_run_of_an_earlier_version_is_left_alone(job, earlier_version):
    """Run again with the same input, there is nothing to do."""
    write(job.source, numbers("%d.0"))
    job.run()
    earlier_version.undo()

    job.run()

    assert len(runs(job.url)) == 1


def test_stopped_run_of_an_earlier_version_is_finished_with_its_ids(job, earlier_version):
    """The parts that were cut are scored as they are."""
    write(job.source, numbers("%d.0"))
    job.again(window=Window(datetime(2026, 11, 22, tzinfo=UTC))).run()
    earlier_version.undo()

    assert job.run().scored == ROWS
    assert ids_in_sql(job) == set(numbers("%d.0"))


def test_home_that_has_a_review_twice_goes_on_with_the_whole_number(job, earlier_version):
    """The other one, written by an earlier version, stays where it is."""
    write(job.source, ["5.0", "7.0"])
    job.run()
    write(job.source, ["5", "8"])
    job.again(run_date=NEXT).run()
    earlier_version.undo()
    write(job.source, ["5.00", "7", "8.0", "007"])

    tomorrow = job.again(run_date=date(2026, 11, 24))
    tomorrow.run()

    ids = {row["review_id"] for row in published_rows(tomorrow.folder)}
    assert ids == {"5", "7.0", "8", "007"}
    assert ids_in_sql(job) == {"5", "5.0", "7.0", "8", "007"}


def test_ids_of_other_sources_are_not_mistaken_for_the_own(job, earlier_version):
    """A spelling belongs to one source."""

    class OtherJob(Job):
        def scoring_run(self):
            run = super().scoring_run()
            return replace(run, folder=replace(run.folder, source="other shop"))

    write(job.source, ["5.0"])
    OtherJob(home=job.home, source=job.source, url=job.url).run()
    earlier_version.undo()

    job.run()

    assert {row[:2] for row in sql_rows(job.url, "review_sentiment")} == {
        ("other shop", "5.0"),
        ("shop", "5"),
    }


def test_switch_for_null_words_makes_another_run_and_its_absence_none(job):
    """Without it the digest of a request is what it was; with it the run is done again."""
    write(job.source, ["1", "NULL"])
    request = job.scoring_run().request
    assert replace(request, keep_null_words=True).digest != request.digest
    before = {name: value for name, value in vars(request).items() if name != "keep_null_words"}
    assert (
        replace(type(request)(**before), source="a").digest == replace(request, source="a").digest
    )

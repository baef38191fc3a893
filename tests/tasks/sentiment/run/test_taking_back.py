"""A published night is taken back and put back, and nothing is left of the way."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.sentiment.errors import PublicationError, RunConflict
from tasks.sentiment.run import taken_back, taking_back
from tasks.sentiment.run.publication import read_manifest, remove_source
from tasks.sentiment.run.run_folder import write_json
from tasks.sentiment.run.taken_back import STATE, damages, sources_of
from tasks.sentiment.run.taking_back import Nights
from tasks.sentiment.sql.nights import NightRows
from tasks.sentiment.sql.warehouse import Warehouse
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import RUN_DATE, Job, sql_rows, write_source

NEXT = date(2026, 11, 23)


@pytest.fixture
def two_nights(tmp_path: Path) -> Job:
    """40 reviews on the first night, scored again with others on the second by another model."""
    source = write_source(tmp_path / "shop.csv", 40)
    job = Job(home=tmp_path / "var", source=source, url=f"sqlite:///{tmp_path}/triptych.db")
    job.run()
    write_source(source, 60, first=20)
    return job.again(run_date=NEXT, model_digest="another")


def nights_of(job: Job) -> Nights:
    return Nights(job.home, "shop", job.url)


def published(job: Job) -> dict[str, bytes]:
    """What readers of the Parquet folders see."""
    folders = [job.home / "sentiment" / kind for kind in ("scores", "rejected")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {
        str(file): file.read_bytes()
        for file in files
        if not any(part[0] == "." for part in file.relative_to(job.home).parts)
    }


def results(job: Job) -> list[Any]:
    """The current rows, in every column."""
    rows: list[Any] = in_sql(job)[0]
    return rows


def in_sql(job: Job) -> list[Any]:
    """All rows of all tables, every column."""
    engine = sa.create_engine(job.url)
    tables = ("review_sentiment", "rejected_reviews", "sentiment_runs")
    with engine.connect() as connection:
        found = [
            sorted(map(repr, connection.execute(sa.text(f"SELECT * FROM {t}")))) for t in tables
        ]
    engine.dispose()
    return found


def test_night_before_is_current_again_in_parquet_and_sql(two_nights):
    """Each review has the row that it had, in every column, and those that were new are gone."""
    before, rows = published(two_nights), results(two_nights)
    rejected = sql_rows(two_nights.url, "rejected_reviews")
    two_nights.run()
    assert results(two_nights) != rows

    nights = nights_of(two_nights)
    nights.take_back(NEXT)

    assert (published(two_nights), results(two_nights)) == (before, rows)
    assert sql_rows(two_nights.url, "rejected_reviews") == rejected
    assert (nights.published(), nights.aside()) == ([RUN_DATE], [NEXT])
    assert two_nights.run().status == "finished"  # it can be run again
    assert nights.published() == [RUN_DATE, NEXT]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_back_again_leaves_no_difference(two_nights, kind, request):
    """Files by their bytes, rows in every column; another source of the date is not touched."""
    if kind == "postgres":
        two_nights = two_nights.again(url=request.getfixturevalue("fresh_postgres_url"))
    two_nights.run()
    files, rows = published(two_nights), in_sql(two_nights)
    nights = nights_of(two_nights)

    nights.take_back(NEXT)
    assert published(two_nights) != files and in_sql(two_nights) != rows
    nights.put_back(NEXT)

    assert (published(two_nights), in_sql(two_nights)) == (files, rows)
    assert nights.aside() == [] and sources_of(two_nights.home) == ["shop"]


def test_other_source_of_the_date_stays_where_it_stood(two_nights):
    """In the manifest, too, which comes back to the byte."""
    two_nights.run()
    for folder in (two_nights.folder.scores, two_nights.folder.rejected):
        sources = read_manifest(folder)["sources"]
        other = {**sources["shop"], "files": []}
        write_json(folder / "_manifest.json", {"sources": {**sources, "mail": other}})
    files = published(two_nights)

    nights_of(two_nights).take_back(NEXT)
    assert list(read_manifest(two_nights.folder.scores)["sources"]) == ["mail"]
    nights_of(two_nights).put_back(NEXT)
    assert published(two_nights) == files


def test_night_that_is_run_and_taken_back_twice_is_kept_twice(two_nights):
    """Each run comes back as it was, in whatever order they are asked for."""
    two_nights.run()
    nights, job = nights_of(two_nights), two_nights.again(model_digest="a third")
    first, as_first = nights.published_run(NEXT), (published(two_nights), in_sql(two_nights))
    nights.take_back(NEXT)
    job.run()
    second, as_second = nights.published_run(NEXT), (published(job), in_sql(job))

    nights.take_back(NEXT)
    assert [copy.run_id for copy in nights.copies()] == [first, second]
    nights.put_back(NEXT)  # the one that was taken back last
    assert (published(job), in_sql(job)) == as_second
    assert [copy.run_id for copy in nights.copies()] == [first]

    nights.take_back(NEXT)
    nights.put_back(NEXT, first)
    assert published(job) == as_first[0] and in_sql(job)[0] == as_first[1][0]
    nights.take_back(NEXT)
    nights.put_back(NEXT, second)
    assert (published(job), in_sql(job)) == as_second
    with pytest.raises(PublicationError, match="does not lie aside"):
        nights.take_back(NEXT)
        nights.put_back(NEXT, "another")


def test_copy_of_an_earlier_version_comes_back(two_nights):
    """It has no run in its folder's name, and does not say when it was taken back."""
    two_nights.run()
    before, nights = (published(two_nights), in_sql(two_nights)), nights_of(two_nights)
    folder = nights.take_back(NEXT).folder
    known = json.loads((folder / STATE).read_text())
    del known["taken_back_at"], known["lost"]
    write_json(folder / STATE, known)
    folder.rename(folder.with_name("shop"))

    assert nights.aside() == [NEXT] and sources_of(two_nights.home) == ["shop"]
    nights.put_back(NEXT)
    assert (published(two_nights), in_sql(two_nights)) == before
    assert nights.copies() == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"source": "shop", "state": "gone"}', "null", "\0"]
)
def test_damaged_copy_stops_its_source_alone(two_nights, content):
    """Its file is named, with what helps; other sources do not mind, nor does a night on its way
    there that was never finished."""
    two_nights.run()
    nights = nights_of(two_nights)
    file = nights.take_back(NEXT).folder / STATE
    file.write_text(content)

    for ask in (nights.aside, nights.finish, partial(nights.put_back, NEXT)):
        with pytest.raises(PublicationError, match=r"night\.json is damaged .*: bring it back"):
            ask()
    assert Nights(two_nights.home, "mail", two_nights.url).aside() == []
    assert [str(file) in fault for fault in damages(two_nights.home)] == [True]
    assert sources_of(two_nights.home) == ["shop"]
    shutil.rmtree(two_nights.home / "sentiment" / "scores")
    assert sources_of(two_nights.home) == ["shop"]  # as the folder's name tells it


@pytest.mark.parametrize("content", [None, b"", b"PAR1PAR1"])
def test_damaged_rows_are_named_and_change_nothing(two_nights, content):
    """Of the night before, while one is taken back; and of what lies aside, while it is put back.
    Digests of texts are not worth a refusal."""
    two_nights.run()
    nights, before = nights_of(two_nights), (published(two_nights), in_sql(two_nights))
    folder = two_nights.again(run_date=RUN_DATE).folder.scores

    def spoil(file: Path) -> bytes:
        whole = file.read_bytes()
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        return whole

    part = folder / "part-shop-00000.parquet"
    whole = spoil(part)
    with pytest.raises(
        PublicationError, match=r"part-shop-00000\.parquet cannot be read .*: bring"
    ):
        nights.take_back(NEXT)
    part.write_bytes(whole)
    assert (published(two_nights), in_sql(two_nights)) == before

    spoil(folder / "_texts-shop-00000")
    copy = nights.take_back(NEXT)
    there = published(two_nights), in_sql(two_nights)
    rows = copy.folder / "sql-scores.parquet"
    whole = spoil(rows)
    with pytest.raises(PublicationError, match=r"sql-scores\.parquet cannot be read .*: bring"):
        nights.put_back(NEXT)
    assert (published(two_nights), in_sql(two_nights)) == there
    rows.write_bytes(whole)
    assert [each.run_id for each in nights.finish()] == [copy.run_id]
    assert in_sql(two_nights) == before[1]


def test_damaged_manifest_stops_the_sources_alone_that_have_files_there(two_nights):
    two_nights.run()
    manifest = two_nights.folder.scores / "_manifest.json"
    manifest.write_text("{")
    with pytest.raises(PublicationError, match="is damaged"):
        nights_of(two_nights).published()
    assert Nights(two_nights.home, "sho", two_nights.url).published() == []
    assert sources_of(two_nights.home) == ["shop"]
    assert [str(manifest) in fault for fault in damages(two_nights.home)] == [True]


def test_rows_that_no_night_has_any_more_are_counted(two_nights):
    """Before it is done and after; where no night is gone, they are new and nothing is lost."""
    two_nights.run()
    nights = nights_of(two_nights)
    assert nights.lost_by([NEXT]) == 0  # of the 60, 20 were there before: 40 are new
    for kind in ("rejected", "scores"):
        remove_source(getattr(two_nights.again(run_date=RUN_DATE).folder, kind), "shop")

    scored = len(results(two_nights)) - 20  # r0 to r19 are of the first night
    assert nights.lost_by([NEXT]) == nights.take_back(NEXT).lost == scored


def test_night_of_an_earlier_version_gives_rows_that_are_scored_anew(two_nights):
    """It has published no digests of texts: all else of a row is as it was."""
    first, rows = two_nights.again(run_date=RUN_DATE), results(two_nights)
    for file in first.folder.scores.glob("_texts-*"):
        file.unlink()
    folder = first.folder.scores
    sources = read_manifest(folder)["sources"]
    parts = [name for name in sources["shop"]["files"] if name.startswith("part-")]
    entry = {**sources["shop"], "files": parts}
    write_json(folder / "_manifest.json", {"sources": {"shop": entry}})
    two_nights.run()
    nights_of(two_nights).take_back(NEXT)

    assert results(two_nights) != rows
    digests = {row[7] for row in sql_rows(two_nights.url, "review_sentiment")}
    assert "" in digests
    outcome = two_nights.again(model_digest="digest-of-the-fake").run()
    assert outcome.status == "finished" and outcome.scored == outcome.rows_read - outcome.rejected


def killed_at(step: int, do: Callable[[], object]) -> bool:
    """Do it in a process that is killed at its n-th step; whether it came so far."""
    child = os.fork()
    if child == 0:
        try:
            passed = 0

            def around(function: Callable[..., Any]) -> Callable[..., Any]:
                def wrapper(*arguments: Any, **options: Any) -> Any:
                    nonlocal passed
                    passed += 1
                    if passed == step:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return function(*arguments, **options)

                return wrapper

            for name in ("remove_source", "restore_source", "exchange", "write_json"):
                setattr(taking_back, name, around(getattr(taking_back, name)))
            setattr(taken_back, "write_json", around(write_json))  # noqa: B010
            for name in ("take_out", "put_back"):
                method = getattr(NightRows, name)
                setattr(NightRows, name, around(method))
            shutil.rmtree = around(shutil.rmtree)  # type: ignore[assignment]
            do()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_kill_at_any_step_is_finished_by_the_next(two_nights):
    """There and back, each step in turn: it ends as if nothing had happened."""
    two_nights.run()
    nights = nights_of(two_nights)
    there = published(two_nights), in_sql(two_nights)
    nights.take_back(NEXT)
    back = published(two_nights), in_sql(two_nights)
    nights.put_back(NEXT)

    kills = 0
    for change, before, after in (("take_back", there, back), ("put_back", back, there)):
        step, killed = 1, True
        while killed:
            killed = killed_at(step, partial(getattr(nights, change), NEXT))
            if not nights.finish() and killed:  # nothing had begun to change
                assert (published(two_nights), in_sql(two_nights)) in (before, after)
            if (published(two_nights), in_sql(two_nights)) == before:
                getattr(nights, change)(NEXT)
            assert (published(two_nights), in_sql(two_nights)) == after
            if killed:  # once more from the start
                getattr(nights, "put_back" if change == "take_back" else "take_back")(NEXT)
                assert (published(two_nights), in_sql(two_nights)) == before
            step += 1
        kills += step - 2
    assert kills >= 10


def test_night_that_was_run_again_is_not_replaced(two_nights):
    """Nor is one taken back whose run the database does not know."""
    two_nights.run()
    nights = nights_of(two_nights)
    nights.take_back(NEXT)
    two_nights.run(FakeScorer())
    with pytest.raises(PublicationError, match="was run again since it was taken back"):
        nights.put_back(NEXT)
    other = Nights(two_nights.home, "shop", f"sqlite:///{two_nights.home}/other.db")
    Warehouse(other.url).prepare()
    with pytest.raises(PublicationError, match="the database does not know run"):
        other.take_back(NEXT)


def test_it_waits_for_no_run_that_is_at_work(two_nights):
    """It says so at once, and changes nothing."""
    two_nights.run()
    with two_nights.folder.lock(), pytest.raises(RunConflict, match="is at work here"):
        nights_of(two_nights).take_back(NEXT)
    assert nights_of(two_nights).published() == [RUN_DATE, NEXT]


@pytest.mark.parametrize("content", [None, b"PAR1PAR1"])
@pytest.mark.parametrize("kind", ["scores", "rejected"])
def test_copy_that_is_not_whole_moves_nothing(two_nights, kind, content):
    """Neither in SQL nor in Parquet: what lies aside is looked at before anything is put back."""
    two_nights.run()
    nights = nights_of(two_nights)
    copy = nights.take_back(NEXT)
    there = published(two_nights), in_sql(two_nights)
    part = max((copy.folder / kind).glob("part-*.parquet"))
    part.unlink() if content is None else part.write_bytes(content)

    with pytest.raises(PublicationError, match=rf"{part.name} cannot be read .*: bring"):
        nights.put_back(NEXT)

    assert (published(two_nights), in_sql(two_nights)) == there
    assert nights.aside() == [NEXT]

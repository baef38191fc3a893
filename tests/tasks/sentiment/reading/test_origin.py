"""Two inputs of one name are not taken for one source, and one input in several ways is."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading import origin as origins
from tasks.sentiment.reading.origin import Origin, place_of_files, place_of_query, refuse_taken_name
from tasks.sentiment.run.scoring_run import ScoringRun
from tasks.sentiment.sql.warehouse import Warehouse
from tests.tasks.sentiment.small_run import Job, published_rows, runs, sql_rows, write_source

NEXT = date(2026, 11, 23)
SQLITE = "sqlite:////data/feed.db"


@dataclass(frozen=True)
class PlacedJob(Job):
    """A job that knows where its rows come from."""

    is_named: bool = False

    def scoring_run(self) -> ScoringRun:
        return replace(
            super().scoring_run(), origin=Origin(place_of_files(str(self.source)), self.is_named)
        )


@pytest.fixture
def job(tmp_path: Path, database_url: str) -> PlacedJob:
    (tmp_path / "a").mkdir()
    source = write_source(tmp_path / "a" / "shop.csv", 50)
    return PlacedJob(home=tmp_path / "var", source=source, url=database_url)


@pytest.fixture
def other(job: PlacedJob, tmp_path: Path) -> PlacedJob:
    """Another shop's file of the same name."""
    (tmp_path / "b").mkdir()
    return job.again(source=write_source(tmp_path / "b" / "shop.csv", 50, first=1000))


@pytest.mark.parametrize("run_date", [date(2026, 11, 22), NEXT])
def test_second_input_of_a_name_is_refused_and_changes_nothing(job, other, run_date):
    """On the same run date and on another; the line says who has the name and what to give."""
    job.run()
    before = (published_rows(job.folder), sql_rows(job.url, "review_sentiment"), runs(job.url))

    with pytest.raises(SourceError) as error:
        other.again(run_date=run_date).run()

    assert str(job.source) in str(error.value)
    assert "--source-name and another name" in str(error.value)
    assert "give --source-name shop" in str(error.value)
    after = (published_rows(job.folder), sql_rows(job.url, "review_sentiment"), runs(job.url))
    assert after == before


def test_same_path_goes_on_with_other_content_and_another_run_date(job):
    """A nightly file, and a run that is started again."""
    job.run()
    job.run()
    write_source(job.source, 60)

    assert job.again(run_date=NEXT).run().scored == 10


def test_given_name_joins(job, other):
    """Whoever gives the name means it; from then on both places have it."""
    job.run()

    assert other.again(is_named=True, run_date=NEXT).run().status == "finished"
    assert other.again(run_date=date(2026, 11, 24)).run().status == "finished"
    assert job.again(run_date=date(2026, 11, 25)).run().status == "finished"


def test_name_that_was_given_to_another_input_is_not_taken_by_a_file(job, other):
    """The file is called as somebody has called something else."""
    job.again(is_named=True).run()

    with pytest.raises(SourceError, match="have a source shop already"):
        other.run()


def test_home_of_an_earlier_version_adopts_the_first_comer(job, other):
    """It has kept no origins; the first input has the name from then on."""
    job.run()
    engine = sa.create_engine(job.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE sentiment_sources"))
    engine.dispose()

    assert other.again(run_date=NEXT).run().status == "finished"
    with pytest.raises(SourceError):
        job.again(run_date=NEXT).run()


def test_run_that_stored_nothing_takes_no_name(job, other):
    """A mistaken path that fails does not keep the right one from its name."""
    other.source.write_text("id,day,review\r\n1,2026-11-22,\r\n")
    with pytest.raises(Exception, match="rejected"):
        other.run()

    assert job.run().status == "finished"


def test_file_in_a_folder_of_the_day_is_one_feed(job, tmp_path):
    """Day after day in a new folder; two of them do not make one run date."""
    for day in ("2026-11-22", "2026-11-23"):
        (tmp_path / f"in-{day}").mkdir()
        shutil.copy(job.source, tmp_path / f"in-{day}" / "shop.csv")
    first = job.again(source=tmp_path / "in-2026-11-22" / "shop.csv")
    second = job.again(source=tmp_path / "in-2026-11-23" / "shop.csv")
    first.run()

    assert second.again(run_date=NEXT).run().reused == 48
    with pytest.raises(SourceError, match=r"run date 2026-11-22 of shop is published from .*in-"):
        second.run()
    assert second.again(is_named=True).run().status == "finished"


def test_linked_folder_is_the_same_place(job, tmp_path):
    """Two ways to one file."""
    (tmp_path / "link").symlink_to(job.source.parent)
    job.run()

    assert job.again(source=tmp_path / "link" / "shop.csv", run_date=NEXT).run().scored == 0


def test_of_many_that_claim_a_name_at_once_one_gets_it(database_url):
    """Processes on any machine, through their database."""
    warehouse = Warehouse(database_url)
    warehouse.prepare()

    def claim(number: int) -> bool:
        own = Warehouse(database_url)
        try:
            origin = Origin(f"/{'abcdefgh'[number]}/shop.csv")
            own.claim_origin("shop", origin, "run", datetime.now(UTC))
        except SourceError:
            return False
        finally:
            own.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_database_without_the_right_to_make_tables_goes_on(fresh_postgres_url, tmp_path, caplog):
    """An administrator made the tables of an earlier version; one line says what is missing."""
    url = sa.make_url(fresh_postgres_url)
    role = f"clerk_{url.database}"
    Warehouse(fresh_postgres_url).prepare()
    engine = sa.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE sentiment_sources",
            f"CREATE ROLE {role} LOGIN",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        ):
            connection.exec_driver_sql(statement)
    limited = url.set(username=role).render_as_string(hide_password=False)
    source = write_source(tmp_path / "shop.csv", 50)

    assert PlacedJob(home=tmp_path / "var", source=source, url=limited).run().scored == 48

    assert "no right to create the table sentiment_sources" in caplog.text
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")
        connection.exec_driver_sql(f"DROP ROLE {role}")
    engine.dispose()


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("/a/reviews.csv", "/b/reviews.csv"),
        ("/a/x", "/a/x.csv"),
        ("/a/x.csv", "/a/x.parquet"),
        ("/a/x.csv", "/a/x.csv.gz"),
        ("/a/x", "/a/x/*.csv"),
        ("/a/x/a*.csv", "/a/x/b*.csv"),
        ("/shop-1/x.csv", "/shop-2/x.csv"),
        ("/2025/x.csv", "/2026/x.csv"),
        ("/a/12345678/x.csv", "/a/12345679/x.csv"),
        ("/merchants/200112/x.csv", "/merchants/200205/x.csv"),
        ("/merchants/2001-12/x.csv", "/merchants/200112/x.csv"),
        ("/shops/201011/x.csv", "/shops/201203/x.csv"),
    ],
)
def test_places_of_different_inputs_are_told_apart(one, another):
    """Whatever their names are made from."""
    known = Origin(place_of_files(one))

    with pytest.raises(SourceError):
        refuse_taken_name("x", Origin(place_of_files(another)), [(known.key, known.place)])


def test_months_folder_stays_one_feed_in_a_home_of_an_earlier_version(job, tmp_path, monkeypatch):
    """Its six digits were a month; the key of today is kept from then on."""
    months = [tmp_path / name / "shop.csv" for name in ("202611", "202612", "202701")]
    for file in months:
        file.parent.mkdir()
        shutil.copy(job.source, file)
    with monkeypatch.context() as earlier:
        earlier.setattr(origins, "_DAY_IN_PATH", origins._DAY_IN_PATH_BEFORE)
        job.again(source=months[0]).run()

    assert job.again(source=months[1], run_date=NEXT).run().reused == 48
    assert job.again(source=months[2], run_date=date(2026, 11, 24)).run().reused == 48

    kept = {row[1] for row in sql_rows(job.url, "sentiment_sources")}
    assert {Origin(str(file)).key for file in months[1:]} < kept
    with pytest.raises(SourceError):
        job.again(run_date=date(2026, 11, 25)).run()


def test_key_of_an_earlier_version_is_known_by_its_digest():
    """As that version stored it for a folder of November."""
    known = [("4e840d05b861aa0026d9a5c2aa614ebe", "/in/202611/reviews.csv")]

    refuse_taken_name("reviews", Origin("/in/202612/reviews.csv"), known)
    with pytest.raises(SourceError, match="give --source-name reviews"):
        refuse_taken_name("reviews", Origin("/out/202612/reviews.csv"), known)


def test_months_folder_is_a_source_of_its_own_in_a_new_home():
    """The same digits may be a merchant's number; the line says what to give for a feed."""
    first = Origin("/in/202611/reviews.csv")

    with pytest.raises(SourceError, match="give --source-name reviews"):
        known = [(first.key, first.place)]
        refuse_taken_name("reviews", Origin("/in/202612/reviews.csv"), known)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("/a/x.csv", "/a/b/../x.csv"),
        ("/a/x", "/a/x/"),
        ("/a/2026-11-22/x.csv", "/a/2026-11-23/x.csv"),
        ("/a/20261122/x.csv", "/a/20270101/x.csv"),
        ("/a/date=2026-11-22/*.csv", "/a/date=2026-12-01/*.csv"),
        ("/a/2026/11/22/x.csv", "/a/2026/11/23/x.csv"),
        ("/a/2026-11/x.csv", "/a/2026-12/x.csv"),
        ("/a/month=202611/x.csv", "/a/month=202612/x.csv"),
        ("/a/22.11.2026/x.csv", "/a/23.11.2026/x.csv"),
    ],
)
def test_places_of_one_feed_are_one_origin(one, another):
    """Spelled otherwise, or of another day."""
    assert Origin(place_of_files(one)).key == Origin(place_of_files(another)).key


def test_link_is_a_place_of_its_own(tmp_path):
    """`latest.csv` leads elsewhere each day."""
    (tmp_path / "latest.csv").symlink_to(tmp_path / "2026-11-22.csv")

    assert place_of_files(str(tmp_path / "latest.csv")) == str(tmp_path / "latest.csv")


def test_query_is_known_by_its_text_and_its_database():
    """Not by user and password; the results' own database may move."""
    places = [
        place_of_query(query, url, SQLITE)
        for query, url in [
            ("SELECT 1", "postgresql+psycopg://me:secret@host/shop"),
            ("SELECT 1", "postgresql://you:other@host/shop?connect_timeout=5"),
            ("SELECT 1", "postgresql://me@host/shop2"),
            ("SELECT 1", "postgresql://me@host/shop?options=-csearch_path%3Dshop2"),
            ("SELECT 2", "postgresql://me@host/shop"),
            ("SELECT 1", SQLITE),
        ]
    ]

    assert places[0] == places[1]
    assert len(set(places)) == 5
    assert "secret" not in "".join(places)
    assert places[5] == place_of_query("SELECT 1", "sqlite:////moved.db", "sqlite:////moved.db")

"""A run is done exactly once, whatever happens to the process that does it."""

from pathlib import Path

import pytest

from tests.fakes import FakeScorer
from tests.tasks.sentiment.kill import (
    boundaries_of,
    random_moments,
    run_and_kill_after,
    run_and_kill_at,
)
from tests.tasks.sentiment.small_run import Job, published_rows, runs, sql_rows, wipe, write_source

pytestmark = pytest.mark.slow

ROWS = 200


@pytest.fixture
def job(tmp_path: Path, database_url: str) -> Job:
    source = write_source(tmp_path / "shop.csv", ROWS)
    return Job(home=tmp_path / "var", source=source, url=database_url)


def result(job: Job) -> tuple[object, ...]:
    """What a reader of the results finds, run ids and times aside."""
    return (
        published_rows(job.folder),
        sql_rows(job.url, "review_sentiment"),
        sql_rows(job.url, "rejected_reviews"),
    )


def forget(job: Job) -> None:
    """Back to a machine on which nothing has run."""
    import sqlalchemy as sa

    wipe(job.home)
    if job.url.startswith("sqlite"):
        for file in Path(job.url.removeprefix("sqlite:///")).parent.glob("*.db*"):
            file.unlink()
        return
    engine = sa.create_engine(job.url)
    with engine.begin() as connection:
        for table in ("review_sentiment", "rejected_reviews", "sentiment_runs"):
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))
    engine.dispose()


def assert_recovers(job: Job, undisturbed: tuple[object, ...], moment: str) -> None:
    """After a kill, readers see nothing or the whole run, and a second run completes it."""
    before = published_rows(job.folder)
    assert before in ([], undisturbed[0]), f"half a run published, killed at {moment}"
    outcome = job.run()
    assert outcome.status == "finished"
    assert result(job) == undisturbed, f"killed at {moment}"
    assert not job.folder.staging.exists()
    last = runs(job.url)[-1]
    assert last["status"] == "finished"
    assert last["rows_read"] == last["scored"] + last["reused"] + last["rejected"] == ROWS
    assert all(run["status"] in ("finished", "failed") for run in runs(job.url))


@pytest.fixture
def undisturbed(job: Job) -> tuple[object, ...]:
    job.run()
    found = result(job)
    forget(job)
    return found


def test_run_killed_at_any_step_boundary_is_finished_by_running_it_again(job, undisturbed):
    """Killed before and after every visible change, the results equal an undisturbed run's."""
    boundaries = boundaries_of(job)
    assert len(boundaries) > 30
    step = 1 if job.url.startswith("sqlite") else 4
    for boundary in boundaries[::step]:
        forget(job)
        run_and_kill_at(job, boundary)
        assert_recovers(job, undisturbed, f"boundary {boundary}")


def test_run_killed_at_random_moments_is_finished_by_running_it_again(job, undisturbed):
    """Twenty kills at random moments, some of them of a run that goes on after another kill."""
    killed = 0
    for i, moment in enumerate(random_moments(20, until_s=0.3, seed=7)):
        forget(job)
        killed += run_and_kill_after(job, moment)
        if i % 3 == 0:
            run_and_kill_after(job, moment)
        assert_recovers(job, undisturbed, f"{moment:.3f} s")
    assert killed >= 10


def test_finished_parts_are_not_scored_again_after_a_kill(job, undisturbed):
    """What the killed run had finished, the next one takes as it is."""
    boundary, done = 0, 0
    while done < 2:  # the first boundary that lies behind two finished parts
        boundary += 5
        forget(job)
        run_and_kill_at(job, boundary)
        done = len(list(job.folder.staging.glob("scores-*.json")))

    scorer = FakeScorer()
    job.run(scorer)

    assert len(scorer.scored) == ROWS - ROWS // 25 - 2 * job.rows_per_part > 0


def test_finished_run_started_again_changes_nothing(job):
    """Not a row, not a run, not a file."""
    job.run()
    before = (result(job), runs(job.url), sorted(job.home.rglob("*")))

    scorer = FakeScorer()
    outcome = job.run(scorer)

    assert (outcome.status, outcome.scored, scorer.scored) == ("finished", 0, [])
    assert outcome.rows_read == outcome.reused + outcome.rejected == ROWS
    assert (result(job), runs(job.url), sorted(job.home.rglob("*"))) == before

"""What the report of a night is made of."""

from datetime import UTC, date, datetime

from tasks.sentiment import attempt as room
from tasks.sentiment.gathering import gather
from tasks.sentiment.window import Window
from tests.fakes import FakeScorer
from tests.tasks.sentiment.nights import Job, write_source


def test_stopped_night_is_compared_by_all_rows_that_were_read(tmp_path):
    """Rejects are known of the whole input; its few scored rows do not make their share large."""
    source = write_source(tmp_path / "reviews.csv", 2_000)
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    job.run()
    tonight = job.again(
        run_date=date(2026, 11, 23),
        rescore=True,
        window=Window(datetime(2026, 11, 23, 5, 30, tzinfo=UTC)),
        clock=lambda: datetime(2026, 11, 23, 1, 0, tzinfo=UTC),
    ).attempt()
    room.begin(tonight)
    plan = room.cut(tonight, job.open())
    room.score(tonight, plan, 0, FakeScorer)
    outcome = room.stop(tonight, plan, "float32")
    assert outcome.rejected > 0.3 * outcome.rows_read  # of what has a result by now

    report = gather(tonight, plan, "float32", outcome)

    assert report.comparison is not None
    assert not [text for text in report.comparison.warnings if "rejected" in text]

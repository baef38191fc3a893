"""The last night of each source, from the rows of its runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tasks.operations.records import Records
from tasks.operations.status.panels import read_nights
from tasks.operations.status.state import Night
from tasks.sentiment.sql.nights import TAKEN_BACK
from tasks.sentiment.sql.tables import RunRow
from tasks.sentiment.sql.warehouse import Warehouse
from tasks.settings import Settings

Begin = Callable[..., None]
NIGHT = RunRow(
    run_id="",
    source="shop",
    run_date=date(2026, 11, 20),
    status="finished",
    model="m",
    model_digest="d",
    precision="float32",
    started_at=datetime(2026, 11, 20, 1, tzinfo=UTC),
)


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Write a run down: its day in November, and what else is other than usual."""
    warehouse = Warehouse(Settings(home=tmp_path).warehouse_url)
    warehouse.prepare()
    numbers = iter(range(100))

    def begin(day: int, **changes: object) -> None:
        number = next(numbers)
        begun = NIGHT.started_at + timedelta(hours=number)
        run = replace(NIGHT, run_id=str(number), run_date=date(2026, 11, day), started_at=begun)
        warehouse.begin_run(replace(run, status="running"))
        warehouse.update_run(str(number), **{"status": "finished", **changes})

    return begin


def last_night(home: Path) -> Night:
    records = Records(Settings(home=home))
    try:
        (night,) = read_nights(records)
    finally:
        records.close()
    return night


def test_last_night_is_that_of_the_newest_date(begin, tmp_path):
    """Whenever nights of the past are run, and whatever becomes of them."""
    for day in (17, 18, 19, 20, 3, 4):
        begin(day)
    begin(5, status="failed", message="no such file")

    night = last_night(tmp_path)

    assert (night.run_date, night.status, night.finished) == (
        "2026-11-20",
        "finished",
        "2026-11-20",
    )


def test_night_that_was_taken_back_is_no_night_that_was_stopped(begin, tmp_path):
    """The one before is the last; nothing waits for its window."""
    begin(17)
    for day in (18, 19, 20):
        begin(day, status="stopped", message=TAKEN_BACK)

    night = last_night(tmp_path)

    assert (night.run_date, night.status, night.stopped) == ("2026-11-17", "finished", 0)


@pytest.mark.parametrize(
    ("sources", "is_offered"),
    [
        (["in/reviews.csv", "in/reviews.csv"], True),
        (["in/2026/11/18/r.csv", "in/2026/11/19/r.csv"], False),
        (["in/wednesday.csv", "in/thursday.csv"], False),
        (["in/reviews.csv"], False),  # of one night nobody knows
    ],
)
def test_command_never_names_what_another_night_alone_has_read(
    begin, tmp_path, sources, is_offered
):
    """Its rows would be published as those of the night that failed."""
    for day, source in enumerate(sources, start=18):
        begin(day)
        folder = tmp_path / "sentiment" / "scores" / f"run_date=2026-11-{day}"
        folder.mkdir(parents=True)
        request = {"source": source, "text_column": "review"}
        manifest = {"sources": {"shop": {"request": request}}}
        (folder / "_manifest.json").write_text(json.dumps(manifest))
    begin(20, status="failed", message="the disk is full")

    command = last_night(tmp_path).command

    assert (command is not None) == is_offered
    if command:
        assert sources[-1] in command and command.endswith("--run-date 2026-11-20")

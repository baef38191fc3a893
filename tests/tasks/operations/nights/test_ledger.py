"""The table of nights, on SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.storage.errors import StorageError
from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.policy import Known, Night

NIGHT = Night("a/nightly", datetime(2026, 11, 23, 0, 30, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
NEXT = replace(NIGHT, due=NIGHT.due + timedelta(days=1))


def test_night_has_one_row_from_its_begin_to_its_end(database_url):
    """Prepared as often as you like; what is over does not change by itself."""
    ledger = Ledger(database_url)
    ledger.prepare()
    ledger.prepare()
    assert ledger.find(NIGHT) is None and ledger.newest("a/nightly") is None

    ledger.record(NIGHT, "begun", "run-1")
    assert ledger.find(NIGHT) == Known("begun", "run-1")
    assert (ledger.begun(), ledger.latest()) == (["run-1"], [])
    assert ledger.finish("run-1", "done")
    assert not ledger.finish("run-1", "crashed")
    ledger.record(NEXT, "skipped", reason="Missed.")

    assert ledger.find(NIGHT) == Known("done", "run-1")
    (latest,) = ledger.latest()
    assert (latest.night, latest.status, latest.reason) == (
        "2026-11-24 01:30",
        "skipped",
        "Missed.",
    )
    assert ledger.newest("a/nightly") == NEXT.due
    assert ledger.begun() == []
    ledger.close()


def test_database_that_cannot_be_used_is_an_error_of_one_line(tmp_path):
    """Whoever asks goes on without."""
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StorageError, match="database sqlite"):
        Ledger(f"sqlite:///{tmp_path / 'folder.db'}").prepare()

"""How everything stands, on one screen."""

import json
import os
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from edge.fleet.tables import DEVICES
from services.fraud.log.tables import FRAUD_DRIFT
from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from services.storage.database import Database
from services.storage.process import this_machine
from tasks.operations.status.show import show_status
from tasks.orchestration.running_server import note_server
from tests.tasks.operations.worked import DEVICE


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def home(worked_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose devices were judged just now, whenever it was made."""
    database = Database(f"sqlite:///{worked_home / 'triptych.db'}")
    with database.transaction(writes=True) as connection:
        connection.execute(sa.update(DEVICES).values(judged_at=datetime.now(UTC)))
    database.close()
    monkeypatch.setenv("TRIPTYCH_HOME", str(worked_home))
    return worked_home


def told(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = show_status(as_json=False)
    return status, capsys.readouterr().out


def test_home_that_is_well_needs_nobody(home, capsys):
    """A line or three for each part, and status 0."""
    status, output = told(capsys)

    assert "shop: 2026-11-22 finished, 50 rows: 48 scored, 2 rejected" in output
    assert f"champion {store.tags(home)[0]}\n" in output
    assert "average precision 0.680 (its card: 0.700)" in output
    assert "release parts 1.2.3; published: parts 1.2.3 (100% of stable)" in output
    assert "1 device: 1 ok; 1 on parts 1.2.3" in output
    assert "no Prefect server runs for this home" in output and " GB free of " in output
    assert (status, output.endswith("\nnothing needs a person\n")) == (0, True)


@pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")
def test_server_that_does_not_answer_is_no_absent_one(home, capsys):
    """Its process lives: a person is told what to do, and the exit status is 1."""
    note_server(home, "http://127.0.0.1:1/api", os.getpid())
    status, output = told(capsys)
    text = " ".join(output.split())
    assert f"its process {os.getpid()} lives, and it takes no requests" in text
    assert f"do: wait, or see its log; if that does not help, kill {os.getpid()}" in text
    assert status == 1


@pytest.mark.parametrize(
    ("verdict", "status", "line"),
    [
        ("stable", 0, None),
        ("some change", 0, "drift on 2026-11-21: some change of TX_AMOUNT (0.41)"),
        ("large change", 1, "drift on 2026-11-21: large change of TX_AMOUNT (0.41)"),
    ],
)
def test_drift_that_the_audit_has_found_is_told_under_the_champion(
    home, capsys, verdict, status, line
):
    """What the audit calls a large change needs a person; another model's is not the champion's."""
    row = {"day": date(2026, 11, 21), "rows": 20, "psi": 0.41, "run_id": "audit"}
    mine = {"feature": "TX_AMOUNT", "model": store.tags(home)[0], "verdict": verdict}
    other = {"feature": "TX_OTHER", "model": "fraud_detector:old", "verdict": "large change"}
    database = Database(f"sqlite:///{home / 'triptych.db'}", patience_s=60)
    with database.transaction(writes=True) as connection:
        connection.execute(sa.insert(FRAUD_DRIFT), [{**row, **mine}, {**row, **other}])
    database.close()

    found, output = told(capsys)

    lines = [each.strip() for each in output.splitlines()]
    assert (found, [each for each in lines if each.startswith("drift")]) == (
        status,
        [line] if line else [],
    )
    assert ("transactions of 2026-11-21 differ" in output) == (status == 1)
    assert "TX_OTHER" not in output


def test_what_needs_a_person_is_numbered_with_what_to_type(home, capsys):
    """A failed night, a damaged champion, a blocked promotion, a silent device; status 1."""
    with sqlite3.connect(home / "triptych.db") as database:
        database.execute(
            "UPDATE sentiment_runs SET status = 'failed', message = 'the disk is full'"
        )
        database.execute(
            "UPDATE devices SET health = 'silent', reason = 'last heard of 2 days ago'"
        )
    database.close()
    tag = store.tags(home)[0]
    (home / "bentoml" / "models" / tag.replace(":", "/") / "model.tflite").write_bytes(b"cut")
    Registry(home).block("audit of 2026-11-22: fallen")

    status, output = told(capsys)

    assert status == 1 and "\n4 things need a person:\n1. the night of shop" in output
    assert "type: triptych score-sentiment --source " in output
    assert "model.tflite in " in output and "is not what was saved" in output
    assert "promotion is blocked: audit of 2026-11-22: fallen" in output
    assert f"device {DEVICE} is silent: last heard of 2 days ago" in output


def test_json_holds_the_same(home, capsys):
    """For programs, with the troubles."""
    assert show_status(as_json=True) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["nights"][0]["scored"], told["troubles"]) == (48, [])


def test_home_in_which_nothing_has_run_says_what_to_type_first(tmp_path, monkeypatch, capsys):
    """And nothing is made there; a folder that is empty tells how to begin with each panel."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))
    assert told(capsys) == (
        0,
        f"Nothing has run in {tmp_path / 'var'} yet. First type: triptych up\n",
    )
    assert not (tmp_path / "var").exists()

    (tmp_path / "var").mkdir()
    status, output = told(capsys)
    assert status == 0
    for first in ("score-sentiment", "train-fraud", "publish-detector --model bundled"):
        assert f"triptych {first}" in output
    assert not list((tmp_path / "var").iterdir())


def test_database_that_is_away_is_a_trouble_and_no_traceback(home, capsys, monkeypatch):
    """What does not need it is shown all the same."""
    monkeypatch.setenv("TRIPTYCH_DATABASE_URL", "postgresql+psycopg://a:secret@127.0.0.1:1/x")

    status, output = told(capsys)

    assert status == 1 and "release parts 1.2.3" in output
    assert "127.0.0.1" in output and "secret" not in output

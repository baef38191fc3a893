"""The audit of the fraud detector, as its user starts it."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.fraud.scoring.registry import Registry
from services.fraud.state.snapshot import read_pointer
from tests.flows.command import command
from tests.services.fraud.answered import (
    RUN_DATE,
    a_card,
    draw_traffic,
    save_model,
    write_traffic,
)

pytestmark = pytest.mark.slow

FLOW = "flows.audit_fraud"
OF_THE_DAY = ("--run-date", RUN_DATE.isoformat())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "var"
    home.mkdir()
    return home


def audit(home: Path, *arguments: str) -> tuple[int, str, str]:
    process = command(FLOW, home, *OF_THE_DAY, *arguments)
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


def sql(home: Path, query: str) -> list[Any]:
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(query)))
    engine.dispose()
    return rows


def test_command_audits_blocks_and_says_so(home, tmp_path):
    """Labels from a file, figures in SQL, a page, a snapshot, and a block that is not missed."""
    tag = save_model(home, tmp_path / "model", a_card(average_precision=0.7))
    Registry(home).promote(tag, "a test")
    traffic = draw_traffic(RUN_DATE - timedelta(days=21), 21, 200, skill=1.0, fraud_share=0.05)
    write_traffic(f"sqlite:///{home / 'triptych.db'}", traffic, model=tag, labelled=False)
    labels = tmp_path / "labels.csv"
    traffic.table[["transaction_id", "label"]].rename(columns={"label": "is_fraud"}).to_csv(
        labels, index=False
    )

    code, output, errors = audit(home, "--labels", str(labels))

    assert code == 0, errors
    assert not re.search(r"Traceback|Warning|Error|ERROR", output + errors), output + errors
    assert "PROMOTION IS BLOCKED" in output and "QUALITY HAS FALLEN" in output
    assert "4,200 loaded, 0 of transactions that are not in the log" in output
    assert "4,200 transactions from the log of answers" in output
    blocked = Registry(home).blocked()
    assert blocked is not None and blocked.startswith("audit of 2026-11-22")
    (page,) = (home / "fraud" / "reports").glob("2026-11-22-*.html")
    assert str(page) in output and "<svg" in page.read_text()
    assert sql(home, "SELECT count(*), sum(labelled) FROM fraud_daily_metrics") == [(21, 2_800)]
    assert sql(home, "SELECT count(DISTINCT day) FROM fraud_drift") == [(21,)]
    pointer = read_pointer(home)
    assert pointer is not None and pointer.rows == 4_200


def test_command_has_nothing_to_audit_yet(home, run_here):
    """A new home: kind words, a page, and status 0. A mistake is answered in one line."""
    code, output, errors = run_here("audit_fraud", home, *OF_THE_DAY, "--labels", "nowhere.csv")
    assert code == 1, errors
    assert "error: nowhere.csv: does not exist" in errors
    assert "Traceback" not in output + errors

    code, output, errors = run_here("audit_fraud", home, *OF_THE_DAY)

    assert code == 0, errors
    assert "Traceback" not in output + errors
    assert "quality is not known yet" in output and "There is no champion." in output
    assert len(list((home / "fraud" / "reports").glob("*.html"))) == 1
    assert read_pointer(home) is None


def test_command_refuses_a_limit_that_is_none(home, run_here):
    """The line names the option, and nothing is started."""
    code, output, errors = run_here("audit_fraud", home, "--max-ap-drop", "2")
    assert code == 2, errors
    assert "--max-ap-drop: Input should be less than or equal to 1" in errors
    assert "Traceback" not in output + errors

"""`triptych backfill` as it is typed: real runs, one of them without a source, and a kill."""

import signal
import time
from pathlib import Path

import pytest

from tests.flows.command import command
from tests.tasks.sentiment.small_run import write_source


def words(tmp_path: Path, *more: str, last: str = "2026-11-02") -> list[str]:
    source = ["--source", str(tmp_path / "r-{date}.csv"), "--source-name", "shop"]
    columns = ["--text-column", "review", "--id-column", "id", "--precision", "float32"]
    return ["backfill", "--from", "2026-11-01", "--to", last, *source, *columns, *more]


@pytest.mark.slow
def test_killed_backfill_goes_on_and_names_the_date_that_failed(tmp_path):
    """Status 1 for the one whose file is not there; the finished ones are skipped."""
    home = tmp_path / "home"
    write_source(tmp_path / "r-2026-11-01.csv", 3)
    first = command("flows", home, *words(tmp_path, last="2026-11-01"))
    assert first.stdout is not None
    assert first.stdout.readline() == "2026-11-01  running\n"
    time.sleep(1)
    first.send_signal(signal.SIGKILL)
    first.communicate()

    output, errors = (second := command("flows", home, *words(tmp_path))).communicate()
    assert second.returncode == 1
    assert "2026-11-01  done\n" in output
    assert "2026-11-02  failed: " in output and "r-2026-11-02.csv" in output
    assert errors.endswith("error: 1 of 2 dates failed: 2026-11-02\n")

    again, _ = command("flows", home, *words(tmp_path, "--dry-run")).communicate()
    assert again.splitlines() == [
        "2026-11-01  there already",
        "2026-11-02  waiting",
    ]

"""Disks that refuse: one line, a failed run, and the same command goes on once they do not."""

import errno
import os
import re
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from flows.score_sentiment import ScoreSentiment, score_sentiment
from tests.benchmarks.texts import DEMO, varied_texts
from tests.flows.command import command

pytestmark = pytest.mark.slow

# What each flow is asked with least; all of them write into the home folder.
FLOWS = [
    ("score_sentiment", "--source", str(DEMO), "--text-column", "review"),
    ("train_sentiment", "--data", "{data}"),
    ("train_fraud", "--customers", "50", "--terminals", "100"),
    ("manage_models", "--unblock"),
    ("manage_releases", "--renew"),
    ("audit_fraud",),
    ("train_detector", "--scenes", "10", "--steps", "10"),
    ("publish_detector", "--model", "bundled", "--scenes", "5"),
    ("collect_telemetry",),
]


FOLDERS = (
    "sentiment",
    "fraud",
    "edge",
    "training",
    "models",
    "releases",
    "keys",
    "telemetry",
    "detectors",
)


class Disk:
    """The home's, which takes so many more files of ours, and then is full."""

    def __init__(self) -> None:
        self.files = 10**9
        self._fsync = os.fsync

    def fsync(self, handle: int) -> None:
        """Stands in for the system's."""
        self.files -= stat.S_ISREG(os.fstat(handle).st_mode)  # and not for a folder
        if self.files < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fsync(handle)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


def reviews(file: Path, rows: int) -> Path:
    pd.DataFrame({"review": list(varied_texts(rows)), "id": range(rows)}).to_csv(file, index=False)
    return file


def asked(source: Path, **changes: Any) -> ScoreSentiment:
    return ScoreSentiment(
        **{
            "source": str(source),
            "text_column": "review",
            "id_column": "id",
            "run_date": "2026-11-22",
            "precision": "float32",
            "rows_per_part": 50,
            **changes,
        }
    )


def sql(home: Path, query: str) -> list[Any]:
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(query)))
    engine.dispose()
    return rows


# 4 parts are cut into 4 files, a plan and the reserve; scoring writes two files for each.
@pytest.mark.parametrize(("files", "finished"), [(2, 0), (4, 0), (6, 0), (10, 2), (14, 4)])
def test_disk_that_fills_fails_the_run_and_keeps_what_is_done(
    prefect_api, tmp_path, monkeypatch, disk, files, finished
):
    """Whatever was being written: SQL says why, nothing half is left, the next run goes on."""
    home, source = tmp_path / "var", reviews(tmp_path / "shop.csv", 200)
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    disk.files = files
    with pytest.raises(OSError, match="No space left on device"):
        score_sentiment(asked(source))

    ((status, message),) = sql(home, "SELECT status, message FROM sentiment_runs")
    assert status == "failed"
    assert message.startswith(str(home)) and "No space left on device; make room" in message
    assert not list(home.rglob(".tmp-*")) and not list(home.rglob("reserve"))
    done = {file.name: file.read_text() for file in home.rglob("scores-*.json")}
    assert len(done) >= finished

    disk.files = 10**9
    outcome = score_sentiment(asked(source))

    assert (outcome.status, outcome.scored) == ("finished", 200)
    scored_by = dict(sql(home, "SELECT run_id, count(*) FROM review_sentiment GROUP BY run_id"))
    assert sum(scored_by.values()) == 200
    assert sum(scored_by.values()) - scored_by.get(outcome.run_id, 0) == 50 * len(done)


@pytest.mark.parametrize("given", FLOWS, ids=lambda given: given[0])
def test_home_that_cannot_be_written_is_told_in_one_line(tmp_path, given, run_here):
    """Files stand where its folders should be, and there is a Prefect server elsewhere."""
    home = tmp_path / "var"
    home.mkdir()
    for folder in FOLDERS:
        (home / folder).write_text("a file")
    labelled = pd.DataFrame({"text": list(varied_texts(600)), "label": [1, 0] * 300})
    labelled.to_parquet(tmp_path / "data.parquet")
    flow, *options = (word.format(data=tmp_path) for word in given)

    status, _, errors = run_here(flow, home, *options)
    told = the_line(status, errors)

    assert str(home) in told and re.search("Not a directory|File exists", told)


def test_home_that_cannot_be_written_is_told_before_a_server_is_started(tmp_path):
    """The server of our own has its database there."""
    home = tmp_path / "var"
    home.write_text("a file")

    process = command("flows.manage_models", home, "--unblock", own_server=True)
    _, told = process.communicate(timeout=240)

    assert process.returncode == 2
    assert (
        told.strip()
        == f"error: TRIPTYCH_HOME: {home} is a file: move it away, or name another folder"
    )


def test_prefect_server_that_is_away_is_told_in_one_line(tmp_path):
    """One that is configured is not replaced by another."""
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}

    told = tell("flows.manage_models", tmp_path / "var", "--unblock", environment=nowhere)

    assert "http://127.0.0.1:1/api" in told and "PREFECT_API_URL" in told


def tell(
    module: str,
    home: Path,
    *arguments: str,
    own_server: bool = False,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The one line in which a command that fails says why."""
    process = command(module, home, *arguments, own_server=own_server, environment=environment)
    output, errors = process.communicate(timeout=240)
    return the_line(process.returncode, output + errors)


def the_line(status: object, errors: str) -> str:
    """The only one that says what was wrong, of a command that has failed."""
    assert status == 1, errors
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if "error:" in line.lower()]
    return line


def test_full_disk_is_told_in_one_line(tmp_path):
    """A real one, filled up while the run is scored: the server's database lies there as well."""
    home = tmp_path / "disk"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(home)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    try:
        source = reviews(tmp_path / "shop.csv", 20_000)
        arguments = ("--source", str(source), "--text-column", "review", "--precision", "float32")
        told = tell("flows.score_sentiment", home, *arguments, own_server=True)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)

    assert "make room" in told

"""The log in a process of its own: what happens to rows when something is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest

from services.fraud.errors import LogError
from services.fraud.log.log_process import LogProcess
from services.fraud.transactions.features import FEATURES
from tests.services.fraud.running import ROOT, rows, wait_until

COUNT = "SELECT count(*) FROM fraud_predictions"
WORKER = """
import sys, time
from pathlib import Path
from services.fraud.log.log_process import LogProcess
from tests.services.fraud.log.test_log_process import prediction
log = LogProcess(sys.argv[1], Path(sys.argv[2]))
for number in range(100_000):
    log.add(prediction(number))
    print(number, time.time(), flush=True)
    time.sleep(0.0005)
"""


def prediction(number):
    """A row of the log, with an id of its own."""
    features = [float(number)] * len(FEATURES)
    before = (f"request-{number}", "/detect_fraud", None, None, None, 1.0, None, time.time())
    return (*before, "model:1", 0.5, 0.4, True, None, None, None, None, 0.2, features)


def written(home):
    """Rows in the database so far, which may not be there yet."""
    try:
        return rows(home, COUNT)[0][0]
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def log(tmp_path):
    running = LogProcess(f"sqlite:///{tmp_path / 'triptych.db'}", tmp_path / "spill")
    yield running
    running.close()


def test_rows_are_written_and_counted(log, tmp_path):
    """What is added is in the database soon after, and the counters say so."""
    for number in range(1_000):
        log.add(prediction(number))

    wait_until(lambda: log.counted()["written"] == 1_000)
    assert log.counted() == {
        "written": 1_000,
        "waiting": 0,
        "spilled": 0,
        "dropped": 0,
        "failures": 0,
    }
    assert rows(tmp_path, COUNT) == [(1_000,)]
    assert rows(tmp_path, "SELECT max(terminal_id_risk_30day_window) FROM fraud_predictions") == [
        (999.0,)
    ]


def test_closing_writes_all(log, tmp_path):
    """No row is lost when the worker ends in good order."""
    for number in range(5_000):
        log.add(prediction(number))
    log.close()

    assert rows(tmp_path, COUNT) == [(5_000,)]


def test_killed_worker_loses_the_last_second_at_most(tmp_path):
    """What was answered a second before SIGKILL is in the log, and the process ends."""
    url = f"sqlite:///{tmp_path / 'triptych.db'}"
    output = tmp_path / "added"
    with (
        output.open("w") as added_lines,
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, tmp_path / "spill"], cwd=ROOT, stdout=added_lines
        ) as worker,
    ):
        # However slow the machine: rows are in the database, and some are more than a second old.
        wait_until(lambda: written(tmp_path) > 500, 60)
        time.sleep(1.5)
        [writer] = psutil.Process(worker.pid).children()
        killed_at = time.time()
        worker.send_signal(signal.SIGKILL)
    lines = output.read_text().splitlines(keepends=True)
    added = [line.split() for line in lines if line.endswith("\n")]
    psutil.wait_procs([writer], timeout=20)

    assert not writer.is_running()
    due = [number for number, added_at in added if float(added_at) < killed_at - 1]
    query = "SELECT request_id FROM fraud_predictions"
    kept = {request_id for (request_id,) in rows(tmp_path, query)}
    assert len(due) > 100
    assert {f"request-{number}" for number in due} <= kept


def test_killed_process_is_replaced(log, tmp_path):
    """The worker goes on, and what it logs from then on is written."""
    log.add(prediction(1))
    wait_until(lambda: log.counted()["written"] == 1)
    os.kill(log._process.pid, signal.SIGKILL)
    log._process.wait()
    for number in range(2, 200):
        log.add(prediction(number))

    wait_until(lambda: log.counted()["written"] == 199)
    assert rows(tmp_path, COUNT) == [(199,)]


def test_adding_never_waits_for_a_process_that_hangs(log, tmp_path):
    """While it is stopped rows wait; when it goes on they are written."""
    log.add(prediction(0))
    wait_until(lambda: log.counted()["written"] == 1)
    os.kill(log._process.pid, signal.SIGSTOP)
    began = time.perf_counter()
    for number in range(1, 20_000):
        log.add(prediction(number))
    took_s = time.perf_counter() - began
    waiting = log.counted()["waiting"]
    os.kill(log._process.pid, signal.SIGCONT)

    assert took_s < 5
    assert waiting > 10_000
    wait_until(lambda: log.counted()["written"] == 20_000)


def test_address_that_is_none_is_refused_at_once(tmp_path):
    """It is known before the first answer, with the scheme that would be right."""
    for url in ("nonsense", "mysql://user:secret@host/db"):
        with pytest.raises(LogError, match="postgresql") as refusal:
            LogProcess(url, tmp_path / "spill")
        assert "secret" not in str(refusal.value)

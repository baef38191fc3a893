"""Promises of the log of answers."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.fraud.errors import LogError
from services.fraud.log.database import Database
from services.fraud.log.log import PredictionLog
from services.fraud.log.spill import SpillFile
from services.fraud.log.tables import Batch, Label, Prediction

ROOT = Path(__file__).parents[4]
FEATURES = tuple(float(number) for number in range(15))
NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC).timestamp()


def a_row(number: int, **changes: Any) -> Prediction:
    row = Prediction(
        request_id=f"request-{number:06}",
        endpoint="/score_transaction",
        transaction_id=f"t{number}",
        customer_id="c1",
        terminal_id="9",
        amount=57.16,
        transaction_time=1_530_000_000 + number,
        answered_at=NOON,
        model="fraud_detector:one",
        probability=0.25,
        threshold=0.5,
        is_fraud=False,
        shadow_model=None,
        shadow_probability=None,
        state_age_s=12.5,
        degraded=None,
        latency_ms=0.7,
        features=FEATURES,
    )
    return row._replace(**changes)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    database = Database(url)
    database.prepare()
    with database.transaction(writes=False) as connection:
        rows = [tuple(row) for row in connection.execute(sa.text(statement))]
    database.close()
    return rows


def count(url: str) -> int:
    number: int = query(url, "SELECT count(*) FROM fraud_predictions")[0][0]
    return number


def await_true(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[..., PredictionLog]]:
    """Opens logs with a quick thread, and ends them after the test."""
    logs: list[PredictionLog] = []

    def open_log(url: str, **options: Any) -> PredictionLog:
        logs.append(PredictionLog(url, tmp_path / "spill", **{"every_s": 0.02, **options}))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close(0)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Holds the SQLite file of `sqlite_url` until told to let go."""
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield other
    other.close()


def test_log_writes_each_answer_once(database_url, open_log):
    """All values arrive as they were, and a row that is added again changes nothing."""
    log = open_log(database_url)
    for number in range(1_234):
        log.add(a_row(number))
    log.add(a_row(7, probability=0.9))
    log.add(tuple(a_row(9_999, is_fraud=True, shadow_model="s", shadow_probability=0.5)))
    log.close()

    assert count(database_url) == 1_235
    assert (log.written, log.waiting, log.spilled, log.dropped) == (1_236, 0, 0, 0)
    (kept,) = query(
        database_url,
        "SELECT endpoint, transaction_time, probability, is_fraud, shadow_model, tx_amount,"
        " terminal_id_risk_30day_window FROM fraud_predictions WHERE request_id = 'request-000007'",
    )
    assert kept == ("/score_transaction", 1_530_000_007, 0.25, False, None, 0.0, 14.0)
    (other,) = query(
        database_url,
        "SELECT is_fraud, shadow_model, shadow_probability FROM fraud_predictions"
        " WHERE request_id = 'request-009999'",
    )
    assert other == (True, "s", 0.5)


def test_log_keeps_instants_to_the_microsecond(database_url, open_log):
    """What is written by position reads back through the table's own types."""
    from services.fraud.log.tables import FRAUD_PREDICTIONS

    log = open_log(database_url)
    log.add(a_row(1))
    log.close()

    database = Database(database_url)
    with database.transaction(writes=False) as connection:
        (instant,) = connection.scalars(sa.select(FRAUD_PREDICTIONS.c.answered_at))
    database.close()
    assert instant == datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def test_log_keeps_the_latest_label(database_url, open_log):
    """By the time of the label, in one go or in several, whatever arrives last."""
    log = open_log(database_url)
    log.add_labels([Label("a", True, 200.0, 300.0), Label("a", False, 100.0, 301.0)])
    log.add_labels([Label("b", False, 100.0, 300.0)])
    await_true(lambda: log.written == 3)
    log.add_labels([Label("b", True, 150.0, 400.0), Label("a", False, 150.0, 400.0)])
    log.close()

    rows = query(database_url, "SELECT transaction_id, is_fraud FROM fraud_labels ORDER BY 1")
    assert rows == [("a", True), ("b", True)]


def test_log_keeps_the_summary_of_a_batch(database_url, open_log):
    """A batch leaves one row, however many transactions it had."""
    log = open_log(database_url)
    log.add_batch(Batch("r", 10_000, 3, 55, "fraud_detector:one", NOON, 81.5, "ab" * 32))
    log.close()

    rows = query(database_url, "SELECT request_id, rows, rejected, flagged FROM fraud_batches")
    assert rows == [("r", 10_000, 3, 55)]


def test_adding_costs_about_a_microsecond_and_never_waits(sqlite_url, open_log, locked):
    """Also while another connection holds the database: rows arrive when it lets go."""
    log = open_log(sqlite_url)
    rows = [a_row(number) for number in range(20_000)]
    began = time.monotonic()
    slowest = 0.0
    for row in rows:
        before = time.perf_counter()
        log.add(row)
        slowest = max(slowest, time.perf_counter() - before)
        if time.monotonic() - began > 1 or row is rows[-1]:
            break
    cost_us = (time.monotonic() - began) / log.waiting * 1e6
    time.sleep(max(0.0, 1 - (time.monotonic() - began)))
    assert log.written == 0
    waiting = log.waiting
    locked.execute("ROLLBACK")
    await_true(lambda: log.written == waiting)

    assert slowest < 0.1  # two seconds, had it waited for the lock
    assert cost_us < 20  # measured above with its clock: about 1
    assert count(sqlite_url) == waiting
    assert log.dropped == 0


def test_log_outlasts_a_database_that_refuses(sqlite_url, open_log, tmp_path):
    """A table of another shape, a file that is no database: kept, counted, tried again."""
    (tmp_path / "log.db").write_bytes(b"this is no database" * 100)
    log = open_log(sqlite_url)
    log.add(a_row(1))
    await_true(lambda: log.failures >= 2)
    assert log.waiting == 1
    (tmp_path / "log.db").unlink()
    await_true(lambda: log.written == 1)
    assert count(sqlite_url) == 1


def test_log_makes_its_tables_again_when_the_file_was_taken_away(sqlite_url, open_log, tmp_path):
    """Somebody deletes the database under a running service."""
    log = open_log(sqlite_url)
    log.add(a_row(1))
    await_true(lambda: log.written == 1)
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    log.add(a_row(2))
    await_true(lambda: log.written == 2)
    assert query(sqlite_url, "SELECT transaction_id FROM fraud_predictions") == [("t2",)]


def test_log_survives_a_server_that_is_not_there(open_log, tmp_path):
    """Nothing raises, and at the end the rows are in a file."""
    log = open_log("postgresql://nobody:secret@127.0.0.1:1/none")
    log.add(a_row(1))
    log.add_labels([Label("a", True, 1.0, 2.0)])
    await_true(lambda: log.failures >= 1)
    log.close(0.2)

    assert (log.spilled, log.waiting, log.dropped) == (2, 0, 0)
    (file,) = (tmp_path / "spill").iterdir()
    tables = {json.loads(line)["table"] for line in file.read_text().splitlines()}
    assert tables == {"fraud_predictions", "fraud_labels"}


def test_log_hides_the_password(open_log, caplog):
    """The reason of a failure is logged, without what the address keeps secret."""
    log = open_log("postgresql://nobody:s3cr3t@127.0.0.1:1/none")
    log.add(a_row(1))
    await_true(lambda: log.failures >= 1)
    assert "127.0.0.1" in caplog.text and "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    ("counter", "poison"), [("failures", False), ("dropped", True)], ids=["failed", "dropped"]
)
def test_what_is_counted_has_been_told(
    counter, poison, sqlite_url, tmp_path, monkeypatch, open_log
):
    """Who sees a failure or a loss in the figures finds its reason in the log, however slow."""
    from services.fraud.log import log as module

    seen_while_telling = []

    def slowly(*_: object) -> None:
        time.sleep(0.05)
        seen_while_telling.append(getattr(log, counter))

    monkeypatch.setattr(module.logger, "warning", slowly)
    if not poison:
        (tmp_path / "log.db").write_bytes(b"this is no database" * 100)
    log = open_log(sqlite_url)
    log.add(a_row(1, amount=object()) if poison else a_row(1))
    await_true(lambda: getattr(log, counter) >= 1)

    assert seen_while_telling[0] == 0


@pytest.mark.parametrize(
    "url", ["mysql://a/b", "sqlite://", "nonsense:s3cr3t@", "sqlite:///:memory:"]
)
def test_log_refuses_an_address_that_it_cannot_use(url, tmp_path):
    """A mistake in the settings is said at the start."""
    with pytest.raises(LogError, match=r"use sqlite|is not of the form") as caught:
        PredictionLog(url, tmp_path)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("poison", ["nul", "surrogate", "type", "number"])
def test_row_that_no_database_takes_does_not_hold_up_the_others(database_url, open_log, poison):
    """It alone is dropped, and counted."""
    poisons: dict[str, dict[str, Any]] = {
        "nul": {"degraded": "a\0b"},
        "surrogate": {"customer_id": "\ud800"},
        "type": {"amount": object()},
        "number": {"transaction_time": 2**70},
    }
    changes = poisons[poison]
    log = open_log(database_url)
    for number in range(100):
        log.add(a_row(number, **changes) if number == 50 else a_row(number))
    log.close()

    may_be_taken = poison == "nul" and database_url.startswith("sqlite")
    assert count(database_url) == 100 if may_be_taken else 99
    assert log.dropped == 0 if may_be_taken else 1


def test_rows_beyond_the_capacity_go_to_a_file_and_come_back(sqlite_url, open_log, locked):
    """The oldest first; when the database is back, this process itself loads them."""
    log = open_log(sqlite_url, capacity=50)
    for number in range(80):
        log.add(a_row(number))
    await_true(lambda: log.spilled == 30)
    assert log.waiting == 50
    locked.execute("ROLLBACK")
    await_true(lambda: log.written == 80)

    assert count(sqlite_url) == 80
    assert (log.waiting, log.dropped) == (0, 0)
    assert list(log._spill.folder.iterdir()) == []


def test_rows_are_dropped_and_counted_where_there_is_room_nowhere(sqlite_url, tmp_path, locked):
    """Memory stays bounded: neither the database nor the disk takes anything."""
    (tmp_path / "spill").write_text("a file where the folder should be")
    log = PredictionLog(sqlite_url, tmp_path / "spill", every_s=0.02, capacity=10)
    for number in range(25):
        log.add(a_row(number))
    assert (log.waiting, log.dropped) == (20, 5)
    await_true(lambda: log.dropped == 15)
    assert log.waiting == 10
    log.close(0)
    assert (log.written, log.spilled, log.dropped) == (0, 0, 25)


def test_full_disk_leaves_no_half_a_row(tmp_path):
    """A part that does not fit is cut off, and what was there before stays readable."""
    import resource

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from services.fraud.log.spill import SpillFile\n"
        "file = SpillFile(Path(sys.argv[1]))\n"
        "file.append([{'n': 1}])\n"
        "try:\n    file.append([{'n': 2, 'x': 'x' * 5_000}])\n"
        "except OSError as error:\n    print('full', error.errno)\n"
        "file.append([{'n': 3}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        preexec_fn=limited,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("full"), done.stderr
    (file,) = tmp_path.iterdir()
    assert [json.loads(line)["n"] for line in file.read_text().splitlines()] == [1, 3]


def test_close_while_the_database_is_locked_loses_nothing(sqlite_url, open_log, locked, tmp_path):
    """It returns in time; the next process writes the rows and deletes the file."""
    log = open_log(sqlite_url)
    for number in range(300):
        log.add(a_row(number))
    log.add_labels([Label("t1", True, 1.0, 2.0)])
    began = time.monotonic()
    log.close(0.3)
    assert time.monotonic() - began < 1.5
    assert (log.spilled, log.waiting) == (301, 0)
    locked.execute("ROLLBACK")

    successor = open_log(sqlite_url)
    await_true(lambda: successor.written == 301)
    successor.close()
    assert count(sqlite_url) == 300
    assert query(sqlite_url, "SELECT * FROM fraud_labels")[0][0] == "t1"
    assert list((tmp_path / "spill").iterdir()) == []


def test_file_of_a_live_process_is_left_alone(sqlite_url, open_log, tmp_path):
    """It holds its lock; only when it is gone are its rows anybody's."""
    theirs = SpillFile(tmp_path / "spill")
    theirs.append([{"table": "fraud_predictions", **a_row(1)._asdict()}])
    log = open_log(sqlite_url)
    log.add(a_row(2))
    await_true(lambda: log.written == 1)
    log.close()
    assert count(sqlite_url) == 1

    theirs.release()
    log = open_log(sqlite_url)
    await_true(lambda: log.written == 1)
    assert count(sqlite_url) == 2


def test_damaged_line_of_a_file_is_skipped_and_counted(sqlite_url, open_log, tmp_path):
    """A power cut may leave half a line; all others are loaded."""
    whole = json.dumps({"table": "fraud_predictions", **a_row(1)._asdict()})
    (tmp_path / "spill").mkdir()
    lines = [whole, '{"table": "other"}', "[1]", whole[: len(whole) // 2]]
    (tmp_path / "spill" / "77-ab.jsonl").write_text("\n".join(lines))
    log = open_log(sqlite_url)
    await_true(lambda: (log.written, log.dropped) == (1, 3))
    assert count(sqlite_url) == 1


def test_many_workers_start_at_once(database_url, tmp_path):
    """Each finds or makes the tables, and none fails."""
    barrier, logs = threading.Barrier(8), []

    def work(number: int) -> None:
        barrier.wait()
        log = PredictionLog(database_url, tmp_path / str(number), every_s=0.01)
        log.add(a_row(number))
        logs.append(log)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for log in logs:
        log.close(30)
    assert [log.written for log in logs] == [1] * 8
    assert sum(log.failures for log in logs) == 0
    assert count(database_url) == 8


_WORKER = """
import sys, time
from pathlib import Path
from services.fraud.log.log import PredictionLog
from tests.services.fraud.log.test_log import a_row

log = PredictionLog(sys.argv[1], Path(sys.argv[2]))
number = 0
while True:
    log.add(a_row(number))
    print(number, time.time(), flush=True)
    number += 1
    time.sleep(0.002)
"""


def test_killed_process_loses_at_most_the_last_second(database_url, tmp_path):
    """SIGKILL in the middle of work: everything that is older is in the database."""
    output = tmp_path / "added"
    with output.open("w") as added:
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, database_url, str(tmp_path / "spill")],
            cwd=ROOT,
            stdout=added,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        await_true(lambda: count(database_url) > 1_000, 60)
        worker.kill()
        killed_at = time.time()
        worker.wait()

    lines = [line.split() for line in output.read_text().splitlines()[:-1]]
    old = {f"t{number}" for number, at in lines if float(at) < killed_at - 1}
    there = {row[0] for row in query(database_url, "SELECT transaction_id FROM fraud_predictions")}
    assert len(old) > 100
    assert old <= there


def test_log_loads_neither_pandas_nor_anything_of_training():
    """It runs in every worker of the service, whose memory is counted."""
    program = (
        "import sys, services.fraud.log.log\n"
        "print(sorted({'pandas', 'tensorflow', 'matplotlib', 'bentoml', 'sklearn', 'pyarrow'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

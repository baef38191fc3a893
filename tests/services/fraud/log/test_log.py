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
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from services.fraud.errors import LogError
from services.fraud.log import database as log_database
from services.fraud.log import loader as loader_module
from services.fraud.log import log as log_module
from services.fraud.log.database import Database
from services.fraud.log.loader import Loader
from services.fraud.log.log import AnswerLog
from services.fraud.log.rows import KINDS, LABELS, PREDICTIONS, Kind, Row
from services.fraud.log.spill import SpillFile, as_line
from services.fraud.log.tables import FRAUD_PREDICTIONS, Batch, Label, Prediction

ROOT = Path(__file__).parents[4]
FEATURES = tuple(float(number) for number in range(15))
LAST_S = 0.5  # for a database that is away or locked
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


def counters(**others: int) -> dict[str, int]:
    """What a log counts where all but these are 0."""
    names = ("written", "waiting", "spilled", "dropped", "failures")
    return {**dict.fromkeys(names, 0), **others}


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[[str], AnswerLog]]:
    """Opens logs, and ends them after the test."""
    logs: list[AnswerLog] = []

    def open_log(url: str) -> AnswerLog:
        logs.append(AnswerLog(url, tmp_path / "spill", LAST_S))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


@pytest.fixture
def open_loader(tmp_path: Path) -> Iterator[Callable[[str], Loader]]:
    """Opens what the process runs, in this one, and ends it after the test."""
    loaders: list[Loader] = []

    def open_loader(url: str) -> Loader:
        loaders.append(Loader(url, tmp_path / "spill"))
        return loaders[-1]

    yield open_loader
    for loader in loaders:
        loader.close()


def spill(folder: Path, *parts: tuple[Kind, list[Row]]) -> SpillFile:
    """A file that is still held, with these rows."""
    file = SpillFile(folder / "spill")
    file.append(b"".join(as_line(kind, rows) for kind, rows in parts))
    return file


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
    assert log.counted() == counters(written=1_236)
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


def test_log_keeps_instants_to_the_microsecond(database_url, open_loader):
    """What is written by position reads back through the table's own types."""
    from services.fraud.log.tables import FRAUD_PREDICTIONS

    assert open_loader(database_url).take([as_line(PREDICTIONS, [a_row(1)])])

    database = Database(database_url)
    with database.transaction(writes=False) as connection:
        (instant,) = connection.scalars(sa.select(FRAUD_PREDICTIONS.c.answered_at))
    database.close()
    assert instant == datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)


def test_log_keeps_the_latest_label(database_url, open_loader):
    """By the time of the label, in one go or in several, whatever arrives last."""
    loader = open_loader(database_url)
    first = [Label("a", True, 200.0, 300.0), Label("a", False, 100.0, 301.0)]
    loader.take([as_line(LABELS, first), as_line(LABELS, [Label("b", False, 100.0, 300.0)])])
    later = [Label("b", True, 150.0, 400.0), Label("a", False, 150.0, 400.0)]
    loader.take([as_line(LABELS, later)])

    rows = query(database_url, "SELECT transaction_id, is_fraud FROM fraud_labels ORDER BY 1")
    assert rows == [("a", True), ("b", True)]


def test_log_keeps_labels_and_the_summary_of_a_batch(sqlite_url, open_log):
    """A batch leaves one row, however many transactions it had."""
    log = open_log(sqlite_url)
    log.add_batch(Batch("r", 10_000, 3, 55, "fraud_detector:one", NOON, 81.5, "ab" * 32))
    log.add_labels([Label("a", True, 200.0, 300.0)])
    log.close()

    rows = query(sqlite_url, "SELECT request_id, rows, rejected, flagged FROM fraud_batches")
    assert rows == [("r", 10_000, 3, 55)]
    assert query(sqlite_url, "SELECT transaction_id FROM fraud_labels") == [("a",)]


def test_adding_never_waits_for_the_database(sqlite_url, open_log, locked):
    """While another connection holds it, rows are taken, and arrive when it lets go."""
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
    waiting = log.counted()["waiting"]
    time.sleep(max(0.0, 1 - (time.monotonic() - began)))
    assert log.counted()["written"] == 0
    locked.execute("ROLLBACK")
    await_true(lambda: log.counted()["written"] == waiting)

    assert slowest < 1  # two seconds, had it waited for the lock
    assert count(sqlite_url) == waiting
    assert log.counted()["dropped"] == 0


def test_log_outlasts_a_database_that_refuses(sqlite_url, open_log, tmp_path):
    """A file that is no database: rows are kept, counted, and tried again."""
    (tmp_path / "log.db").write_bytes(b"this is no database" * 100)
    log = open_log(sqlite_url)
    log.add(a_row(1))
    await_true(lambda: log.counted()["failures"] >= 2)
    assert (log.counted()["waiting"], log.counted()["spilled"]) == (1, 1)
    (tmp_path / "log.db").unlink()
    await_true(lambda: log.counted()["written"] == 1)
    assert count(sqlite_url) == 1
    assert log.counted()["waiting"] == 0


def test_log_makes_its_tables_again_when_the_file_was_taken_away(sqlite_url, open_loader, tmp_path):
    """Somebody deletes the database under a running service."""
    loader = open_loader(sqlite_url)
    assert loader.take([as_line(PREDICTIONS, [a_row(1)])])
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    second = as_line(PREDICTIONS, [a_row(2)])
    assert loader.take([second]) or loader.take([second])
    assert query(sqlite_url, "SELECT transaction_id FROM fraud_predictions") == [("t2",)]


def test_log_survives_a_server_that_is_not_there(open_log, tmp_path):
    """Nothing raises, and at the end the rows are in a file."""
    log = open_log("postgresql://nobody:secret@127.0.0.1:1/none")
    log.add(a_row(1))
    log.add_labels([Label("a", True, 1.0, 2.0)])
    await_true(lambda: log.counted()["failures"] >= 1)
    log.close()

    counted = log.counted()
    assert (counted["spilled"], counted["waiting"], counted["dropped"]) == (2, 2, 0)
    (file,) = (tmp_path / "spill").iterdir()
    tables = {json.loads(line)["table"] for line in file.read_text().splitlines()}
    assert tables == {"fraud_predictions", "fraud_labels"}


def test_log_hides_the_password(open_loader, caplog):
    """The reason of a failure is logged, without what the address keeps secret."""
    loader = open_loader("postgresql://nobody:s3cr3t@127.0.0.1:1/none")
    assert not loader.take([as_line(PREDICTIONS, [a_row(1)])])
    assert "127.0.0.1" in caplog.text and "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    ("counter", "poison"), [("failures", False), ("dropped", True)], ids=["failed", "dropped"]
)
def test_what_is_counted_has_been_told(
    counter, poison, sqlite_url, tmp_path, monkeypatch, open_loader
):
    """Who sees a failure or a loss in the metrics finds its reason in the log."""
    seen_while_telling = []

    def look(*_: object) -> None:
        seen_while_telling.append(getattr(loader, counter))

    monkeypatch.setattr(loader_module.logger, "warning", look)
    if not poison:
        (tmp_path / "log.db").write_bytes(b"this is no database" * 100)
    loader = open_loader(sqlite_url)
    loader.take([as_line(PREDICTIONS, [a_row(1, amount={}) if poison else a_row(1)])])

    assert seen_while_telling == [0]
    assert getattr(loader, counter) == 1


@pytest.mark.parametrize(
    "url", ["mysql://a:s3cr3t@b/c", "sqlite://", "nonsense:s3cr3t@", "sqlite:///:memory:"]
)
def test_log_refuses_an_address_that_it_cannot_use(url, tmp_path):
    """A mistake in the settings is said at the start."""
    with pytest.raises(LogError, match=r"use sqlite|is not of the form") as caught:
        AnswerLog(url, tmp_path)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("poison", ["nul", "surrogate", "type", "number", "object"])
def test_row_that_no_database_takes_does_not_hold_up_the_others(database_url, open_log, poison):
    """It alone is dropped, and counted."""
    poisons: dict[str, dict[str, Any]] = {
        "nul": {"degraded": "a\0b"},
        "surrogate": {"customer_id": "\ud800"},
        "type": {"amount": {}},
        "number": {"transaction_time": 2**70},
        "object": {"amount": object()},
    }
    changes = poisons[poison]
    log = open_log(database_url)
    for number in range(100):
        log.add(a_row(number, **changes) if number == 50 else a_row(number))
    log.close()

    may_be_taken = poison == "nul" and database_url.startswith("sqlite")
    assert count(database_url) == 100 if may_be_taken else 99
    assert log.counted()["dropped"] == (0 if may_be_taken else 1)


def test_rows_that_the_disk_does_not_take_go_straight_to_the_database(
    sqlite_url, open_log, tmp_path
):
    """The folder cannot be written: rows are in the database all the same."""
    (tmp_path / "spill").write_text("a file where the folder should be")
    log = open_log(sqlite_url)
    for number in range(300):
        log.add(a_row(number))
    await_true(lambda: log.counted()["written"] == 300)
    log.close()

    assert count(sqlite_url) == 300
    assert log.counted() == counters(written=300)


def test_rows_are_dropped_and_counted_where_there_is_room_nowhere(
    sqlite_url, open_log, tmp_path, locked, monkeypatch
):
    """Memory stays bounded: neither the database nor the disk takes anything."""
    monkeypatch.setattr(log_module, "CAPACITY", 20)
    (tmp_path / "spill").write_text("a file where the folder should be")
    log = open_log(sqlite_url)
    for number in range(25):
        log.add(a_row(number))
    await_true(lambda: log.counted()["failures"] >= 1)
    assert (log.counted()["waiting"], log.counted()["dropped"]) == (20, 5)
    log.close()
    assert (log.counted()["written"], log.counted()["dropped"]) == (0, 25)


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
        "file.append(b'1\\n')\n"
        "try:\n    file.append(b'2' * 5_000)\n"
        "except OSError as error:\n    print('full', error.errno)\n"
        "file.append(b'3\\n')\n"
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
    assert file.read_text() == "1\n3\n"


def test_close_while_the_database_is_locked_loses_nothing(sqlite_url, open_log, locked, tmp_path):
    """It returns in time; the next process writes the rows and deletes the file."""
    log = open_log(sqlite_url)
    assert log.await_start()
    for number in range(300):
        log.add(a_row(number))
    log.add_labels([Label("t1", True, 1.0, 2.0)])
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 15  # half a second, and an attempt that has begun
    assert log.counted()["spilled"] == 301
    locked.execute("ROLLBACK")

    successor = open_log(sqlite_url)
    await_true(lambda: successor.counted()["written"] == 301)
    successor.close()
    assert count(sqlite_url) == 300
    assert query(sqlite_url, "SELECT * FROM fraud_labels")[0][0] == "t1"
    assert list((tmp_path / "spill").iterdir()) == []


def test_files_do_not_multiply_while_the_database_refuses(
    sqlite_url, open_log, locked, tmp_path, monkeypatch
):
    """One waits for the database and one grows, however long that takes."""
    monkeypatch.setattr(log_module, "RELEASE_EVERY_S", 0.1)
    log = open_log(sqlite_url)
    for number in range(20):
        log.add(a_row(number))
        time.sleep(0.1)
    assert len(list((tmp_path / "spill").iterdir())) <= 2
    locked.execute("ROLLBACK")
    await_true(lambda: log.counted()["written"] == 20)
    assert count(sqlite_url) == 20


def test_file_of_a_live_process_is_left_alone(sqlite_url, open_loader, tmp_path):
    """It holds its lock; only when it is gone are its rows anybody's."""
    theirs = spill(tmp_path, (PREDICTIONS, [a_row(1)]))
    loader = open_loader(sqlite_url)
    assert loader.load() and loader.written == 0

    theirs.release()
    assert loader.load() and loader.written == 1
    assert count(sqlite_url) == 1


def test_file_of_an_earlier_version_is_loaded(sqlite_url, open_loader, tmp_path):
    """It holds one row a line, by name; of each table, and with damage that a power cut leaves."""
    rows = (
        ("fraud_predictions", a_row(1)),
        ("fraud_labels", Label("t1", True, 1.0, 2.0)),
        ("fraud_batches", Batch("r", 10, 0, 1, "fraud_detector:one", NOON, 8.5, "ab" * 32)),
    )
    whole = [json.dumps({"table": table, **row._asdict()}) for table, row in rows]
    (tmp_path / "spill").mkdir()
    lines = [*whole, '{"table": "other"}', "[1]", whole[0][: len(whole[0]) // 2]]
    (tmp_path / "spill" / "77-ab.jsonl").write_text("\n".join(lines))
    loader = open_loader(sqlite_url)
    assert loader.load()

    assert (loader.written, loader.dropped) == (3, 3)
    for table, _ in rows:
        assert query(sqlite_url, f"SELECT count(*) FROM {table}") == [(1,)]
    assert list((tmp_path / "spill").iterdir()) == []


def test_rows_of_a_version_with_fewer_fields_are_loaded(
    sqlite_url, open_loader, tmp_path, monkeypatch
):
    """In a database that it made, which gets the new column; its rows have the default there."""
    older = a_row(1)
    assert open_loader(sqlite_url).take([as_line(PREDICTIONS, [a_row(0)])])
    table = FRAUD_PREDICTIONS.to_metadata(sa.MetaData())
    table.append_column(sa.Column("note", sa.Text))
    newer = replace(
        PREDICTIONS,
        table=table,
        fields=(*PREDICTIONS.fields, "note"),
        defaults={"note": None},
    )
    monkeypatch.setitem(KINDS, "fraud_predictions", newer)
    monkeypatch.setattr(log_database, "METADATA", table.metadata)
    (tmp_path / "spill").mkdir()
    lines = as_line(PREDICTIONS, [older]) + as_line(newer, [(*a_row(2), "new")])
    (tmp_path / "spill" / "77-ab.jsonl").write_bytes(lines)

    loader = open_loader(sqlite_url)
    assert loader.load()

    assert (loader.written, loader.dropped) == (2, 0)
    found = query(sqlite_url, "SELECT note FROM fraud_predictions ORDER BY request_id")
    assert found == [(None,), (None,), ("new",)]


def test_many_workers_start_at_once(database_url, tmp_path, monkeypatch):
    """Each finds or makes the tables, and none fails."""
    monkeypatch.setattr(loader_module, "PATIENCE_S", 30.0)  # a busy machine is no part of this
    barrier, loaders = threading.Barrier(8), []

    def work(number: int) -> None:
        loader = Loader(database_url, tmp_path / str(number))
        barrier.wait()
        loader.take([as_line(PREDICTIONS, [a_row(number)])])
        loaders.append(loader)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for loader in loaders:
        loader.close()
    assert [loader.written for loader in loaders] == [1] * 8
    assert sum(loader.failures for loader in loaders) == 0
    assert count(database_url) == 8


def test_adding_never_waits_for_a_process_that_hangs(sqlite_url, open_log):
    """While it is stopped rows wait; when it goes on they are written."""
    log = open_log(sqlite_url)
    log.add(a_row(0))
    await_true(lambda: log.counted()["written"] == 1)
    os.kill(log._process.pid, signal.SIGSTOP)
    began = time.perf_counter()
    for number in range(1, 20_000):
        log.add(a_row(number))
    took_s = time.perf_counter() - began
    waiting = log.counted()["waiting"]
    os.kill(log._process.pid, signal.SIGCONT)

    assert took_s < 5
    assert waiting > 10_000
    await_true(lambda: log.counted()["written"] == 20_000)


def test_killed_process_is_replaced_and_loses_nothing(sqlite_url, open_log):
    """The worker goes on; what the process had in hand is written by the next one."""
    log = open_log(sqlite_url)
    log.add(a_row(1))
    await_true(lambda: log.counted()["written"] == 1)
    for number in range(2, 5_000):
        log.add(a_row(number))
    os.kill(log._process.pid, signal.SIGKILL)
    log._process.wait()
    for number in range(5_000, 6_000):
        log.add(a_row(number))

    await_true(lambda: count(sqlite_url) == 5_999)
    await_true(lambda: log.counted()["waiting"] == 0)
    assert log.counted()["dropped"] == 0


_WORKER = """
import sys, time
from pathlib import Path
from services.fraud.log.log import AnswerLog
from tests.services.fraud.log.test_log import LAST_S, a_row

log = AnswerLog(sys.argv[1], Path(sys.argv[2]), LAST_S)
for number in range(100_000):
    log.add(a_row(number))
    print(number, time.time(), flush=True)
    time.sleep(0.0005)
"""


@pytest.mark.parametrize("is_away", [False, True], ids=["there", "away"])
def test_killed_worker_loses_at_most_the_last_second(database_url, tmp_path, is_away):
    """SIGKILL in the middle of work: what is older is in the database, or in files while it is
    away; the process ends.
    """
    url = "postgresql://nobody:secret@127.0.0.1:1/none" if is_away else database_url
    output = tmp_path / "added"
    with (
        output.open("w") as added_lines,
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, url, str(tmp_path / "spill")],
            cwd=ROOT,
            stdout=added_lines,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as worker,
    ):
        # However slow the machine: some rows are written, and some are more than a second old.
        await_true(lambda: output.read_bytes().count(b"\n") > 1_000, 60)
        time.sleep(1.1)
        [writer] = psutil.Process(worker.pid).children()
        worker.kill()
        killed_at = time.time()
    psutil.wait_procs([writer], timeout=20)
    assert not writer.is_running()
    if is_away:
        loader = Loader(database_url, tmp_path / "spill")
        assert loader.load()
        loader.close()

    added = [line.split() for line in output.read_text().splitlines()[:-1]]
    old = {f"t{number}" for number, at in added if float(at) < killed_at - 1}
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

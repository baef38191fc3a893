"""The state in a file: what other processes, a full disk, and whoever removes it do to it."""

import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from services.fraud.errors import StateUnavailable, TransactionConflict
from services.fraud.state.in_file import file_state, history, state_file
from services.fraud.state.snapshot import Pointer, read_snapshot
from services.fraud.state.state import Loaded
from services.fraud.transactions.features import DAY_S, table_features
from tests.services.fraud.driven import PATIENT_S, Driven, InFile
from tests.services.fraud.state.sales import DAY_15, count, never, sale
from tests.services.fraud.streams import (
    START,
    features,
    snapshot,
    stream,
    transactions,
)

ROOT = Path(__file__).parents[5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fraud" / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[Driven]:
    with closing(InFile(path, patience_s=PATIENT_S)) as state:
        yield state


@contextmanager
def worker(
    path: Path, name: str, number: int, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Another process that records transactions of alice."""
    command = [sys.executable, "-m", "tests.services.fraud.streams", str(path), name, str(number)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file grows any more, as if the disk were full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in path.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(size, 4_096), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A program that is none of ours keeps everybody from writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as outsider:
        outsider.execute("BEGIN EXCLUSIVE")
        yield


def test_workers_see_each_others_transactions_and_lose_none(state, path):
    """Three processes at once: each transaction of the customer sees all that came before it."""
    with worker(path, "a", 400) as a, worker(path, "b", 400) as b:
        answers = [state.once(sale(number, START), count).answer for number in range(400)]
        lines = (a.communicate()[0] + b.communicate()[0]).splitlines()
    assert state.count_rows() == 1_200
    assert {line.split()[1] for line in lines} == {"1"}
    seen = [int(line.split()[0]) for line in (*answers, *lines)]
    assert sorted(seen) == list(range(1, 1_201))


def test_killed_worker_loses_nothing_that_it_answered(state, path):
    """Killed while it writes, ten times: others go on at once, with every row it committed."""
    for life in range(10):
        with worker(path, f"life-{life}", 10**6) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(20 + 7 * life)]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.read().splitlines()
        outcome = state.once(sale(life, START), count)
        assert outcome.recorded
        assert int(outcome.answer.split()[0]) > int(lines[-1].split()[0])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_worker_that_stands_still_with_the_lock_fails_no_answer(path):
    """A stopped process keeps its locks: the others answer without recording while it does."""
    quiet = subprocess.DEVNULL
    with worker(path, "slow", 10**6, quiet) as process, closing(InFile(path)) as mine:
        while mine.count_rows() < 10:
            time.sleep(0.01)
        for number in itertools.count():  # until it is stopped inside a transaction
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            outcome = mine.once(sale(number), count)
            if not outcome.recorded:
                break
            process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        assert outcome.answer == f"{number + 1} 0".encode()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert mine.once(sale(number), count).recorded


def test_locked_database_never_fails_an_answer(path, caplog):
    """It is decided on what can be read, said to be unrecorded, and logged once."""
    state = InFile(path, patience_s=1.0)
    state.once(sale(1), count)
    with locked(path):
        began = time.perf_counter()
        outcomes = [state.once(sale(number, DAY_15 + 1), count) for number in range(2, 12)]
        took_s = time.perf_counter() - began
        assert state.once(sale(1), never).answer == b"1 0"
        with pytest.raises(TransactionConflict):
            state.once(sale(1, cents=7), never)
    assert [(o.answer, o.new, o.recorded) for o in outcomes] == [(b"2 0", True, False)] * 10
    assert took_s < 5  # only the first one waited for long, not ten of them
    told = [record.levelname for record in caplog.records if record.name == file_state.__name__]
    assert told == ["WARNING"]
    assert state.once(sale(2, DAY_15 + 1), count).recorded
    state.close()


def test_full_disk_never_fails_an_answer(state, path):
    """And it is decided only once; with space again, all is recorded."""
    for number in range(100):
        state.once(sale(number), count)
    decided = iter([b"once"])
    with full_disk(path):
        outcome = state.once(sale(100), lambda _windows: next(decided))
        assert state.once(sale(1), never).recorded
    assert (outcome.answer, outcome.new, outcome.recorded) == (b"once", True, False)
    assert state.once(sale(101), count).answer == b"101 0"
    assert state.count_rows() == 101


@pytest.mark.parametrize("known", [0, 1])
def test_killed_load_is_repeated_by_the_next_process(state, path, tmp_path, known):
    """Half of a snapshot is never taken for a whole one; into an empty state none of it comes."""
    table = stream(3_000, days=30)
    pointer = snapshot(table, START + 30 * DAY_S, tmp_path)
    for number in range(known):
        state.once(sale(number, customer_id="x", terminal_id="x"), count)
    child = os.fork()
    if child == 0:
        _load_and_die(path, pointer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    half = state.count_rows()
    assert (state.as_of, half) == (None, 1_001 if known else 0)

    loaded = state.load(pointer)

    assert loaded == Loaded(added=3_000 + known - half)
    assert state.as_of == START + 30 * DAY_S
    windows = [state.windows_of(row) for row in transactions(table)]
    np.testing.assert_array_equal(features(table, windows), table_features(table))


def _load_and_die(path: Path, pointer: Pointer) -> None:
    """In a child: killed after 1,000 rows of the snapshot."""
    try:

        def deadly(pointer, _rows=None):
            for number, chunk in enumerate(read_snapshot(pointer, 200)):
                if number == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield chunk

        vars(history)["read_snapshot"] = deadly
        InFile(path).load(pointer)
    finally:
        os._exit(1)


@pytest.mark.parametrize("harm", ["no database", "a page", "another version"])
def test_damaged_state_says_what_to_do(path, harm):
    """It can be removed: it is rebuilt from the snapshot."""
    with closing(InFile(path)) as state:
        for number in range(200):
            state.once(sale(number), count)
    content = bytearray(path.read_bytes())
    if harm == "no database":
        content[:100] = bytes(range(100))
    elif harm == "a page":
        content[4_096:] = b"x" * (len(content) - 4_096)
    else:
        content[60:64] = (99).to_bytes(4, "big")  # user_version
    path.write_bytes(content)

    advice = r"stop the service, remove state\.db\* there, and start again"
    with pytest.raises(StateUnavailable, match=advice), closing(InFile(path)) as damaged:
        damaged.once(sale(1), never)


def test_state_that_cannot_be_opened_is_named(tmp_path):
    """A file stands where its folder should be."""
    (tmp_path / "fraud").write_text("")
    with pytest.raises(StateUnavailable, match=r"state .*state\.db cannot be opened"):
        InFile(tmp_path / "fraud" / "state.db")


def test_log_is_moved_into_the_file_beside_requests(state, path, monkeypatch):
    """It does not grow with the transactions."""
    monkeypatch.setattr(state_file, "SHORTEN_AFTER", 50)
    for number in range(2_000):
        state.once(sale(number, START + number * 60), count)
        if state._file._shortening:
            state._file._shortening.join()
    assert path.with_name("state.db-wal").stat().st_size < 400 * 4_096
    assert path.stat().st_size > 100_000


def test_log_is_cut_even_if_writers_leave_no_gap(state, path, monkeypatch):
    """Once it is long, they are held back for a moment."""
    monkeypatch.setattr(state_file, "LOG_MAX_PAGES", 100)
    checkpoint, numbers = state_file._checkpoint, itertools.count()

    def busy(connection: sqlite3.Connection) -> int:
        pages = checkpoint(connection)
        if state._file._lock.acquire(0):  # nobody is held back: one more comes
            state._file._lock.release()
            state.once(sale(next(numbers)), count)
        return pages

    monkeypatch.setattr(state_file, "_checkpoint", busy)
    for _ in range(30):
        for _ in range(20):
            state.once(sale(next(numbers)), count)
        state._file.shorten_log()
    assert state.count_rows() == next(numbers)
    assert path.with_name("state.db-wal").stat().st_size < 400 * 4_096


@pytest.mark.parametrize("replaced", [False, True])
def test_state_whose_file_is_removed_or_replaced_is_not_current(state, path, replaced):
    """It goes on by itself, touches no other file, and one that is opened anew is current."""
    state.once(sale(1), count)
    assert state.is_current()
    for file in path.parent.glob("state.db*"):
        file.unlink()
    if replaced:
        InFile(path).close()
    before = sorted(path.parent.iterdir())

    assert not state.is_current()
    state._file.shorten_log()
    assert state.once(sale(2), count).answer == b"2 0"
    assert sorted(path.parent.iterdir()) == before

    with closing(InFile(path)) as anew:
        assert anew.is_current() and not state.is_current()
        assert (anew.count_rows(), state.count_rows()) == (0, 2)


@pytest.mark.parametrize("first", ["as_of", "snapshot", "once", "label", "load"])
@pytest.mark.parametrize("checkpointed", [False, True])
def test_state_emptied_while_it_serves_is_unavailable_in_one_line(
    path, tmp_path, first, checkpointed
):
    """`truncate -s 0 state.db*`: whatever is asked first, and then all else; no process dies."""
    pointer = snapshot(stream(100, days=30), START + 30 * DAY_S, tmp_path)
    with closing(InFile(path)) as state:
        for number in range(300):
            state.once(sale(number), count)
        if checkpointed:
            state._file.shorten_log()
        for file in path.parent.glob("state.db*"):
            os.truncate(file, 0)
        asked = {
            "as_of": lambda: state.as_of,
            "snapshot": lambda: state.snapshot,
            "once": lambda: state.once(sale(1), never),
            "label": lambda: state.label([("sale-1", True, 1.0)]),
            "load": lambda: state.load(pointer),
        }
        for name in (first, *asked):
            with pytest.raises(StateUnavailable, match=r"damaged .*remove state\.db\*") as caught:
                asked[name]()
            assert "\n" not in str(caught.value)
    with closing(InFile(path)) as anew:
        assert anew.load(pointer).added == 100


def test_index_of_the_log_that_was_emptied_is_made_anew(state, path):
    """Nothing is lost, and the process lives."""
    state.once(sale(1), count)
    os.truncate(f"{path}-shm", 0)
    assert state.once(sale(2), count).answer == b"2 0"
    assert state.count_rows() == 2

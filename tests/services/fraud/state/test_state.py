"""The state: the windows of a table, kept as transactions arrive, whatever happens meanwhile."""

import itertools
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.fraud.errors import StateUnavailable, TransactionConflict
from services.fraud.state import history, state_file
from services.fraud.state.history import Loaded
from services.fraud.state.snapshot import GIVEN, SIMULATED, Pointer, read_snapshot
from services.fraud.state.state import State
from services.fraud.state.window_counts import Transaction
from services.fraud.transactions.features import DAY_S, Windows, assemble, table_features
from tests.services.fraud.streams import (
    PATIENT_S,
    START,
    count_rows,
    prune_state,
    replay,
    snapshot,
    stream,
    transactions,
    windows_of,
)

ROOT = Path(__file__).parents[4]
DAY_15 = START + 15 * DAY_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fraud" / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    with closing(State(path, patience_s=PATIENT_S)) as state:
        yield state


def sale(number: int, at: int = DAY_15, **other) -> Transaction:
    """A transaction of one customer at one terminal."""
    return replace(Transaction(f"sale-{number}", "alice", "till", 1_000 + number, at), **other)


def count(windows: Windows) -> bytes:
    """An answer that shows what was seen: the customer's day, and the terminal's frauds."""
    return f"{windows.customer_counts[0]} {windows.terminal_frauds[0]}".encode()


def never(_windows: Windows) -> bytes:
    raise AssertionError("decided again")


def frauds(state: State) -> set[str]:
    query = "SELECT transaction_id FROM transactions WHERE is_fraud"
    return {key for (key,) in state._execute(query)}


def waiting(state: State) -> list[str]:
    """The transactions whose label came before them."""
    return [key for (key,) in state._execute("SELECT transaction_id FROM early_labels")]


def features(table, windows: list[Windows]) -> np.ndarray:
    rows = zip(transactions(table), windows, strict=True)
    return np.array([assemble(row.cents, row.time, seen) for row, seen in rows])


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


def test_online_features_equal_the_tables_on_6_000_transactions_in_a_row(state):
    """Bit by bit, with labels that arrive after seven days, and several in the same second."""
    table = stream(6_000, keys=(100, 50))
    windows = replay(state, table, labels=table)
    np.testing.assert_array_equal(features(table, windows), table_features(table))


def test_online_features_equal_the_tables_after_a_start_from_a_snapshot(state, tmp_path):
    """Once a window reaches back no further than the snapshot, nothing shows that there was one."""
    table = stream(6_000)
    as_of = START + 45 * DAY_S
    before, after = table[table["time"] <= as_of], table[table["time"] > as_of]
    known = before["time"] <= as_of - 7 * DAY_S
    labelled = before.assign(is_fraud=before["is_fraud"] & known)
    state.load(snapshot(labelled, as_of, tmp_path))

    windows = replay(state, after, labels=table)

    np.testing.assert_array_equal(features(after, windows), table_features(table)[len(before) :])


def test_features_of_transactions_from_a_snapshot_are_those_of_their_own_time(state, tmp_path):
    """A row that came without an answer is decided on as if it arrived in its turn, once."""
    table = stream(1_000, days=30)
    state.load(snapshot(table, START + 30 * DAY_S, tmp_path))

    seen: list[Windows] = []

    def decide(windows: Windows) -> bytes:
        seen.append(windows)
        return b"first"

    for transaction in transactions(table):
        outcome = state.once(transaction, decide)
        assert (outcome.new, outcome.recorded) == (True, True)

    np.testing.assert_array_equal(features(table, seen), table_features(table))
    assert count_rows(state) == len(table)
    assert state.once(next(transactions(table)), never).answer == b"first"


def test_retry_gets_the_first_answer_and_leaves_one_row(state):
    """Whatever has happened in between, and from whichever worker."""
    first = state.once(sale(1), count)
    state.once(sale(2), count)
    again = state.once(sale(1), never)
    assert (first.answer, first.new, first.recorded) == (b"1 0", True, True)
    assert (again.answer, again.new, again.recorded) == (b"1 0", False, True)
    assert count_rows(state) == 2


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"customer_id": "bob"}, "customer_id"),
        ({"cents": 7, "terminal_id": "shop"}, "terminal_id and amount"),
        ({"time": DAY_15 + 1}, "time"),
    ],
)
def test_known_id_with_other_content_is_a_conflict(state, other, named):
    """The message names the fields, not what is in them, and nothing changes."""
    state.once(sale(1), count)
    with pytest.raises(TransactionConflict) as caught:
        state.once(sale(1, **other), never)
    assert str(caught.value) == f"this transaction_id is known with another {named}"
    with pytest.raises(TransactionConflict):
        windows_of(state, sale(1, **other))
    assert state.once(sale(1), never).answer == b"1 0"


def test_decision_that_fails_leaves_nothing_behind(state):
    """The next attempt is the first one."""

    def fail(_windows: Windows) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        state.once(sale(1), fail)
    assert count_rows(state) == 0
    assert state.once(sale(1), count).new


def test_late_transaction_sees_only_what_came_before_its_own_time(state):
    """And those that follow see it."""
    state.once(sale(1, DAY_15), count)
    assert state.once(sale(2, DAY_15 - 60), count).answer == b"1 0"
    assert state.once(sale(3, DAY_15 + 60), count).answer == b"3 0"


def test_windows_can_be_asked_without_recording(state):
    """They include the transaction itself, known or not."""
    state.once(sale(1), count)
    asked = windows_of(state, sale(2, DAY_15 + 2 * DAY_S))
    assert asked.customer_counts == (1, 2, 2)
    assert asked.customer_cents == (1_002, 2_003, 2_003)
    assert windows_of(state, sale(1)).customer_counts == (1, 1, 1)
    assert count_rows(state) == 1


def test_label_changes_risk_only_after_the_delay(state):
    """A terminal's fraud counts from seven days on, for as long as a window reaches back."""
    state.once(sale(1), count)
    assert state.label([("sale-1", True, 1.0), ("unknown", True, 1.0)]) == 1
    frauds = [
        windows_of(state, sale(9, DAY_15 + after)).terminal_frauds
        for after in (7 * DAY_S - 1, 7 * DAY_S, 8 * DAY_S - 1, 8 * DAY_S, 14 * DAY_S, 37 * DAY_S)
    ]
    assert frauds == [(0, 0, 0), (1, 1, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]


def test_label_can_be_repeated_and_corrected(state):
    """The last one counts."""
    state.once(sale(1), count)
    later = sale(9, DAY_15 + 7 * DAY_S)
    for labels, frauds in (([True, True], 1), ([True, False], 0), ([True], 1)):
        assert state.label(("sale-1", is_fraud, 5.0) for is_fraud in labels) == len(labels)
        assert windows_of(state, later).terminal_frauds[0] == frauds


def test_label_known_latest_counts_in_whatever_order_they_arrive(state):
    """As in the log of answers: of two that contradict one another, the later `labelled_at`."""
    state.once(sale(1), count)
    later = sale(9, DAY_15 + 7 * DAY_S)
    for at, is_fraud, frauds in ((5.5, True, 1), (5.0, False, 1), (5.5, False, 0), (5.4, True, 0)):
        assert state.label([("sale-1", is_fraud, at)]) == 1
        assert windows_of(state, later).terminal_frauds[0] == frauds


def test_label_that_comes_before_its_transaction_waits_for_it(state):
    """The latest of them, and later ones are compared with it; recorded or from a snapshot."""
    later = sale(9, DAY_15 + 7 * DAY_S)
    assert state.label([("sale-1", True, 5.0), ("sale-1", False, 4.0), ("sale-2", False, 5.0)]) == 0
    state.once(sale(1), count)
    state.once(sale(2), count)
    assert windows_of(state, later).terminal_frauds[0] == 1
    assert state.label([("sale-1", False, 4.5), ("sale-2", True, 4.5)]) == 2
    assert windows_of(state, later).terminal_frauds[0] == 1
    assert waiting(state) == []


@pytest.mark.parametrize("known", [0, 1])
def test_label_that_waits_outdoes_that_of_a_snapshot(state, tmp_path, known):
    """Into an empty state or beside requests."""
    table = stream(500, days=30).assign(is_fraud=False)
    table.loc[[3, 4], "is_fraud"] = True
    state.label([("3", False, 1.0), ("7", True, 1.0), ("none", True, START)])
    for number in range(known):
        state.once(sale(number), count)
    loaded = state.load(snapshot(table, START + 30 * DAY_S, tmp_path))
    assert loaded == Loaded(added=500)
    assert frauds(state) == {"4", "7"}
    assert waiting(state) == ["none"]


def test_label_whose_transaction_never_comes_is_removed_in_the_end(state, tmp_path):
    """38 days after it became known."""
    as_of = START + 40 * DAY_S
    state.label([("old", True, START + 2 * DAY_S - 1), ("young", True, START + 2 * DAY_S)])
    state.load(snapshot(stream(10).iloc[:0], as_of, tmp_path))
    assert waiting(state) == ["young"]


def test_workers_see_each_others_transactions_and_lose_none(state, path):
    """Three processes at once: each transaction of the customer sees all that came before it."""
    with worker(path, "a", 400) as a, worker(path, "b", 400) as b:
        answers = [state.once(sale(number, START), count).answer for number in range(400)]
        lines = (a.communicate()[0] + b.communicate()[0]).splitlines()
    assert count_rows(state) == 1_200
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
    with worker(path, "slow", 10**6, quiet) as process, closing(State(path)) as mine:
        while count_rows(mine) < 10:
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
    state = State(path)
    state.once(sale(1), count)
    with locked(path):
        began = time.perf_counter()
        outcomes = [state.once(sale(number, DAY_15 + 1), count) for number in range(2, 12)]
        took_s = time.perf_counter() - began
        assert state.once(sale(1), never).answer == b"1 0"
        with pytest.raises(TransactionConflict):
            state.once(sale(1, cents=7), never)
    assert [(o.answer, o.new, o.recorded) for o in outcomes] == [(b"2 0", True, False)] * 10
    assert took_s < 1  # only the first one waited for long
    assert [record.levelname for record in caplog.records] == ["WARNING"]
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
    assert count_rows(state) == 101


def test_state_survives_a_restart(path):
    """Answers, windows and the snapshot's time are still there."""
    with closing(State(path)) as before:
        before.once(sale(1), count)
    with closing(State(path)) as after:
        assert after.once(sale(1), never).answer == b"1 0"
        assert after.once(sale(2), count).answer == b"2 0"


def test_empty_state_knows_of_no_snapshot(state):
    """A service may start without history."""
    assert (state.as_of, state.snapshot, count_rows(state)) == (None, None, 0)


def test_load_beside_requests_keeps_what_is_known(state, tmp_path):
    """Answers and labels stay, what is missing is added, and new frauds are taken over."""
    table = stream(1_000, days=30)
    rows = list(transactions(table))
    for row in rows[:500]:
        state.once(row, lambda _windows: b"live")
    state.label([("0", True, 1.0), ("1", False, 1.0)])
    as_of = START + 30 * DAY_S
    table.loc[:499, "is_fraud"] = False
    table.loc[[1, 2], "is_fraud"] = True
    pointer = snapshot(table, as_of, tmp_path)

    assert state.load(pointer) == Loaded(added=500, labelled=1)
    assert state.load(pointer) == Loaded()

    assert (state.as_of, state.snapshot, count_rows(state)) == (as_of, pointer.digest, 1_000)
    assert state.once(rows[0], never).answer == b"live"
    assert frauds(state) & {str(number) for number in range(500)} == {"0", "2"}


def test_corrected_snapshot_replaces_what_an_earlier_one_gave_otherwise(state, tmp_path):
    """Whatever was wrong, a busy key's counts and labels included; what was answered stays."""
    right = stream(3_000, days=30, keys=(3, 3)).assign(is_fraud=False)
    wrong = right.assign(customer_id="NULL", cents=1, time=right["time"] // 1_000)
    rows = list(transactions(right))
    for row in rows[:10]:
        state.once(row, lambda _windows: b"live")
    state.load(snapshot(wrong, START // 1_000 + 30 * DAY_S, tmp_path))
    state.label([("20", True, 5.0)])

    loaded = state.load(snapshot(right, START + 30 * DAY_S, tmp_path))

    assert loaded == Loaded(replaced=2_990)
    assert (count_rows(state), frauds(state), waiting(state)) == (3_000, {"20"}, [])
    assert state.once(rows[0], never).answer == b"live"
    right.loc[20, "is_fraud"] = True
    windows = [windows_of(state, row) for row in rows]
    np.testing.assert_array_equal(features(right, windows), table_features(right))


def test_state_takes_no_snapshot_of_another_source(state, tmp_path):
    """Though the file was written where nobody saw the state; one that says of none is taken."""
    table, as_of = stream(100, days=30), START + 30 * DAY_S
    simulated = replace(snapshot(table, as_of, tmp_path), source=SIMULATED)
    state.load(simulated)
    later = snapshot(table.assign(customer_id="x"), as_of, tmp_path)
    with pytest.raises(StateUnavailable, match="holds simulated transactions, with which given"):
        state.load(replace(later, source=GIVEN))
    assert (state.snapshot, count_rows(state)) == (simulated.digest, 100)
    assert state.load(later) == Loaded(replaced=100)


def test_load_removes_what_no_window_reaches(state, tmp_path):
    """Older than 38 days before the snapshot."""
    state.once(sale(1, START), count)
    state.once(sale(2, START + 2 * DAY_S), count)
    as_of = START + 39 * DAY_S
    assert state.load(snapshot(stream(10).iloc[:0], as_of, tmp_path)) == Loaded(removed=1)
    assert state.once(sale(2, START + 2 * DAY_S), never)
    assert count_rows(state) == 1


def test_older_snapshot_does_not_make_the_history_older(state, tmp_path):
    """What came with the newer one is still there."""
    for as_of in (START + 30 * DAY_S, START + 20 * DAY_S):
        state.load(snapshot(stream(100, days=30), as_of, tmp_path))
    assert state.as_of == START + 30 * DAY_S


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
    half = count_rows(state)
    assert (state.as_of, half) == (None, 1_001 if known else 0)

    loaded = state.load(pointer)

    assert loaded == Loaded(added=3_000 + known - half)
    assert state.as_of == START + 30 * DAY_S
    windows = [windows_of(state, row) for row in transactions(table)]
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
        State(path).load(pointer)
    finally:
        os._exit(1)


def test_requests_go_on_while_a_snapshot_is_loaded(state, tmp_path):
    """From another thread, beside a state that serves: each is recorded, none waits for long."""
    state.once(sale(0), count)
    pointer = snapshot(stream(4_000, days=30), START + 30 * DAY_S, tmp_path)
    loader = threading.Thread(target=state.load, args=(pointer,))
    loader.start()
    recorded: list[bool] = []
    while loader.is_alive():
        number = len(recorded) + 1
        recorded.append(state.once(sale(number, DAY_15 + number), count).recorded)
        time.sleep(0.001)
    assert len(recorded) > 10 and all(recorded)
    assert count_rows(state) == 4_001 + len(recorded)


def test_two_loads_of_a_snapshot_do_it_once(path, state, tmp_path):
    """The later one waits, and finds it done."""
    pointer = snapshot(stream(2_000, days=30), START + 30 * DAY_S, tmp_path)
    results: list[Loaded] = []
    loaders = [
        threading.Thread(target=lambda: results.append(state.load(pointer))) for _ in range(3)
    ]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
    assert sorted(result.added for result in results) == [0, 0, 2_000]


def test_damaged_snapshot_changes_nothing(state, tmp_path):
    """The state goes on with what it has."""
    pointer = snapshot(stream(100), START + 30 * DAY_S, tmp_path)
    pointer.file.write_bytes(b"PAR1")
    with pytest.raises(StateUnavailable, match=r"snapshot .* is damaged"):
        state.load(pointer)
    assert (state.as_of, count_rows(state)) == (None, 0)
    assert state.once(sale(1), count).recorded


def test_prune_removes_what_is_older(state):
    """By the time of the transactions, not of their arrival."""
    for number in range(500):
        state.once(sale(number, START + 500 - number), count)
    assert prune_state(state, START + 400) == 399
    assert count_rows(state) == 101
    assert prune_state(state, START + 400) == 0


@pytest.mark.parametrize("harm", ["no database", "a page", "another version"])
def test_damaged_state_says_what_to_do(path, harm):
    """It can be removed: it is rebuilt from the snapshot."""
    with closing(State(path)) as state:
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
    with pytest.raises(StateUnavailable, match=advice), closing(State(path)) as damaged:
        damaged.once(sale(1), never)


def test_state_that_cannot_be_opened_is_named(tmp_path):
    """A file stands where its folder should be."""
    (tmp_path / "fraud").write_text("")
    with pytest.raises(StateUnavailable, match=r"state .*state\.db cannot be opened"):
        State(tmp_path / "fraud" / "state.db")


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
    assert count_rows(state) == next(numbers)
    assert path.with_name("state.db-wal").stat().st_size < 400 * 4_096


def test_state_of_the_version_before_goes_on_with_what_it_holds(path):
    """Answers and labels; what it has missed is made up."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as old:
        old.executescript(state_file._FIRST + "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;")
        row = ("sale-1", "alice", "till", DAY_15, 1_001, 1, b"first")
        old.execute("INSERT INTO transactions VALUES (1, ?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
    for _ in range(2):
        with closing(State(path)) as state:
            assert state.once(sale(1), never).answer == b"first"
            assert frauds(state) == {"sale-1"}
    with closing(State(path)) as state:
        state.label([("sale-1", False, 1.0), ("sale-2", True, 1.0)])
        state.once(sale(2), count)
        assert frauds(state) == {"sale-2"}


@pytest.mark.parametrize("replaced", [False, True])
def test_state_whose_file_is_removed_or_replaced_is_not_current(state, path, replaced):
    """It goes on by itself, touches no other file, and one that is opened anew is current."""
    state.once(sale(1), count)
    assert state.is_current()
    for file in path.parent.glob("state.db*"):
        file.unlink()
    if replaced:
        State(path).close()
    before = sorted(path.parent.iterdir())

    assert not state.is_current()
    state._file.shorten_log()
    assert state.once(sale(2), count).answer == b"2 0"
    assert sorted(path.parent.iterdir()) == before

    with closing(State(path)) as anew:
        assert anew.is_current() and not state.is_current()
        assert (count_rows(anew), count_rows(state)) == (0, 2)


@pytest.mark.parametrize("first", ["as_of", "snapshot", "once", "label", "load"])
@pytest.mark.parametrize("checkpointed", [False, True])
def test_state_emptied_while_it_serves_is_unavailable_in_one_line(
    path, tmp_path, first, checkpointed
):
    """`truncate -s 0 state.db*`: whatever is asked first, and then all else; no process dies."""
    pointer = snapshot(stream(100, days=30), START + 30 * DAY_S, tmp_path)
    with closing(State(path)) as state:
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
    with closing(State(path)) as anew:
        assert anew.load(pointer).added == 100


def test_index_of_the_log_that_was_emptied_is_made_anew(state, path):
    """Nothing is lost, and the process lives."""
    state.once(sale(1), count)
    os.truncate(f"{path}-shm", 0)
    assert state.once(sale(2), count).answer == b"2 0"
    assert count_rows(state) == 2

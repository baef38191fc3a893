"""The state: the windows of a table, kept as transactions arrive, whatever happens meanwhile.

Promises of every state; what only one kind of it promises is in the folder of its name.
"""

import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from services.fraud.errors import StateUnavailable, TransactionConflict
from services.fraud.state.snapshot import GIVEN, SIMULATED
from services.fraud.state.state import Loaded
from services.fraud.transactions.features import DAY_S, Windows, table_features
from tests.services.fraud.state.sales import DAY_15, count, never, sale
from tests.services.fraud.streams import START, features, replay, snapshot, stream, transactions


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
    assert state.count_rows() == len(table)
    assert state.once(next(transactions(table)), never).answer == b"first"


def test_retry_gets_the_first_answer_and_leaves_one_row(state):
    """Whatever has happened in between, and from whichever worker."""
    first = state.once(sale(1), count)
    state.once(sale(2), count)
    again = state.once(sale(1), never)
    assert (first.answer, first.new, first.recorded) == (b"1 0", True, True)
    assert (again.answer, again.new, again.recorded) == (b"1 0", False, True)
    assert state.count_rows() == 2


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
        state.windows_of(sale(1, **other))
    assert state.once(sale(1), never).answer == b"1 0"


def test_decision_that_fails_leaves_nothing_behind(state):
    """The next attempt is the first one."""

    def fail(_windows: Windows) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        state.once(sale(1), fail)
    assert state.count_rows() == 0
    assert state.once(sale(1), count).new


def test_late_transaction_sees_only_what_came_before_its_own_time(state):
    """And those that follow see it."""
    state.once(sale(1, DAY_15), count)
    assert state.once(sale(2, DAY_15 - 60), count).answer == b"1 0"
    assert state.once(sale(3, DAY_15 + 60), count).answer == b"3 0"


def test_windows_can_be_asked_without_recording(state):
    """They include the transaction itself, known or not."""
    state.once(sale(1), count)
    asked = state.windows_of(sale(2, DAY_15 + 2 * DAY_S))
    assert asked.customer_counts == (1, 2, 2)
    assert asked.customer_cents == (1_002, 2_003, 2_003)
    assert state.windows_of(sale(1)).customer_counts == (1, 1, 1)
    assert state.count_rows() == 1


def test_label_changes_risk_only_after_the_delay(state):
    """A terminal's fraud counts from seven days on, for as long as a window reaches back."""
    state.once(sale(1), count)
    assert state.label([("sale-1", True, 1.0), ("unknown", True, 1.0)]) == 1
    frauds = [
        state.windows_of(sale(9, DAY_15 + after)).terminal_frauds
        for after in (7 * DAY_S - 1, 7 * DAY_S, 8 * DAY_S - 1, 8 * DAY_S, 14 * DAY_S, 37 * DAY_S)
    ]
    assert frauds == [(0, 0, 0), (1, 1, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1), (0, 0, 0)]


def test_label_can_be_repeated_and_corrected(state):
    """The last one counts."""
    state.once(sale(1), count)
    later = sale(9, DAY_15 + 7 * DAY_S)
    for labels, frauds in (([True, True], 1), ([True, False], 0), ([True], 1)):
        assert state.label(("sale-1", is_fraud, 5.0) for is_fraud in labels) == len(labels)
        assert state.windows_of(later).terminal_frauds[0] == frauds


def test_label_known_latest_counts_in_whatever_order_they_arrive(state):
    """As in the log of answers: of two that contradict one another, the later `labelled_at`."""
    state.once(sale(1), count)
    later = sale(9, DAY_15 + 7 * DAY_S)
    for at, is_fraud, frauds in ((5.5, True, 1), (5.0, False, 1), (5.5, False, 0), (5.4, True, 0)):
        assert state.label([("sale-1", is_fraud, at)]) == 1
        assert state.windows_of(later).terminal_frauds[0] == frauds


def test_label_that_comes_before_its_transaction_waits_for_it(state):
    """The latest of them, and later ones are compared with it; recorded or from a snapshot."""
    later = sale(9, DAY_15 + 7 * DAY_S)
    assert state.label([("sale-1", True, 5.0), ("sale-1", False, 4.0), ("sale-2", False, 5.0)]) == 0
    state.once(sale(1), count)
    state.once(sale(2), count)
    assert state.windows_of(later).terminal_frauds[0] == 1
    assert state.label([("sale-1", False, 4.5), ("sale-2", True, 4.5)]) == 2
    assert state.windows_of(later).terminal_frauds[0] == 1
    assert state.waiting() == []


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
    assert state.frauds() == {"4", "7"}
    assert state.waiting() == ["none"]


def test_label_whose_transaction_never_comes_is_removed_in_the_end(state, tmp_path):
    """38 days after it became known."""
    as_of = START + 40 * DAY_S
    state.label([("old", True, START + 2 * DAY_S - 1), ("young", True, START + 2 * DAY_S)])
    state.load(snapshot(stream(10).iloc[:0], as_of, tmp_path))
    assert state.waiting() == ["young"]


def test_state_survives_a_restart(place):
    """Answers, windows and the snapshot's time are still there."""
    with closing(place.open()) as before:
        before.once(sale(1), count)
    with closing(place.open()) as after:
        assert after.once(sale(1), never).answer == b"1 0"
        assert after.once(sale(2), count).answer == b"2 0"


def test_empty_state_knows_of_no_snapshot(state):
    """A service may start without history."""
    assert (state.as_of, state.snapshot, state.count_rows()) == (None, None, 0)


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

    assert (state.as_of, state.snapshot, state.count_rows()) == (as_of, pointer.digest, 1_000)
    assert state.once(rows[0], never).answer == b"live"
    assert state.frauds() & {str(number) for number in range(500)} == {"0", "2"}


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
    assert (state.count_rows(), state.frauds(), state.waiting()) == (3_000, {"20"}, [])
    assert state.once(rows[0], never).answer == b"live"
    right.loc[20, "is_fraud"] = True
    windows = [state.windows_of(row) for row in rows]
    np.testing.assert_array_equal(features(right, windows), table_features(right))


def test_state_takes_no_snapshot_of_another_source(state, tmp_path):
    """Though the file was written where nobody saw the state; one that says of none is taken."""
    table, as_of = stream(100, days=30), START + 30 * DAY_S
    simulated = replace(snapshot(table, as_of, tmp_path), source=SIMULATED)
    state.load(simulated)
    later = snapshot(table.assign(customer_id="x"), as_of, tmp_path)
    with pytest.raises(StateUnavailable, match="holds simulated transactions, with which given"):
        state.load(replace(later, source=GIVEN))
    assert (state.snapshot, state.count_rows()) == (simulated.digest, 100)
    assert state.load(later) == Loaded(replaced=100)


def test_load_removes_what_no_window_reaches(state, tmp_path):
    """Older than 38 days before the snapshot."""
    state.once(sale(1, START), count)
    state.once(sale(2, START + 2 * DAY_S), count)
    as_of = START + 39 * DAY_S
    assert state.load(snapshot(stream(10).iloc[:0], as_of, tmp_path)) == Loaded(removed=1)
    assert state.once(sale(2, START + 2 * DAY_S), never)
    assert state.count_rows() == 1


def test_older_snapshot_does_not_make_the_history_older(state, tmp_path):
    """What came with the newer one is still there."""
    for as_of in (START + 30 * DAY_S, START + 20 * DAY_S):
        state.load(snapshot(stream(100, days=30), as_of, tmp_path))
    assert state.as_of == START + 30 * DAY_S


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
    assert state.count_rows() == 4_001 + len(recorded)


def test_two_loads_of_a_snapshot_do_it_once(state, tmp_path):
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
    assert (state.as_of, state.count_rows()) == (None, 0)
    assert state.once(sale(1), count).recorded


def test_prune_removes_what_is_older(state):
    """By the time of the transactions, not of their arrival."""
    for number in range(500):
        state.once(sale(number, START + 500 - number), count)
    assert state.prune(START + 400) == 399
    assert state.count_rows() == 101
    assert state.prune(START + 400) == 0

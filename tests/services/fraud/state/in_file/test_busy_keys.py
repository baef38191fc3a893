"""What an answer costs, in steps of SQLite, does not depend on how busy its keys are."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from services.fraud.state.buckets import MOST_ROWS
from services.fraud.state.in_file.history import write_labels
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, Windows
from tests.services.fraud.driven import Driven, InFile
from tests.services.fraud.streams import START, snapshot, stream

AS_OF = START + 60 * DAY_S
BUSY, BUSIER = 2_000, 20_000  # transactions of a customer, or at a terminal
STEPS = 100  # of SQLite's machine, counted at a time
DELAYED = AS_OF - 8 * DAY_S  # what terminals' windows see of transactions at the end


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Callable[..., Driven]]:
    """States with one customer and one terminal, by their number of transactions."""
    opened: list[Driven] = []

    def make(rows: int, lasts_s: int) -> Driven:
        home = tmp_path / str(rows)
        state = InFile(home / "state.db")
        opened.append(state)
        table = stream(rows, keys=(1, 1))
        draw = np.random.default_rng(0)
        table["time"] = np.sort(DELAYED - draw.integers(0, lasts_s, rows))
        state.load(snapshot(table, AS_OF, home))
        return state

    yield make
    for state in opened:
        state.close()


def steps(state: Driven, action: Callable[[], object]) -> int:
    """How much SQLite works for something, in hundreds of its machine's steps."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    connection = state._file.connection
    connection.set_progress_handler(count, STEPS)
    try:
        action()
    finally:
        connection.set_progress_handler(None, 0)
    return counted


def sale(name: str, time: int) -> Transaction:
    return Transaction(name, "0", "0", 500, time)


@pytest.mark.parametrize("lasts_s", [1, 60, 3_600, DAY_S, 28 * DAY_S])
def test_work_for_an_answer_does_not_grow_with_the_keys_transactions(homes, lasts_s):
    """In a month, a day, an hour, a minute or one second; new, late, and one of the snapshot's."""
    small, large = (homes(rows, lasts_s) for rows in (BUSY, BUSIER))
    last = large._execute("SELECT transaction_id, cents, time FROM transactions WHERE seq = 19999")
    known = dict(zip(("transaction_id", "cents", "time"), last.fetchone(), strict=True))
    asked = {
        "new": sale("new", AS_OF + 100),
        "in the busiest second": sale("late", DELAYED),
        "whose windows begin there": sale("edge", DELAYED + 7 * DAY_S),
        "known": Transaction(customer_id="0", terminal_id="0", **known),
    }
    least = steps(small, lambda: small.once(sale("first", AS_OF), lambda _windows: b""))
    for name, transaction in asked.items():

        def ask(transaction: Transaction = transaction) -> None:
            assert large.once(transaction, lambda _windows: b"").new

        assert steps(large, ask) < 2 * least, name


def test_work_for_a_label_does_not_grow_with_the_terminals_transactions(homes):
    """Of the oldest, the newest, and one in the middle; said, and taken back."""

    def label(state: Driven, number: int, is_fraud: bool) -> int:
        return steps(state, lambda: write_labels(state._file, [(str(number), is_fraud, 1.0)]))

    small, large = (homes(rows, 28 * DAY_S) for rows in (BUSY, BUSIER))
    least = label(small, 7, True)
    for number in (0, 9_999, 19_999):
        for is_fraud in (True, False):
            assert label(large, number, is_fraud) < 2 * least


def test_work_of_pruning_a_transaction_does_not_grow_with_the_keys_others(homes):
    """The oldest are removed, one by one."""

    def remove(state: Driven, seq: int) -> int:
        delete = "DELETE FROM transactions WHERE seq = ?"
        return steps(state, lambda: state._execute(delete, (seq,)))

    small, large = (homes(rows, 28 * DAY_S) for rows in (BUSY, BUSIER))
    least = max(remove(small, seq) for seq in range(1, 20))
    assert all(remove(large, seq) < 2 * least for seq in range(1, 20))


def test_key_that_becomes_busy_is_counted_once(tmp_path):
    """Soon after there are more transactions than are read one by one; then it costs less."""

    def ask(state: Driven, number: int) -> tuple[int, int]:
        seen: list[int] = []

        def decide(windows: Windows) -> bytes:
            seen.append(windows.customer_counts[0])
            return b""

        return steps(state, lambda: state.once(sale(str(number), START + number), decide)), seen[0]

    with closing(InFile(tmp_path / "state.db")) as state:
        work, seen = zip(*(ask(state, number) for number in range(MOST_ROWS + 150)), strict=True)
    assert list(seen) == list(range(1, MOST_ROWS + 151))
    assert max(work[MOST_ROWS + 100 :]) < work[MOST_ROWS - 1]

"""States that an earlier version has left go on with what they hold."""

import sqlite3
from contextlib import closing

import pytest

from services.fraud.state.completeness import Coverage
from services.fraud.state.in_file import state_file
from services.fraud.state.snapshot import COLUMNS
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S
from tests.services.fraud.driven import InFile
from tests.services.fraud.state.definition import assert_busy, assert_equals_definition
from tests.services.fraud.state.sales import DAY_15, count, never, sale
from tests.services.fraud.streams import START, stream

DAY_60 = START + 60 * DAY_S


def test_state_of_the_version_before_goes_on_with_what_it_holds(tmp_path):
    """Answers and labels; what it has missed is made up."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(state_file._FIRST + "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;")
        row = ("sale-1", "alice", "till", DAY_15, 1_001, 1, b"first")
        old.execute("INSERT INTO transactions VALUES (1, ?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
    for _ in range(2):
        with closing(InFile(path)) as state:
            assert state.once(sale(1), never).answer == b"first"
            assert state.frauds() == {"sale-1"}
    with closing(InFile(path)) as state:
        state.label([("sale-1", False, 1.0), ("sale-2", True, 1.0)])
        state.once(sale(2), count)
        assert state.frauds() == {"sale-2"}


@pytest.mark.usefixtures("keys_are_busy_soon")
def test_state_of_the_version_before_counts_what_it_holds(tmp_path):
    """Its busy keys are counted as it is opened, and go on from there."""
    path, table = tmp_path / "state.db", stream(500, keys=(2, 2), days=30)
    with closing(sqlite3.connect(path)) as old:
        steps = "".join(state_file._STEPS[:2])
        old.executescript(f"{steps} PRAGMA user_version = 2; PRAGMA journal_mode = WAL;")
        rows = table.astype(dict.fromkeys(COLUMNS[:3], str))[list(COLUMNS)]
        old.executemany(
            f"INSERT INTO transactions ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)",
            rows.astype(object).itertuples(index=False, name=None),
        )
        old.commit()
    with closing(InFile(path)) as state:
        assert_busy(state, customers=2, terminals=2)
        assert_equals_definition(state, [Transaction("n", "1", "0", 5, START + 40 * DAY_S)])
        state.once(Transaction("n", "1", "0", 5, START + 29 * DAY_S), lambda _windows: b"answer")
        state.label([("7", True, 1.0), ("8", False, 1.0)])
        assert_equals_definition(state, [])


def test_state_of_the_version_before_tells_by_its_snapshots_rows(tmp_path):
    """Not by transactions that came late, and not beyond what is kept."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as old:
        steps = "".join(state_file._STEPS[:2])
        old.executescript(f"{steps} PRAGMA user_version = 2; PRAGMA journal_mode = WAL;")
        row = "INSERT INTO transactions (transaction_id, customer_id, terminal_id, cents, time,"
        row = f"{row} answer) VALUES (?, 'a', 't', 1, ?, ?)"
        old.execute(row, ("late", START, b"answer"))
        old.execute(row, ("first", DAY_60 - 10 * DAY_S, None))
        old.execute("INSERT INTO facts VALUES ('as_of', ?)", (DAY_60,))
        old.commit()
    with closing(InFile(path)) as state:
        assert state.coverage == Coverage(DAY_60 - 10 * DAY_S, DAY_60, DAY_60)

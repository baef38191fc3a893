"""Counts of busy keys: bit by bit what the table's definition says, whatever the history was."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.fraud.state import busy_keys, completeness, state_file
from services.fraud.state.snapshot import COLUMNS
from services.fraud.state.state import State
from services.fraud.state.window_counts import Transaction
from services.fraud.transactions.features import DAY_S, assemble, table_features
from tests.services.fraud.streams import (
    START,
    prune_state,
    replay,
    snapshot,
    stream,
    transactions,
    windows_of,
)

AS_OF = START + 60 * DAY_S
# Where buckets and windows begin and end, to the second.
OFFSETS_S = (0, 1, 59, 60, 3_599, 3_600, 43_200, DAY_S - 1)
DAYS = (0, 1, 2, 6, 7, 8, 14, 29, 30, 31, 36, 37, 38, 45)


@pytest.fixture(autouse=True)
def keys_are_busy_soon() -> Iterator[None]:
    """With four transactions, three of them in one second, so that small histories have all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(busy_keys, "MOST_ROWS", 3)
        patch.setattr(busy_keys, "LOOK_EVERY", 1)
        patch.setattr(busy_keys, "MOST_IN_SECOND", 2)
        steps = (*state_file._STEPS[:2], busy_keys.schema() + completeness.SCHEMA)
        patch.setattr(state_file, "_STEPS", steps)
        yield


@contextmanager
def opened(folder: Path) -> Iterator[tuple[State, Path]]:
    with TemporaryDirectory(dir=folder) as home, closing(State(Path(home) / "state.db")) as state:
        yield state, Path(home)


def answer(_windows: object) -> bytes:
    return b"answer"


def held(state: State) -> pd.DataFrame:
    """What the state holds, as a table: by time, and by arrival within a second."""
    query = "SELECT transaction_id, customer_id, terminal_id, cents, time, is_fraud"
    found = state._execute(f"{query} FROM transactions ORDER BY time, seq").fetchall()
    return pd.DataFrame(found, columns=list(COLUMNS))


def assert_equals_definition(state: State, asked: list[Transaction]) -> None:
    """Of each transaction that is held, and of others as if each came now."""
    table = held(state)
    expected = table_features(table)
    for transaction, row in zip(transactions(table), expected, strict=True):
        assert found(state, transaction) == row.tolist()
    for transaction in asked:
        before = table[table["time"] <= transaction.time]
        after = table[table["time"] > transaction.time]
        own = pd.DataFrame(
            [[*(getattr(transaction, name) for name in COLUMNS[:-1]), False]], columns=list(COLUMNS)
        )
        rows = table_features(pd.concat([before, own, after], ignore_index=True))
        assert found(state, transaction) == rows[len(before)].tolist()


def found(state: State, transaction: Transaction) -> list[float]:
    windows = windows_of(state, transaction)
    return [float(value) for value in assemble(transaction.cents, transaction.time, windows)]


TIMES = st.one_of(
    st.just(START + 8 * DAY_S),  # where many meet in one second
    st.builds(
        lambda day, offset: START + day * DAY_S + offset,
        st.sampled_from(DAYS),
        st.sampled_from(OFFSETS_S),
    ),
)
SALES = st.builds(
    Transaction,
    st.integers(0, 25).map(str),
    st.sampled_from(["ann", "ann", "bob"]),
    st.sampled_from(["till", "till", "shop"]),
    st.integers(0, 10**11),
    TIMES,
)


@dataclass(frozen=True)
class Label:
    key: str
    is_fraud: bool
    at: float


@dataclass(frozen=True)
class Snapshot:
    rows: list[tuple[Transaction, bool]]
    as_of: int


@dataclass(frozen=True)
class Prune:
    before: int


LABELS = st.builds(Label, st.integers(0, 25).map(str), st.booleans(), st.integers(0, 3))
SNAPSHOTS = st.builds(
    Snapshot,
    st.lists(st.tuples(SALES, st.booleans()), max_size=25, unique_by=lambda row: row[0]),
    st.sampled_from([START + 46 * DAY_S, START + 40 * DAY_S]),
)
EVENTS = st.one_of(SALES, SALES, SALES, LABELS, SNAPSHOTS, st.builds(Prune, TIMES))


def live(state: State, home: Path, event: object, seen: dict[str, Transaction]) -> None:
    """One thing that happens to a state. An id has one content, whoever brings it."""
    if isinstance(event, Transaction):
        state.once(seen.setdefault(event.transaction_id, event), answer)
    elif isinstance(event, Label):
        state.label([(event.key, event.is_fraud, float(event.at))])
    elif isinstance(event, Prune):
        prune_state(state, event.before)
    elif isinstance(event, Snapshot):
        rows = {row.transaction_id: is_fraud for row, is_fraud in event.rows}
        known = [seen.setdefault(row.transaction_id, row) for row, _ in event.rows]
        columns = [
            [*(getattr(row, name) for name in COLUMNS[:-1]), rows[row.transaction_id]]
            for row in {row.transaction_id: row for row in known}.values()
        ]
        table = pd.DataFrame(columns, columns=list(COLUMNS)).astype({"is_fraud": bool})
        state.load(snapshot(table.sort_values("time", kind="stable"), event.as_of, home))


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own folder
)
@given(
    events=st.lists(EVENTS, min_size=25, max_size=60), asked=st.lists(SALES, min_size=1, max_size=3)
)
def test_windows_equal_the_tables_after_any_history(tmp_path, events, asked):
    """Late ones, retries, one second, labels that come early or change, snapshots, pruning."""
    with opened(tmp_path) as (state, home):
        seen: dict[str, Transaction] = {}
        for event in events:
            live(state, home, event, seen)
        others = [
            Transaction(f"new-{place}", sale.customer_id, sale.terminal_id, sale.cents, sale.time)
            for place, sale in enumerate(asked)
        ]
        assert_equals_definition(state, others)
        assert_no_count_is_left_over(state)


def assert_no_count_is_left_over(state: State) -> None:
    """Each bucket holds what its transactions are, and there is none without any."""
    buckets = (
        "SELECT level, count(*), min(rows), sum(rows) FROM bucket_counts GROUP BY busy_key, level"
    )
    for level, _count, least, _rows in state._execute(buckets):
        assert least > 0, level


def test_busy_keys_equal_the_table_on_3_000_transactions_in_a_row(tmp_path):
    """Few keys, all of them busy, with labels that arrive after seven days."""
    table = stream(3_000, keys=(5, 3))
    with closing(State(tmp_path / "state.db")) as state:
        windows = replay(state, table, labels=table)
        assert_busy(state, customers=5, terminals=3)
    rows = zip(transactions(table), windows, strict=True)
    features = np.array([assemble(row.cents, row.time, each) for row, each in rows])
    np.testing.assert_array_equal(features, table_features(table))


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("lasts_s", [1, 60, 3_600, DAY_S, 30 * DAY_S])
def test_busy_history_from_a_snapshot_equals_the_table(tmp_path, beside, lasts_s):
    """All in one second, minute, hour, day or month; into an empty state, or beside requests."""
    table = stream(400, keys=(1, 1))
    draw = np.random.default_rng(1)
    table["time"] = np.sort(AS_OF - 8 * DAY_S - draw.integers(0, lasts_s, len(table)))
    with closing(State(tmp_path / "state.db")) as state:
        if beside:
            state.once(Transaction("first", "0", "0", 1, AS_OF - 8 * DAY_S), answer)
        state.load(snapshot(table, AS_OF, tmp_path))
        assert_busy(state, customers=1, terminals=1)
        edges = [AS_OF - 8 * DAY_S + days * DAY_S + s for days in (0, 1, 7, 8, 30) for s in (-1, 0)]
        asked = [Transaction(f"n-{time}", "0", "0", 700, time) for time in edges]
        assert_equals_definition(state, asked)


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
    with closing(State(path)) as state:
        assert_busy(state, customers=2, terminals=2)
        assert_equals_definition(state, [Transaction("n", "1", "0", 5, START + 40 * DAY_S)])
        state.once(Transaction("n", "1", "0", 5, START + 29 * DAY_S), answer)
        state.label([("7", True, 1.0), ("8", False, 1.0)])
        assert_equals_definition(state, [])


def test_key_without_transactions_is_forgotten(tmp_path):
    """What a busy terminal has left does not stay for ever."""
    with closing(State(tmp_path / "state.db")) as state:
        for number in range(10):
            state.once(Transaction(str(number), "ann", "till", 100, START + number), answer)
        assert_busy(state, customers=1, terminals=1)
        prune_state(state, START + 10)
        assert_busy(state, customers=0, terminals=0)
        for table in ("bucket_counts", "second_places"):
            assert state._execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def assert_busy(state: State, *, customers: int, terminals: int) -> None:
    found = state._execute("SELECT kind, count(*) FROM busy_keys GROUP BY kind").fetchall()
    assert dict(found) == {
        kind: count for kind, count in enumerate((customers, terminals)) if count
    }

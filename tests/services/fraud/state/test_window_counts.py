"""Counts of busy keys: bit by bit what the table's definition says, whatever the history was."""

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

from services.fraud.state.snapshot import COLUMNS
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, table_features
from tests.services.fraud.driven import Driven, Place
from tests.services.fraud.state.definition import (
    assert_busy,
    assert_equals_definition,
    assert_no_count_is_left_over,
)
from tests.services.fraud.streams import (
    START,
    features,
    replay,
    snapshot,
    stream,
)

pytestmark = pytest.mark.usefixtures("keys_are_busy_soon")
AS_OF = START + 60 * DAY_S
# Where buckets and windows begin and end, to the second.
OFFSETS_S = (0, 1, 59, 60, 3_599, 3_600, 43_200, DAY_S - 1)
DAYS = (0, 1, 2, 6, 7, 8, 14, 29, 30, 31, 36, 37, 38, 45)


@contextmanager
def emptied(place: Place) -> Iterator[Driven]:
    """An empty state, whatever was there before."""
    place.clear()
    with closing(place.open()) as state:
        yield state


def answer(_windows: object) -> bytes:
    return b"answer"


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


def live(state: Driven, home: Path, event: object, seen: dict[str, Transaction]) -> None:
    """One thing that happens to a state. An id has one content, whoever brings it."""
    if isinstance(event, Transaction):
        state.once(seen.setdefault(event.transaction_id, event), answer)
    elif isinstance(event, Label):
        state.label([(event.key, event.is_fraud, float(event.at))])
    elif isinstance(event, Prune):
        state.prune(event.before)
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
def test_windows_equal_the_tables_after_any_history(place, tmp_path, events, asked):
    """Late ones, retries, one second, labels that come early or change, snapshots, pruning."""
    with emptied(place) as state, TemporaryDirectory(dir=tmp_path) as home:
        seen: dict[str, Transaction] = {}
        for event in events:
            live(state, Path(home), event, seen)
        others = [
            Transaction(f"new-{number}", sale.customer_id, sale.terminal_id, sale.cents, sale.time)
            for number, sale in enumerate(asked)
        ]
        assert_equals_definition(state, others)
        assert_no_count_is_left_over(state)


def test_busy_keys_equal_the_table_on_3_000_transactions_in_a_row(state):
    """Few keys, all of them busy, with labels that arrive after seven days."""
    table = stream(3_000, keys=(5, 3))
    windows = replay(state, table, labels=table)
    assert_busy(state, customers=5, terminals=3)
    np.testing.assert_array_equal(features(table, windows), table_features(table))


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("lasts_s", [1, 60, 3_600, DAY_S, 30 * DAY_S])
def test_busy_history_from_a_snapshot_equals_the_table(state, tmp_path, beside, lasts_s):
    """All in one second, minute, hour, day or month; into an empty state, or beside requests."""
    table = stream(400, keys=(1, 1))
    draw = np.random.default_rng(1)
    table["time"] = np.sort(AS_OF - 8 * DAY_S - draw.integers(0, lasts_s, len(table)))
    if beside:
        state.once(Transaction("first", "0", "0", 1, AS_OF - 8 * DAY_S), answer)
    state.load(snapshot(table, AS_OF, tmp_path))
    assert_busy(state, customers=1, terminals=1)
    edges = [AS_OF - 8 * DAY_S + days * DAY_S + s for days in (0, 1, 7, 8, 30) for s in (-1, 0)]
    asked = [Transaction(f"n-{time}", "0", "0", 700, time) for time in edges]
    assert_equals_definition(state, asked)


def test_key_without_transactions_is_forgotten(state):
    """What a busy terminal has left does not stay for ever."""
    for number in range(10):
        state.once(Transaction(str(number), "ann", "till", 100, START + number), answer)
    assert_busy(state, customers=1, terminals=1)
    state.prune(START + 10)
    assert_busy(state, customers=0, terminals=0)
    for table in ("bucket_counts", "second_places"):
        assert state.query(f"SELECT count(*) FROM {table}") == [(0,)]

"""A state beside the definition of the windows, which is that of a whole table."""

import pandas as pd

from services.fraud.state.snapshot import COLUMNS
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import assemble, table_features
from tests.services.fraud.driven import Driven
from tests.services.fraud.streams import transactions


def held(state: Driven) -> pd.DataFrame:
    """What the state holds, as a table: by time, and by arrival within a second."""
    query = "SELECT transaction_id, customer_id, terminal_id, cents, time, is_fraud"
    found = state.query(f"{query} FROM transactions ORDER BY time, seq")
    return pd.DataFrame(found, columns=list(COLUMNS))


def assert_equals_definition(state: Driven, asked: list[Transaction]) -> None:
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


def found(state: Driven, transaction: Transaction) -> list[float]:
    windows = state.windows_of(transaction)
    return [float(value) for value in assemble(transaction.cents, transaction.time, windows)]


def assert_no_count_is_left_over(state: Driven) -> None:
    """Each bucket holds what its transactions are, and there is none without any."""
    buckets = (
        "SELECT level, count(*), min(rows), sum(rows) FROM bucket_counts GROUP BY busy_key, level"
    )
    for level, _count, least, _rows in state.query(buckets):
        assert least > 0, level


def assert_busy(state: Driven, *, customers: int, terminals: int) -> None:
    """So many keys are counted from buckets."""
    found = state.query("SELECT kind, count(*) FROM busy_keys GROUP BY kind")
    assert dict(found) == {
        kind: count for kind, count in enumerate((customers, terminals)) if count
    }

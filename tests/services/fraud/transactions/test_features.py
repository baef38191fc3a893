"""Features: the published ones, whoever computes them, and nothing from the future."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from services.fraud.transactions.features import (
    DAY_S,
    DELAY_DAYS,
    FEATURES,
    HISTORY_DAYS,
    WINDOWS_DAYS,
    Windows,
    assemble,
    table_features,
    table_windows,
)
from services.fraud.transactions.transactions import read_transactions
from tests.services.fraud.published import FILE, needs_published

FULL_FROM = "2018-07-18"  # by then the published file holds all that the windows reach
# The published features were computed customer by customer, each sorted once more by a sort that
# is not stable: of all pairs that one card made in one second, it turned around this one.
TURNED = ["1240489", "1240490"]


def random_table(seed: int, rows: int = 300) -> pd.DataFrame:
    """Few customers and terminals, many equal times, and steps that hit the windows' ends."""
    random = np.random.default_rng(seed)
    halves = random.integers(0, 2 * (HISTORY_DAYS + 10), rows) * (DAY_S // 2)
    odd = random.integers(0, 3, rows) * random.integers(0, 5_000, rows)
    return pd.DataFrame(
        {
            "transaction_id": np.arange(rows),
            "customer_id": random.choice(["ann", "bob", "cleo", "once"], rows),
            "terminal_id": random.integers(0, 5, rows),
            "cents": random.integers(0, 30_000, rows),
            "time": np.sort(1_530_000_000 // DAY_S * DAY_S + halves + odd),
            "is_fraud": random.random(rows) < 0.3,
        }
    )


def plain_features(table: pd.DataFrame) -> list[list[float]]:
    """What the features mean, row by row and without haste."""
    rows = table.to_dict("records")
    features = []
    for place, row in enumerate(rows):
        at = datetime.fromtimestamp(row["time"], UTC)
        values = [row["cents"] / 100, float(at.weekday() >= 5), float(at.hour <= 6)]
        for days in WINDOWS_DAYS:
            amounts = [
                other["cents"]
                for other in rows[: place + 1]
                if other["customer_id"] == row["customer_id"]
                and other["time"] > row["time"] - days * DAY_S
            ]
            values += [len(amounts), sum(amounts) / len(amounts) / 100]
        for days in WINDOWS_DAYS:
            known = row["time"] - DELAY_DAYS * DAY_S
            labels = [
                other["is_fraud"]
                for other in rows
                if other["terminal_id"] == row["terminal_id"]
                and known - days * DAY_S < other["time"] <= known
            ]
            values += [len(labels), sum(labels) / len(labels) if labels else 0.0]
        features.append(values)
    return features


@pytest.mark.parametrize("seed", range(5))
def test_features_equal_their_plain_definition(seed):
    """The fast way over a whole table gives what the definition says, ties and gaps included."""
    table = random_table(seed)

    np.testing.assert_allclose(table_features(table), plain_features(table), rtol=1e-14)


@needs_published
def test_features_equal_the_published_ones_on_every_row():
    """All 15 columns, from the day on which the file holds the whole history."""
    published, table = pd.read_parquet(FILE), read_transactions(FILE)
    assert published.columns[-14:].tolist() == list(FEATURES[1:])
    assert published["TRANSACTION_ID"].astype(str).tolist() == table["transaction_id"].tolist()
    first = table.index[table["transaction_id"] == TURNED[0]][0]
    order = np.arange(len(table))
    order[[first, first + 1]] = first + 1, first
    table, published = table.iloc[order], published.iloc[order]
    assert table["transaction_id"].iloc[[first, first + 1]].tolist() == TURNED[::-1]

    features = table_features(table)

    full = (published["TX_DATETIME"] >= FULL_FROM).to_numpy()
    assert full.sum() > 260_000
    for place, name in enumerate(FEATURES):
        ours, theirs = features[full, place], published.loc[full, name]
        if "AMOUNT" in name:  # theirs carry the noise of running sums, up to 2e-12
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11, err_msg=name)
        elif "RISK" in name:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_one_transaction_gets_the_same_numbers_as_its_row():
    """Python's whole numbers and arrays go through the same lines, to the last bit."""
    table = random_table(seed=11)
    features, windows = table_features(table), table_windows(table)
    parts = (
        *(windows.customer_counts, windows.customer_cents),
        *(windows.terminal_counts, windows.terminal_frauds),
    )

    for place, (cents, time) in enumerate(zip(table["cents"], table["time"], strict=True)):
        own = Windows(*([int(column[place]) for column in part] for part in parts))
        row = assemble(int(cents), int(time), own)
        assert [float(value) for value in row] == features[place].tolist()


@pytest.mark.parametrize(
    ("time", "weekend", "night"),
    [
        ("2018-07-20T23:59:59", 0, 0),  # a Friday
        ("2018-07-21T00:00:00", 1, 1),
        ("2018-07-22T06:59:59", 1, 1),
        ("2018-07-22T07:00:00", 1, 0),
        ("2018-07-23T00:00:00", 0, 1),
        ("1970-01-01T12:00:00", 0, 0),
    ],
)
def test_weekend_and_night_are_those_of_utc(time, weekend, night):
    """Saturday and Sunday; from midnight to the end of the hour of 6."""
    seconds = int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp())
    windows = Windows([1] * 3, [1_000] * 3, [0] * 3, [0] * 3)

    assert assemble(1_000, seconds, windows)[:3] == [10.0, weekend, night]


def test_windows_are_open_at_the_old_end_and_closed_at_the_new_one():
    """What is exactly a window old has left it; what is exactly the delay old has arrived."""
    times = [0, DAY_S, DELAY_DAYS * DAY_S, (DELAY_DAYS + 1) * DAY_S]
    table = pd.DataFrame(
        {"customer_id": "c", "terminal_id": "t", "cents": [100, 200, 400, 800]}
        | {"time": times, "is_fraud": [True, False, False, False]}
    )

    windows = table_windows(table)

    assert [count.tolist() for count in windows.customer_counts[:2]] == [[1, 1, 1, 1], [1, 2, 2, 2]]
    assert windows.customer_cents[1].tolist() == [100, 300, 600, 1_200]
    assert [count.tolist() for count in windows.terminal_counts[:2]] == [[0, 0, 1, 1], [0, 0, 1, 2]]
    assert [count.tolist() for count in windows.terminal_frauds[:2]] == [[0, 0, 1, 0], [0, 0, 1, 1]]


def test_of_one_second_each_transaction_sees_those_before_it():
    """A customer's transactions in the same second count up in the table's order."""
    table = pd.DataFrame(
        {"customer_id": ["a", "b", "a", "a"], "terminal_id": "t", "cents": [1, 2, 4, 8]}
        | {"time": 1_000, "is_fraud": False}
    )

    assert table_windows(table).customer_cents[0].tolist() == [1, 2, 5, 13]


def test_labels_younger_than_the_delay_change_nothing():
    """No feature knows a label before it can be known."""
    table = random_table(seed=12)
    late = table["time"] > table["time"].iloc[-1] - DELAY_DAYS * DAY_S
    turned = table.assign(is_fraud=table["is_fraud"] ^ late)
    assert 0 < late.sum() < len(table)

    assert np.array_equal(table_features(table), table_features(turned))


def test_later_transactions_change_nothing():
    """A table that ends earlier has the same features up to there."""
    table = random_table(seed=13)

    assert np.array_equal(table_features(table.iloc[:200]), table_features(table)[:200])


def test_kind_of_ids_does_not_matter():
    """Numbers, their digits, and any other names give the same features, to the last bit."""
    table = random_table(seed=14)
    renamed = table.assign(
        terminal_id=table["terminal_id"].astype(str),
        customer_id=table["customer_id"].map({"ann": 900, "bob": -1, "cleo": 0, "once": 7}),
    )

    assert np.array_equal(table_features(table), table_features(renamed))


def test_features_of_no_transactions_are_no_rows():
    """An empty table is no special case for its reader."""
    assert table_features(random_table(seed=0).iloc[:0]).shape == (0, len(FEATURES))

"""Simulated transactions: the published ones by default, the published rules always."""

import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest

from services.fraud import simulator
from services.fraud.simulator import simulate
from services.fraud.transactions.features import DAY_S
from services.fraud.transactions.transactions import data_digest, read_transactions
from tests.services.fraud.published import FILE, needs_published

DAYS = 60
START_S = 1_522_540_800  # 2018-04-01, UTC


def small(**changes) -> pd.DataFrame:
    return simulate(**{"customers": 300, "terminals": 2_000, "days": DAYS, **changes})


def days_of(table: pd.DataFrame) -> np.ndarray:
    return (table["time"].to_numpy() - START_S) // DAY_S


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return small()


def test_default_arguments_give_the_published_totals(published_table):
    """As many transactions and frauds of each scenario as the Handbook says."""
    assert len(published_table) == 1_754_155
    assert np.bincount(published_table["scenario"]).tolist() == [1_739_474, 973, 9_077, 4_631]


@needs_published
def test_default_arguments_give_the_published_rows(published_table):
    """Ids, customers, terminals, amounts, times, labels and scenarios of every row in the file."""
    published = pd.read_parquet(FILE)

    rows = published_table.iloc[published["TRANSACTION_ID"]]

    expected = {
        "transaction_id": published["TRANSACTION_ID"],
        "customer_id": published["CUSTOMER_ID"],
        "terminal_id": published["TERMINAL_ID"],
        "cents": (published["TX_AMOUNT"] * 100).round().astype(int),
        "time": published["TX_DATETIME"].astype("datetime64[s]").astype(int),
        "is_fraud": published["TX_FRAUD"] == 1,
        "scenario": published["TX_FRAUD_SCENARIO"],
    }
    assert list(rows) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(rows[name], values, err_msg=name)


def test_simulation_is_in_table_form(table):
    """Sorted by time, numbered, in whole cents and whole seconds of the asked days."""
    assert table["time"].is_monotonic_increasing
    assert table["transaction_id"].tolist() == list(range(len(table)))
    assert set(table.dtypes.drop("is_fraud").astype(str)) == {"int64"}
    assert table["is_fraud"].dtype == bool
    assert table["cents"].min() >= 0
    assert set(days_of(table)) == set(range(DAYS))
    assert table["customer_id"].isin(range(300)).all()
    assert table["terminal_id"].isin(range(2_000)).all()


def test_same_seed_same_table_other_seed_other_table(table):
    """A simulation can be repeated, and another seed shares no customer with it."""
    other = small(seed=1)

    assert table.equals(small())
    assert data_digest(other) != data_digest(table)
    first, second = (set(zip(t["time"], t["cents"], strict=True)) for t in (table, other))
    assert len(first & second) < 0.01 * len(first)


def test_high_amounts_are_fraud(table):
    """Scenario 1: above 220, and nothing else."""
    assert (table.loc[table["scenario"] == 1, "cents"] > 22_000).all()
    assert (table.loc[~table["is_fraud"], "cents"] <= 22_000).all()


def test_compromised_terminals_commit_nothing_but_fraud(table):
    """Scenario 2: two terminals a day, all of their transactions for 28 days."""
    days, at_compromised = days_of(table), np.zeros(len(table), bool)
    for day in range(DAYS - 1):
        drawn = pd.Series(range(2_000)).sample(n=2, random_state=day)
        at_compromised |= table["terminal_id"].isin(drawn) & (day <= days) & (days < day + 28)

    assert at_compromised.any()
    assert table["is_fraud"][at_compromised].all()
    assert at_compromised[table["scenario"] == 2].all()


def test_stolen_cards_pay_five_times_as_much(table):
    """Scenario 3: three customers a day, a third of their transactions in 14 days."""
    days, robbed = days_of(table), np.zeros(len(table), bool)
    for day in range(DAYS - 1):
        drawn = pd.Series(range(300)).sample(n=3, random_state=day)
        robbed |= table["customer_id"].isin(drawn) & (day <= days) & (days < day + 14)
    stolen = table["scenario"] == 3

    assert stolen.any()
    assert robbed[stolen].all()
    assert (table.loc[stolen, "cents"] % 5 == 0).all()
    # Half of all customers are robbed at some time, some of them twice within 14 days.
    assert 1 / 3 - 0.02 < stolen[robbed].mean() < 1 / 3 + 0.1


def test_fewer_days_are_the_first_of_more_days(table):
    """Spending does not depend on how long it goes on, nor do frauds but for the last two weeks."""
    short = small(days=30)
    same = table[days_of(table) < 30]
    columns = ["customer_id", "terminal_id", "time"]

    def rows(part: pd.DataFrame) -> list[tuple[int, ...]]:
        return sorted(map(tuple, part.to_numpy().tolist()))

    assert rows(short[columns]) == rows(same[columns])
    columns += ["cents", "scenario"]
    assert rows(short[days_of(short) < 16][columns]) == rows(same[days_of(same) < 16][columns])


def test_start_moves_times_and_nothing_else(table):
    """The first day is a name: weekends differ, transactions do not."""
    moved = small(start=date(2024, 1, 1))

    assert moved.drop(columns="time").equals(table.drop(columns="time"))
    assert set(moved["time"] - table["time"]) == {
        (date(2024, 1, 1) - date(2018, 4, 1)).days * DAY_S
    }


def test_smallest_simulation_is_a_table():
    """One customer, one terminal, one day: perhaps no transaction, but no crash."""
    assert list(simulate(1, 1, 1)) == list(small(days=1))


@pytest.mark.parametrize("wrong", [{"customers": 0}, {"terminals": 0}, {"days": 0}, {"seed": -1}])
def test_arguments_out_of_range_are_refused(wrong):
    """Nothing is simulated from senseless numbers."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        simulate(**wrong)


def test_command_writes_a_file_that_can_be_read(tmp_path, monkeypatch, capsys):
    """`python -m services.fraud.simulator` makes input for the flows."""
    file = tmp_path / "new" / "simulated.parquet"
    command = f"simulator --customers 50 --terminals 500 --days 5 --output {file}"
    monkeypatch.setattr(sys, "argv", command.split())

    simulator.main()

    assert data_digest(read_transactions(file)) == data_digest(simulate(50, 500, 5))
    assert str(file) in capsys.readouterr().out

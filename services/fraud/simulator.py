"""Card transactions with frauds, by the published rules of the Fraud Detection Handbook.

- Customers and terminals lie in a square of 100 by 100; a customer uses the terminals within 5.
- A customer has a mean amount of 5 to 100 (standard deviation: half of it) and 0 to 4
  transactions a day on average, around noon (standard deviation: 20,000 s). What falls outside
  its day is dropped, and a negative amount is drawn again from 0 to twice the mean.
- Fraud, scenario 1: an amount above 220.
- Scenario 2: each day two terminals are compromised; for 28 days all that happens there is fraud.
- Scenario 3: each day three customers lose their card data; of their transactions of 14 days, a
  third have five times the amount and are fraud.

The default arguments give the published data set itself, row for row: every random stream is
the one used there and is drawn from in the same order, which is why the draws are single.

References: https://fraud-detection-handbook.github.io, chapter 3, "Transaction data simulator".
"""

import argparse
import difflib
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.fraud.transactions.features import DAY_S
from services.fraud.transactions.transactions import write_transactions

SIDE = 100.0  # of the square; a length without unit
REACH = 5.0  # of a customer
AMOUNTS = (5.0, 100.0)  # range of customers' means
DEVIATION = 0.5  # of an amount, as a share of the mean
MAX_DAILY = 4.0  # transactions of a customer, on average
NOON_S = 43_200
TIME_DEVIATION_S = 20_000

HIGH_CENTS = 22_000
TERMINALS_A_DAY, TERMINAL_DAYS = 2, 28
CUSTOMERS_A_DAY, CUSTOMER_DAYS = 3, 14
STOLEN_SHARE = 3  # one in
STOLEN_FACTOR = 5

STREAMS_PER_SEED = 1_000_000  # no more customers or days than that
SEEDS = 2**32 // STREAMS_PER_SEED
PUBLISHED_START = date(2018, 4, 1)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Streams:
    """The random streams of one simulation, by number.

    Number n is seeded with seed x `STREAMS_PER_SEED` + n, so that seed 0 is the published data
    and no two seeds share a stream.
    """

    seed: int

    def numpy(self, number: int) -> np.random.RandomState:
        return np.random.RandomState(self.seed * STREAMS_PER_SEED + number)

    def python(self, number: int) -> random.Random:
        return random.Random(self.seed * STREAMS_PER_SEED + number)


@dataclass(frozen=True, slots=True)
class _Spending:
    """Transactions as they are drawn, one entry each; times count from the first day.

    Annotations are quoted because Python 3.11 cannot subscript an array.
    """

    customers: "array[int]" = field(default_factory=lambda: array("q"))
    terminals: "array[int]" = field(default_factory=lambda: array("q"))
    seconds: "array[int]" = field(default_factory=lambda: array("q"))
    amounts: "array[float]" = field(default_factory=lambda: array("d"))


def simulate(
    customers: int = 5_000,
    terminals: int = 10_000,
    days: int = 183,
    start: date = PUBLISHED_START,
    seed: int = 0,
) -> pd.DataFrame:
    """Simulated transactions in table form, with `scenario` (0 where genuine).

    Returns:
        Rows by time; ids are whole numbers, and a transaction's id is its place. The same
        arguments give the same table, and another number of days the same spending on the days
        in common, but frauds of the last two weeks may differ.

    Raises: ValueError: an argument is out of range.
    """
    if min(customers, terminals, days) < 1 or max(customers, days) > STREAMS_PER_SEED:
        raise ValueError(
            f"customers, terminals and days are at least 1, customers and days at most"
            f" {STREAMS_PER_SEED:,}"
        )
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed is from 0 to {SEEDS - 1}")
    streams = _Streams(seed)
    spending = _spend(customers, terminals, days, streams)
    first_s = int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp())
    seconds = np.frombuffer(spending.seconds, np.int64)
    # By time, and in one second as the published ids count: by numpy's quicksort of datetimes,
    # which is not stable.
    order = np.argsort(seconds.astype("datetime64[s]"), kind="quicksort")
    table = pd.DataFrame(
        {
            "transaction_id": np.arange(len(order)),
            "customer_id": np.frombuffer(spending.customers, np.int64)[order],
            "terminal_id": np.frombuffer(spending.terminals, np.int64)[order],
            "cents": np.rint(np.frombuffer(spending.amounts)[order] * 100).astype(np.int64),
            "time": seconds[order] + first_s,
        }
    )
    cents, scenario = _commit_frauds(table, seconds[order], customers, terminals, days, streams)
    return table.assign(cents=cents, is_fraud=scenario > 0, scenario=scenario)


def _spend(customers: int, terminals: int, days: int, streams: _Streams) -> _Spending:
    """All customers' transactions, customer after customer, before any fraud."""
    low, high = (0, 0, AMOUNTS[0], 0), (SIDE, SIDE, AMOUNTS[1], MAX_DAILY)
    profiles = streams.numpy(0).uniform(low, high, size=(customers, 4))
    places = streams.numpy(1).uniform(0, SIDE, size=(terminals, 2))
    spending = _Spending()
    for customer, (x, y, mean, daily) in enumerate(profiles.tolist()):
        near = np.sqrt(np.square(places - (x, y)).sum(axis=1)) < REACH
        if near.any():
            terminals_near = np.flatnonzero(near).tolist()
            _spend_one(customer, mean, daily, terminals_near, days, streams, spending)
    return spending


def _spend_one(
    customer: int,
    mean: float,
    daily: float,
    terminals: Sequence[int],
    days: int,
    streams: _Streams,
    spending: _Spending,
) -> None:
    """Append the transactions of one customer, who has a stream of numpy and one of Python."""
    stream = streams.numpy(customer)
    choice = streams.python(customer).choice
    count, normal, uniform = stream.poisson, stream.standard_normal, stream.random_sample
    deviation = DEVIATION * mean
    for midnight in range(0, days * DAY_S, DAY_S):
        for _ in range(count(daily)):
            second = int(NOON_S + TIME_DEVIATION_S * normal())
            if 0 < second < DAY_S:
                amount = mean + deviation * normal()
                if amount < 0:
                    amount = 2 * mean * uniform()
                spending.customers.append(customer)
                spending.terminals.append(choice(terminals))
                spending.seconds.append(midnight + second)
                spending.amounts.append(amount)


def _commit_frauds(
    table: pd.DataFrame,
    seconds: Integers,
    customers: int,
    terminals: int,
    days: int,
    streams: _Streams,
) -> tuple[Integers, Integers]:
    """Cents and scenario of each row after all frauds; a later scenario takes a row over."""
    cents = table["cents"].to_numpy(copy=True)
    scenario = (cents > HIGH_CENTS).astype(np.int64)
    days_from = np.searchsorted(seconds, np.arange(days + CUSTOMER_DAYS + TERMINAL_DAYS) * DAY_S)

    def rows(key: str, keys: Integers, day: int, length: int) -> Integers:
        first, end = days_from[day], days_from[day + length]
        found: Integers = np.flatnonzero(np.isin(table[key].to_numpy()[first:end], keys))
        found += first
        return found

    for day in range(days - 1):  # nothing starts on the last day
        hit = streams.numpy(day).choice(terminals, min(TERMINALS_A_DAY, terminals), replace=False)
        scenario[rows("terminal_id", hit, day, TERMINAL_DAYS)] = 2
    for day in range(days - 1):
        robbed = streams.numpy(day).choice(
            customers, min(CUSTOMERS_A_DAY, customers), replace=False
        )
        theirs = rows("customer_id", robbed, day, CUSTOMER_DAYS)
        places = range(len(theirs))
        stolen = theirs[streams.python(day).sample(places, len(theirs) // STOLEN_SHARE)]
        cents[stolen] *= STOLEN_FACTOR  # once more if a card is robbed again
        scenario[stolen] = 3
    return cents, scenario


def main() -> None:
    """Write simulated transactions to a Parquet file."""
    parser = argparse.ArgumentParser(
        prog="python -m services.fraud.simulator", description=main.__doc__, allow_abbrev=False
    )
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--terminals", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=183)
    parser.add_argument("--start", type=date.fromisoformat, default=PUBLISHED_START)
    parser.add_argument("--seed", type=int, default=0, help="0: the published data (default)")
    parser.add_argument("--output", type=Path, metavar="FILE.parquet", help="required")
    given, unknown = parser.parse_known_args()
    if unknown:  # told before what is missing: it may be that, misspelt
        near = difflib.get_close_matches(unknown[0], parser._option_string_actions, n=1)
        meant = f"; did you mean {near[0]}?" if near else "; see --help"
        parser.error(f"{unknown[0]} is no option{meant}")
    if given.output is None:
        parser.error("--output is missing: name the Parquet file to write")
    table = simulate(given.customers, given.terminals, given.days, given.start, given.seed)
    write_transactions(table, given.output)
    print(f"{len(table):,} transactions, {table['is_fraud'].sum():,} frauds: {given.output}")


if __name__ == "__main__":
    main()

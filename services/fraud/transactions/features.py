"""The fifteen features of the Fraud Detection Handbook, point-in-time correct, defined once.

- Weekend is Saturday and Sunday; night is up to and including the hour of 6; both in UTC.
- A customer's windows reach back from the transaction, which they include: (t - w, t]. Of
  several transactions in the same second, each sees those before it in the table.
- A terminal's windows end `DELAY_DAYS` earlier, since labels become known that late:
  (t - delay - w, t - delay]. Risk is the share of frauds among them, 0 where there are none.

`assemble` is the definition from windows to features; a whole table and a single transaction
both go through it. Everything before it is counted in whole numbers, cents included, so that
equal transactions give equal features, bit by bit, in whatever order they were summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # takes 75 MB, and a worker of the service has no tables
    import pandas as pd

DAY_S = 86_400
HOUR_S = 3_600
WINDOWS_DAYS = (1, 7, 30)
DELAY_DAYS = 7  # from a transaction to its label
HISTORY_DAYS = DELAY_DAYS + max(WINDOWS_DAYS)  # how far back features look
LAST_NIGHT_HOUR = 6
SATURDAY = 5
WEEKDAY_OF_1970 = 3  # the first day of 1970 was a Thursday; Monday is 0

FEATURES = (
    *("TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT"),
    *(
        f"{key}_{name}_{days}DAY_WINDOW"
        for key, names in (
            ("CUSTOMER_ID", ("NB_TX", "AVG_AMOUNT")),
            ("TERMINAL_ID", ("NB_TX", "RISK")),
        )
        for days in WINDOWS_DAYS
        for name in names
    ),
)

Integers: TypeAlias = npt.NDArray[np.int64]
Whole: TypeAlias = Any  # a Python int, or int64 of shape (n,)


@dataclass(frozen=True, slots=True)
class Windows:
    """What is counted in the windows of a transaction, or of n at once, per `WINDOWS_DAYS`.

    Attributes:
        customer_counts: transactions of the customer, this one included.
        customer_cents: sum of their amounts.
        terminal_counts: transactions at the terminal, delayed.
        terminal_frauds: how many of these are frauds.
    """

    customer_counts: Sequence[Whole]
    customer_cents: Sequence[Whole]
    terminal_counts: Sequence[Whole]
    terminal_frauds: Sequence[Whole]


def assemble(cents: Whole, time: Whole, windows: Windows) -> list[Any]:
    """The features in the order of `FEATURES`, from whole numbers or from arrays of them.

    Args:
        cents: the amount.
        time: seconds since 1970, UTC.
    """
    weekday = (time // DAY_S + WEEKDAY_OF_1970) % 7
    hour = time % DAY_S // HOUR_S
    features = [cents / 100, (weekday >= SATURDAY) * 1, (hour <= LAST_NIGHT_HOUR) * 1]
    for count, total in zip(windows.customer_counts, windows.customer_cents, strict=True):
        features += [count, total / (100 * count)]  # divided once, so rounded once
    for count, frauds in zip(windows.terminal_counts, windows.terminal_frauds, strict=True):
        features += [count, frauds / (count + (count == 0))]
    return features


def table_features(transactions: "pd.DataFrame") -> npt.NDArray[np.float64]:
    """The features of every row of a labelled table, shape (n, 15), in the rows' order.

    The first `HISTORY_DAYS` of a table see windows that are not full.
    """
    cents = transactions["cents"].to_numpy(np.int64)
    time = transactions["time"].to_numpy(np.int64)
    columns = assemble(cents, time, table_windows(transactions))
    features = np.empty((len(transactions), len(FEATURES)))
    for place, column in enumerate(columns):
        features[:, place] = column
    return features


def table_windows(transactions: "pd.DataFrame") -> Windows:
    """The windows of every row of a labelled table, as arrays in the rows' order."""
    time = transactions["time"].to_numpy(np.int64)
    customers = _Groups(transactions["customer_id"], time)
    terminals = _Groups(transactions["terminal_id"], time)
    cents = customers.sums(transactions["cents"].to_numpy(np.int64))
    frauds = terminals.sums(transactions["is_fraud"].to_numpy(np.int64))
    end = customers.own() + 1
    starts = [customers.after(days) for days in WINDOWS_DAYS]
    known = terminals.after(DELAY_DAYS)
    delayed = [terminals.after(DELAY_DAYS + days) for days in WINDOWS_DAYS]
    return Windows(
        [customers.restored(end - start) for start in starts],
        [customers.restored(cents[end] - cents[start]) for start in starts],
        [terminals.restored(known - start) for start in delayed],
        [terminals.restored(frauds[known] - frauds[start]) for start in delayed],
    )


class _Groups:
    """Rows laid out by key, and by time within a key; windows are then ranges of places."""

    def __init__(self, keys: "pd.Series", time: Integers) -> None:
        import pandas as pd

        codes = pd.factorize(keys)[0].astype(np.int64)
        self._order = np.lexsort((time, codes))  # stable: equal times keep the table's order
        since = time - time.min(initial=np.iinfo(np.int64).max)
        # The longest window of a key's first row ends before the rows of the key before it.
        span = since.max(initial=0) + HISTORY_DAYS * DAY_S + 1
        self._line: Integers = (codes * span + since)[self._order]

    def own(self) -> Integers:
        """The place of each row itself."""
        return np.arange(len(self._line))

    def after(self, days: int) -> Integers:
        """For each place, the first of the same key that is less than these days older."""
        line = self._line
        return np.searchsorted(line, line - days * DAY_S, side="right").astype(np.int64)

    def sums(self, values: Integers) -> Integers:
        """Sums of the values of all places before a place; differences are sums of ranges."""
        return np.concatenate((np.zeros(1, np.int64), np.cumsum(values[self._order])))

    def restored(self, values: Integers) -> Integers:
        """Values by place, brought into the table's order."""
        restored = np.empty_like(values)
        restored[self._order] = values
        return restored

"""How good probabilities of fraud are, by the Fraud Detection Handbook's measures.

- AUC ROC and average precision look at transactions.
- Card precision@k looks at what investigators do: each day they check the k cards with the
  highest probability, a card by its most suspicious transaction. A card that they find to be
  compromised is blocked and does not come up again. Since far fewer than k cards are compromised
  on a day, even an oracle stays far below 1: `share_of_oracle` says how much of the possible it is.
- The test transactions exclude the cards that were known as compromised before their day: those
  with a fraud in the train period, and those with one more than `delay_days` ago.

Plain arrays in, plain numbers out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from services.fraud.transactions.features import DAY_S

if TYPE_CHECKING:  # the service reads metrics from cards, and needs no tables for that
    import pandas as pd

CARDS_PER_DAY = 100
CALIBRATION_BINS = 10

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Metrics:
    """Quality on one set of transactions; None where it holds no fraud, or nothing else."""

    rows: int
    frauds: int
    auc_roc: float | None
    average_precision: float | None
    card_precision: float  # at `cards_per_day`
    share_of_oracle: float | None  # of card precision
    calibration_error: float
    cards_per_day: int = CARDS_PER_DAY


def evaluate(
    days: Array, customers: Array, probabilities: Array, is_fraud: Array, k: int = CARDS_PER_DAY
) -> Metrics:
    """All measures at once. Arrays of one length; days are any numbers that order the days."""
    truth = np.asarray(is_fraud, dtype=bool)
    frauds = int(truth.sum())
    found = card_precision(days, customers, probabilities, truth, k)
    both = 0 < frauds < len(truth)  # among frauds alone, any order has an average precision of 1
    return Metrics(
        rows=len(truth),
        frauds=frauds,
        auc_roc=auc_roc(truth, probabilities) if both else None,
        average_precision=average_precision(truth, probabilities) if both else None,
        card_precision=found,
        share_of_oracle=share_of_oracle(found, days, customers, truth, k),
        calibration_error=expected_calibration_error(truth, probabilities),
        cards_per_day=k,
    )


def auc_roc(is_fraud: Array, probabilities: Array) -> float:
    """How often a fraud ranks above a genuine transaction; a tie counts half.

    Raises: ValueError: frauds alone, or none.
    """
    truth, ranks = np.asarray(is_fraud, dtype=bool), _ranks(probabilities)
    frauds = int(truth.sum())
    genuine = len(truth) - frauds
    if not frauds or not genuine:
        raise ValueError("needs frauds and genuine transactions")
    above = ranks[truth].sum() - frauds * (frauds + 1) / 2
    return float(above / (frauds * genuine))


def _ranks(values: Array) -> Array:
    """From 1 up; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[places]
    return ranks


def average_precision(is_fraud: Array, probabilities: Array) -> float:
    """Precision at each distinct probability, weighted by the recall that it adds.

    Raises: ValueError: no fraud.
    """
    order = np.argsort(-np.asarray(probabilities, dtype=float), kind="stable")
    truth = np.asarray(is_fraud, dtype=bool)[order]
    sorted_probabilities = np.asarray(probabilities, dtype=float)[order]
    if not truth.any():
        raise ValueError("needs frauds")
    ends = np.append(np.flatnonzero(np.diff(sorted_probabilities)), len(truth) - 1)
    hits = np.cumsum(truth)[ends]
    gained = np.diff(hits, prepend=0) / truth.sum()
    return float((gained * hits / (ends + 1)).sum())


def card_precision(
    days: Array,
    customers: Array,
    probabilities: Array,
    is_fraud: Array,
    k: int = CARDS_PER_DAY,
) -> float:
    """Mean over the days of the share of compromised cards among the k most suspicious."""
    caught = np.zeros(0, dtype=np.int64)
    shares = []
    for cards, highest, compromised in _cards_by_day(days, customers, probabilities, is_fraud):
        is_open = ~np.isin(cards, caught)
        cards, highest, compromised = cards[is_open], highest[is_open], compromised[is_open]
        checked = np.argsort(-highest, kind="stable")[:k]
        found = checked[compromised[checked]]
        shares.append(len(found) / k)
        caught = np.concatenate([caught, cards[found]])
    return float(np.mean(shares)) if shares else 0.0


def share_of_oracle(
    found: float, days: Array, customers: Array, is_fraud: Array, k: int = CARDS_PER_DAY
) -> float | None:
    """A card precision beside the best possible one; None if there was nothing to find."""
    truth = np.asarray(is_fraud, dtype=bool)
    best = card_precision(days, customers, truth.astype(float), truth, k)
    return found / best if best else None


def alert_threshold(
    days: Array, customers: Array, probabilities: Array, alerts_per_day: float
) -> float:
    """The threshold at which that many cards a day are flagged, on average; needs no labels.

    A transaction is flagged if its probability is at least the threshold. Never more cards than
    asked for, unless more are rated 1, above which there is no threshold.
    """
    nothing = np.zeros(len(probabilities), dtype=bool)
    groups = list(_cards_by_day(days, customers, probabilities, nothing))
    if not groups:
        return 1.0
    highest = np.sort(np.concatenate([group[1] for group in groups]))[::-1]
    budget = int(alerts_per_day * len(groups))
    if budget >= len(highest):
        return float(highest[-1])
    beyond = highest[budget]  # the first card that is too much
    within = highest[budget - 1] if budget else 1.0
    middle = (within + beyond) / 2
    return float(min(middle if middle > beyond else np.nextafter(beyond, 1.0), 1.0))


def expected_calibration_error(
    is_fraud: Array, probabilities: Array, bins: int = CALIBRATION_BINS
) -> float:
    """Mean difference of promised and seen shares of fraud, over bins of equally many rows."""
    order = np.argsort(probabilities, kind="stable")
    promised = np.asarray(probabilities, dtype=float)[order]
    seen = np.asarray(is_fraud, dtype=float)[order]
    gaps = [
        abs(p.mean() - s.mean()) * len(p)
        for p, s in zip(np.array_split(promised, bins), np.array_split(seen, bins), strict=True)
        if len(p)
    ]
    return float(sum(gaps) / len(order)) if len(order) else 0.0


def _cards_by_day(
    days: Array, customers: Array, probabilities: Array, is_fraud: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """For each day, in order: cards, their highest probabilities, whether they had a fraud."""
    day_numbers = np.unique(days, return_inverse=True)[1]
    codes = _codes(customers)
    width = int(codes.max()) + 1 if len(codes) else 1
    # One sort for all days: by day and card.
    keys, places = np.unique(day_numbers * width + codes, return_inverse=True)
    highest = np.full(len(keys), -np.inf)
    np.maximum.at(highest, places, np.asarray(probabilities, dtype=float))
    compromised = np.zeros(len(keys), dtype=bool)
    compromised[places[np.asarray(is_fraud, dtype=bool)]] = True
    key_days, cards = keys // width, keys % width
    edges = np.flatnonzero(np.diff(key_days)) + 1
    for part in np.split(np.arange(len(keys)), edges):
        if len(part):
            yield cards[part], highest[part], compromised[part]


def _codes(keys: Any) -> Array:
    """Whole numbers from 0 up in place of keys of any kind."""
    import pandas as pd

    codes: Array = pd.factorize(np.asarray(keys))[0]
    return codes


@dataclass(frozen=True)
class Split:
    """Which rows of a table train and which test, as boolean arrays over its rows."""

    train: Array
    test: Array
    start_train: date
    start_test: date
    train_days: int
    test_days: int


def baseline_split(
    table: "pd.DataFrame",
    start_train: date,
    train_days: int = 7,
    delay_days: int = 7,
    test_days: int = 7,
) -> Split:
    """Split by whole days: train, a delay whose labels are not known yet, test.

    From each test day the cards are taken out that were known as compromised by then: all with
    a fraud in the train period, and those of each later day once the delay has passed.
    """
    days = day_numbers(table["time"].to_numpy())
    first = (start_train - date(1970, 1, 1)).days
    first_test = first + train_days + delay_days
    is_fraud = table["is_fraud"].to_numpy(dtype=bool)
    cards = _codes(table["customer_id"])
    train = (days >= first) & (days < first + train_days)
    known_on = np.full(int(cards.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    learnt = is_fraud & (days >= first)
    np.minimum.at(known_on, cards[learnt], days[learnt] + delay_days)
    in_test = (days >= first_test) & (days < first_test + test_days)
    # The last train day's frauds are known on the day before the test begins.
    test = in_test & (known_on[cards] >= days)
    return Split(
        train=train,
        test=test,
        start_train=start_train,
        start_test=start_train + timedelta(days=train_days + delay_days),
        train_days=train_days,
        test_days=test_days,
    )


def day_numbers(time: Array) -> Array:
    """Days since 1970, UTC, of seconds since then."""
    numbers: Array = np.asarray(time, dtype=np.int64) // DAY_S
    return numbers


def day_of(number: int) -> date:
    """The date of a day number."""
    return datetime.fromtimestamp(int(number) * DAY_S, UTC).date()

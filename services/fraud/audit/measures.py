"""What has become of the answers: quality per day and model, drift, and whether it still works.

- Quality is measured on days that are older than the labels' delay; younger ones count answers
  alone. Transactions without a label are left out.
- Each day is measured by itself, and the window of days as a whole by the same functions as a
  model in training. Answers of a shadow are measured beside those that were given.
- One day is in memory at a time, and of the others what the measures need.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from services.fraud.audit.answers import feature_rows
from services.fraud.audit.drift import Counts, Drift, count_features, measure, measure_last_week
from services.fraud.scoring.card import Card
from services.fraud.scoring.evaluation import Metrics, card_precision, evaluate

CALIBRATION_BINS = 10

Cards = Callable[[str], Card | None]  # by tag; None if there is no such model any more


@dataclass(frozen=True)
class Period:
    """Which days are audited; all before `run_date`.

    days: so many of them are old enough for their labels to be complete.
    """

    run_date: date
    days: int
    delay_days: int

    @property
    def first(self) -> date:
        return self.first_young - timedelta(days=self.days)

    @property
    def first_young(self) -> date:
        """From this day on labels may still come."""
        return self.run_date - timedelta(days=self.delay_days)

    @property
    def last_labelled(self) -> date:
        return self.first_young - timedelta(days=1)

    @property
    def all_days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.run_date - self.first).days)]


@dataclass(frozen=True)
class DayQuality:
    """A row of `fraud_daily_metrics`, but for the run; see there."""

    day: date
    model: str
    role: str
    answers: int
    flagged: int
    alerts: int
    alert_budget: float | None
    labelled: int | None = None
    frauds: int | None = None
    auc_roc: float | None = None
    average_precision: float | None = None
    card_precision_100: float | None = None
    calibration_error: float | None = None
    equal_decisions: float | None = None
    mean_difference: float | None = None
    largest_difference: float | None = None


@dataclass(frozen=True)
class ModelQuality:
    """A model over all audited days.

    Attributes:
        metrics: over the labelled transactions; None if there are none.
        days: on which it answered, young ones included.
        alerts_per_day: mean number of cards with a flagged transaction, over these days.
        calibration: (mean probability, share of frauds, rows) of bins of equally many rows.
    """

    model: str
    role: str
    answers: int
    flagged: int
    days: int
    alerts_per_day: float
    alert_budget: float | None
    metrics: Metrics | None
    expected: Metrics | None  # of the test period in its card
    calibration: tuple[tuple[float, float, int], ...] = ()
    equal_decisions: float | None = None
    mean_difference: float | None = None
    largest_difference: float | None = None

    @property
    def flagged_share(self) -> float:
        return self.flagged / self.answers


@dataclass(frozen=True)
class Audit:
    """All that was found."""

    period: Period
    champion: str | None
    days: tuple[DayQuality, ...]
    models: tuple[ModelQuality, ...]  # the champion first
    drift: tuple[Drift, ...]
    last_week: tuple[Drift, ...]  # all of the last seven days together, the largest first
    degraded: int  # answers of the champion that said so
    slow_ms: float | None  # 99th percentile of its latency

    def model(self, tag: str | None) -> ModelQuality | None:
        """How a model that answered did."""
        return next((m for m in self.models if (m.model, m.role) == (tag, "answered")), None)


@dataclass
class _Track:
    """What is kept of a model while days go by."""

    answers: int = 0
    flagged: int = 0
    alerts: list[int] = field(default_factory=list)
    labelled: list[pd.DataFrame] = field(default_factory=list)
    equal: int = 0
    differences: float = 0.0
    largest: float = 0.0


def audit(
    days: Iterable[tuple[date, pd.DataFrame]],
    period: Period,
    champion: str | None,
    cards: Cards,
) -> Audit:
    """Measure the answers of the period's days, as `read_day` gives them."""
    tracks: dict[tuple[str, str], _Track] = {}
    measured: list[DayQuality] = []
    counted: dict[date, dict[str, Counts]] = {}
    card = cards(champion) if champion else None
    degraded, latencies = 0, [np.empty(0)]
    for day, answers in days:
        for model, role, rows in _by_model(answers, cards):
            track = tracks.setdefault((model, role), _Track())
            measured.append(_measure_day(day, model, role, rows, period, cards(model), track))
        if card is not None and len(features := feature_rows(answers, card)):
            counted[day] = count_features(features, card.features)
        own = answers[answers["model"] == champion]
        degraded += int(own["degraded"].notna().sum())
        latencies.append(own["latency_ms"].to_numpy(float))
    latency_ms = np.concatenate(latencies)
    models = [_sum_up(*key, track, cards(key[0])) for key, track in tracks.items()]
    models.sort(key=lambda m: (m.model != champion, m.role, m.model))
    return Audit(
        period=period,
        champion=champion,
        days=tuple(sorted(measured, key=lambda d: (d.day, d.role, d.model))),
        models=tuple(models),
        drift=tuple(measure(counted, card.features)) if card else (),
        last_week=tuple(measure_last_week(counted, card.features)) if card and counted else (),
        degraded=degraded,
        slow_ms=float(np.quantile(latency_ms, 0.99)) if len(latency_ms) else None,
    )


def _by_model(answers: pd.DataFrame, cards: Cards) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Per model that answered, or that ran in the shadow: its probabilities and decisions.

    A shadow's decisions are by the threshold of its own card; without one, by the champion's.
    """
    for model, rows in answers.groupby("model"):
        yield str(model), "answered", rows
    beside = answers[answers["shadow_probability"].notna() & answers["shadow_model"].notna()]
    for model, rows in beside.groupby("shadow_model"):
        card = cards(str(model))
        threshold = card.threshold if card else rows["threshold"]
        difference = (rows["shadow_probability"] - rows["probability"]).abs()
        flagged = rows["shadow_probability"] >= threshold
        shown = rows.assign(
            probability=rows["shadow_probability"],
            flagged=flagged,
            difference=difference,
            is_equal=flagged == rows["flagged"],
        )
        yield str(model), "shadow", shown


def _measure_day(
    day: date,
    model: str,
    role: str,
    rows: pd.DataFrame,
    period: Period,
    card: Card | None,
    track: _Track,
) -> DayQuality:
    flagged = rows[rows["flagged"]]
    anonymous = int(flagged["customer_id"].isna().sum())  # nobody knows of which card
    alerts = flagged["customer_id"].nunique() + anonymous
    track.answers += len(rows)
    track.flagged += len(flagged)
    track.alerts.append(alerts)
    more: dict[str, Any] = {}
    if role == "shadow":
        more = {
            "equal_decisions": float(rows["is_equal"].mean()),
            "mean_difference": float(rows["difference"].mean()),
            "largest_difference": float(rows["difference"].max()),
        }
        track.equal += int(rows["is_equal"].sum())
        track.differences += float(rows["difference"].sum())
        track.largest = max(track.largest, more["largest_difference"])
    if day < period.first_young:
        columns = ["customer_id", "probability", "label"]
        labelled = rows.loc[rows["label"].notna(), columns].assign(day=day.toordinal())
        track.labelled.append(labelled)
        more |= {"labelled": len(labelled), "frauds": int(labelled["label"].sum())}
        if found := _metrics(labelled):
            names = ("auc_roc", "average_precision", "calibration_error")
            more |= {name: getattr(found, name) for name in names}
            more["card_precision_100"] = _card_precision(labelled)
    return DayQuality(
        day=day,
        model=model,
        role=role,
        answers=len(rows),
        flagged=len(flagged),
        alerts=alerts,
        alert_budget=card.alerts_per_day if card else None,
        **more,
    )


def _sum_up(model: str, role: str, track: _Track, card: Card | None) -> ModelQuality:
    labelled = pd.concat(track.labelled) if track.labelled else None
    more: dict[str, Any] = {}
    if role == "shadow":
        more["equal_decisions"] = track.equal / track.answers
        more["mean_difference"] = track.differences / track.answers
        more["largest_difference"] = track.largest
    return ModelQuality(
        model=model,
        role=role,
        answers=track.answers,
        flagged=track.flagged,
        days=len(track.alerts),
        alerts_per_day=sum(track.alerts) / len(track.alerts),
        alert_budget=card.alerts_per_day if card else None,
        metrics=None if labelled is None else _metrics(labelled),
        expected=card.metrics if card else None,
        calibration=() if labelled is None else _calibration(labelled),
        **more,
    )


def _metrics(labelled: pd.DataFrame) -> Metrics | None:
    if labelled.empty:
        return None
    # A transaction without a customer counts as a card of its own.
    cards = labelled["customer_id"].astype(object)
    numbers = pd.Series(range(len(cards)), index=cards.index, dtype=object)
    return evaluate(
        labelled["day"].to_numpy(),
        cards.where(cards.notna(), numbers).to_numpy(),
        labelled["probability"].to_numpy(float),
        labelled["label"].to_numpy(bool),
    )


def _card_precision(labelled: pd.DataFrame) -> float | None:
    """Of the transactions whose card is known."""
    known = labelled[labelled["customer_id"].notna()]
    if known.empty:
        return None
    return card_precision(
        known["day"].to_numpy(),
        known["customer_id"].to_numpy(),
        known["probability"].to_numpy(float),
        known["label"].to_numpy(bool),
    )


def _calibration(labelled: pd.DataFrame) -> tuple[tuple[float, float, int], ...]:
    """Promised and seen, by bins of equally many rows."""
    ordered = labelled.sort_values("probability", kind="stable")[["probability", "label"]]
    bins = np.array_split(ordered.to_numpy(float), CALIBRATION_BINS)
    means = ((*part.mean(axis=0).tolist(), len(part)) for part in bins if len(part))
    return tuple((promised, seen, rows) for promised, seen, rows in means)

"""A log of answers for the tests: seeded traffic with the truth behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from services.fraud.audit.answers import epoch_s
from services.fraud.log.database import Database
from services.fraud.log.rows import LABELS, PREDICTIONS
from services.fraud.log.tables import Label, Prediction
from services.fraud.scoring.card import Card, GoldenAnswer, Parity, describe_features
from services.fraud.scoring.evaluation import Metrics
from services.fraud.transactions.features import FEATURES

RUN_DATE = date(2026, 11, 22)
CHAMPION, SHADOW = "fraud_detector:20261101-000000-000000", "fraud_detector:20261115-000000-000000"
THRESHOLD = 0.5


@dataclass(frozen=True)
class Traffic:
    """What was answered, one row each, and what is known of the truth."""

    table: pd.DataFrame  # day, transaction_id, customer, probability, shadow, label, features

    def on(self, first: date, last: date) -> pd.DataFrame:
        return self.table[self.table["day"].between(first, last)]


def draw_features(count: int, rng: np.random.Generator, days: Sequence[date]) -> np.ndarray:
    """Rows that look like transactions; `days` is one day per row."""
    rows = np.zeros((count, len(FEATURES)))
    rows[:, 0] = np.round(rng.gamma(2, 25, count), 2)
    rows[:, 1] = [day.weekday() >= 5 for day in days]
    rows[:, 2] = rng.random(count) < 0.2
    for place, name in enumerate(FEATURES[3:], start=3):
        rows[:, place] = (
            rng.poisson(4, count)
            if "NB_TX" in name
            else np.round(rng.gamma(2, 25, count), 2)
            if "AVG" in name
            else np.where(rng.random(count) < 0.05, rng.random(count).round(2), 0)
        )
    return rows


def draw_traffic(
    first: date,
    days: int,
    per_day: int = 300,
    *,
    skill: float = 5.0,
    fraud_share: float = 0.02,
    shift: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Traffic:
    """Traffic whose probabilities separate frauds by `skill`; `shift` multiplies features."""
    rng = np.random.default_rng(seed)
    count = days * per_day
    day_of = [first + timedelta(days=n // per_day) for n in range(count)]
    label = rng.random(count) < fraud_share
    logit = rng.normal(-4, 1.2, count) + label * skill * rng.normal(1, 0.4, count)
    shadow = logit + rng.normal(0, 0.3, count)
    features = draw_features(count, rng, day_of)
    for name, factor in (shift or {}).items():
        features[:, FEATURES.index(name)] *= factor
    table = pd.DataFrame(
        {
            "day": day_of,
            "transaction_id": [f"{first:%m%d}-{n}" for n in range(count)],
            "customer": rng.integers(0, 400, count).astype(str),
            "second": rng.integers(0, 86_400, count),
            "probability": 1 / (1 + np.exp(-logit)),
            "shadow": 1 / (1 + np.exp(-shadow)),
            "label": label,
            "features": list(features),
        }
    )
    return Traffic(table)


def write_traffic(
    url: str,
    traffic: Traffic,
    *,
    model: str = CHAMPION,
    shadow: str | None = None,
    labelled: bool = True,
) -> None:
    """Write the traffic into the log, with all its labels, those of the last days too."""
    database = Database(url)
    database.prepare()
    rows, labels = [], []
    answers: list[Any] = list(traffic.table.itertuples())
    for n, answer in enumerate(answers):
        time = epoch_s(answer.day) + int(answer.second)
        rows.append(
            Prediction(
                request_id=f"{model}-{answer.transaction_id}",
                endpoint="/score_transaction",
                transaction_id=answer.transaction_id,
                customer_id=answer.customer,
                terminal_id=str(n % 50),
                amount=float(answer.features[0]),
                transaction_time=time,
                answered_at=time + 0.5,
                model=model,
                probability=answer.probability,
                threshold=THRESHOLD,
                is_fraud=answer.probability >= THRESHOLD,
                shadow_model=shadow,
                shadow_probability=answer.shadow if shadow else None,
                state_age_s=60.0,
                degraded=None,
                latency_ms=0.7,
                features=answer.features,
            )
        )
        labels.append(
            Label(answer.transaction_id, bool(answer.label), time + 3_600.0, time + 7_200.0)
        )
    with database.transaction(writes=True) as connection:
        PREDICTIONS.insert(connection, rows)
        if labelled:
            LABELS.insert(connection, labels)
    database.close()


def a_card(
    *, average_precision: float = 0.7, auc_roc: float = 0.95, alerts_per_day: float = 10
) -> Card:
    """The card of a model that was trained on traffic like that of `draw_traffic`."""
    rng = np.random.default_rng(99)
    days = [date(2026, 10, 5) + timedelta(days=n % 7) for n in range(7_000)]
    rows = draw_features(7_000, rng, days)
    return Card(
        features=describe_features(rows, np.zeros(len(rows), bool)),
        threshold=THRESHOLD,
        alerts_per_day=alerts_per_day,
        metrics=Metrics(50_000, 400, auc_roc, average_precision, 0.29, 0.72, 0.01),
        code_version="test",
        trained_at=datetime(2026, 11, 1, tzinfo=UTC),
        parity=Parity(rows=100, largest_difference=1e-7),
        golden=(GoldenAnswer(features=tuple(rows[0].tolist()), probability=0.1),),
    )


def save_model(home: Path, folder: Path, card: Card) -> str:
    """Put a model into the store that has a card and nothing to run; its tag."""
    from services.fraud.scoring import store

    folder.mkdir(parents=True)
    card.write(folder)
    for name in ("model.keras", "model.tflite"):
        (folder / name).write_bytes(b"not to be run")
    return store.save(folder, home)

"""Answers of the log, day by day, joined with the labels that have arrived.

A day is that of the transaction or, where only its features were given, of the answer; in UTC.
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import orjson
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from services.fraud.log.database import Database
from services.fraud.log.tables import FEATURE_COLUMNS, FRAUD_LABELS, FRAUD_PREDICTIONS
from services.fraud.scoring.card import HANDBOOK, Card
from services.fraud.transactions.features import DAY_S

_P, _L = FRAUD_PREDICTIONS.c, FRAUD_LABELS.c
_COLUMNS = (
    *(_P.transaction_id, _P.customer_id, _P.model, _P.probability, _P.threshold),
    *(_P.is_fraud.label("flagged"), _P.shadow_model, _P.shadow_probability),
    *(_P.degraded, _P.latency_ms),
    _L.is_fraud.label("label"),
    *(_P[name] for name in FEATURE_COLUMNS),
    _P.own_features,
)


def read_day(database: Database, day: date) -> pd.DataFrame:
    """The answers of a day; `label` is true, false, or missing.

    A transaction that a model answered twice, as after a lost state, counts once.

    Raises: LogError: the database refused.
    """
    query = (
        sa.select(*_COLUMNS)
        .join_from(
            FRAUD_PREDICTIONS,
            FRAUD_LABELS,
            _L.transaction_id == _P.transaction_id,
            isouter=True,
        )
        .where(_on(day))
        .order_by(_P.answered_at, _P.request_id)
    )
    with database.transaction(writes=False) as connection:
        answers = pd.read_sql(query, connection)
    answers["label"] = answers["label"].astype("boolean")
    answers["flagged"] = answers["flagged"].astype(bool)
    for name in ("probability", "threshold", "shadow_probability", *FEATURE_COLUMNS):
        answers[name] = answers[name].astype(float)
    repeated = answers.duplicated(["model", "transaction_id"]) & answers["transaction_id"].notna()
    return answers[~repeated].reset_index(drop=True)


def feature_rows(answers: pd.DataFrame, card: Card) -> NDArray[np.float64]:
    """What the model of a card was given on a day, and others that read the same: shape (n, width).

    answers: as `read_day` gives them.
    """
    if card.contract == HANDBOOK:
        columns = list(FEATURE_COLUMNS)
        rows: NDArray[np.float64] = answers.loc[
            answers[columns].notna().any(axis=1), columns
        ].to_numpy(float)
        return rows
    names = set(card.names)
    given = map(orjson.loads, answers["own_features"].dropna())
    kept = [[row[name] for name in card.names] for row in given if row.keys() == names]
    return np.array(kept, float).reshape(-1, card.width)


def newest_transaction(
    database: Database, before: date, answered_since: float | None = None
) -> int | None:
    """The time of the last raw transaction before a day, in seconds since 1970.

    answered_since: as in `read_transactions_between`.
    """
    query = sa.select(sa.func.max(_P.transaction_time)).where(
        _P.transaction_time < epoch_s(before),
        _P.terminal_id.is_not(None),
        _answered_since(answered_since),
    )
    with database.transaction(writes=False) as connection:
        newest: int | None = connection.scalar(query)
    return newest


def read_transactions_between(
    database: Database, after: int, until: int, answered_since: float | None = None
) -> pd.DataFrame:
    """The raw transactions that were answered, in table form without labels, each once.

    after, until: seconds since 1970; the second is included. answered_since: of the same kind,
    those that were answered earlier are left out; None: none are.
    """
    columns = (_P.transaction_id, _P.customer_id, _P.terminal_id, _P.amount, _P.transaction_time)
    query = (
        sa.select(*columns)
        .where(_P.transaction_time > after, _P.transaction_time <= until)
        .where(_answered_since(answered_since))
        .where(*(column.is_not(None) for column in columns))
        .order_by(_P.transaction_time, _P.answered_at, _P.request_id)
    )
    with database.transaction(writes=False) as connection:
        answered = pd.read_sql(query, connection).drop_duplicates("transaction_id")
    return pd.DataFrame(
        {
            "transaction_id": answered["transaction_id"].astype(str),
            "customer_id": answered["customer_id"].astype(str),
            "terminal_id": answered["terminal_id"].astype(str),
            "cents": (answered["amount"] * 100).round().astype("int64"),
            "time": answered["transaction_time"].astype("int64"),
        }
    )


def read_all_labels(database: Database) -> pd.Series:
    """Whether a transaction is fraud, by its id."""
    query = sa.select(_L.transaction_id, _L.is_fraud)
    with database.transaction(writes=False) as connection:
        labels = pd.read_sql(query, connection)
    return labels.set_index("transaction_id")["is_fraud"].astype(bool)


def epoch_s(day: date) -> int:
    """The beginning of a day in UTC, in seconds since 1970."""
    return (day - date(1970, 1, 1)).days * DAY_S


def _answered_since(moment: float | None) -> sa.ColumnElement[bool]:
    if moment is None:
        return sa.true()
    return _P.answered_at >= datetime.fromtimestamp(moment, UTC)


def _on(day: date) -> sa.ColumnElement[bool]:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    since, until = epoch_s(day), epoch_s(day) + DAY_S
    return sa.or_(
        sa.and_(_P.transaction_time >= since, _P.transaction_time < until),
        sa.and_(
            _P.transaction_time.is_(None),
            _P.answered_at >= begin,
            _P.answered_at < begin + timedelta(days=1),
        ),
    )

"""The SQL tables of the fraud service, and the rows of its log as typed values.

- `fraud_predictions`: one row per answer, with the features it was given for: the Handbook's as
  columns, those of a model that reads its own as one text in JSON, by name;
- `fraud_labels`: one row per transaction whose truth is known, the latest one;
- `fraud_batches`: one row per batch that was answered;
- `fraud_daily_metrics`: quality per day and model, written by the audit;
- `fraud_drift`: population stability index per day and feature, written by the audit.

The same columns mean the same on SQLite and PostgreSQL: instants are aware and in UTC.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from services.fraud.transactions.features import FEATURES
from services.storage.utc import UtcDateTime

FEATURE_COLUMNS = tuple(name.lower() for name in FEATURES)


class Prediction(NamedTuple):
    """A row of `fraud_predictions`. A plain tuple of the same values does as well.

    A field that comes later stands last and has a default, which rows of earlier versions get.
    """

    request_id: str
    endpoint: str
    transaction_id: str | None
    customer_id: str | None
    terminal_id: str | None
    amount: float | None
    transaction_time: int | None  # seconds since 1970
    answered_at: float  # seconds since 1970
    model: str
    probability: float
    threshold: float
    is_fraud: bool
    shadow_model: str | None
    shadow_probability: float | None
    state_age_s: float | None
    degraded: str | None
    latency_ms: float
    features: Sequence[float] | None  # in the order of `FEATURES`
    own_features: Mapping[str, float] | None = None  # of a model that reads others


class Label(NamedTuple):
    """A row of `fraud_labels`."""

    transaction_id: str
    is_fraud: bool
    labelled_at: float  # seconds since 1970, as all below
    received_at: float


class Batch(NamedTuple):
    """A row of `fraud_batches`."""

    request_id: str
    rows: int
    rejected: int
    flagged: int
    model: str
    answered_at: float
    latency_ms: float
    body_digest: str


METADATA = sa.MetaData()

FRAUD_PREDICTIONS = sa.Table(
    "fraud_predictions",
    METADATA,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("transaction_id", sa.Text),  # the join with the labels scans the audited days
    sa.Column("customer_id", sa.Text),
    sa.Column("terminal_id", sa.Text),
    sa.Column("amount", sa.Double),
    sa.Column("transaction_time", sa.BigInteger, index=True),
    sa.Column("answered_at", UtcDateTime, nullable=False, index=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("is_fraud", sa.Boolean, nullable=False),
    sa.Column("shadow_model", sa.Text),
    sa.Column("shadow_probability", sa.Double),
    sa.Column("state_age_s", sa.Double),
    sa.Column("degraded", sa.Text),
    sa.Column("latency_ms", sa.Double, nullable=False),
    *(sa.Column(name, sa.Double) for name in FEATURE_COLUMNS),
    sa.Column("own_features", sa.Text),
)

FRAUD_LABELS = sa.Table(
    "fraud_labels",
    METADATA,
    sa.Column("transaction_id", sa.Text, primary_key=True),
    sa.Column("is_fraud", sa.Boolean, nullable=False),
    sa.Column("labelled_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
)

FRAUD_BATCHES = sa.Table(
    "fraud_batches",
    METADATA,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("flagged", sa.BigInteger, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("answered_at", UtcDateTime, nullable=False),
    sa.Column("latency_ms", sa.Double, nullable=False),
    sa.Column("body_digest", sa.Text, nullable=False),
)

FRAUD_DAILY_METRICS = sa.Table(
    "fraud_daily_metrics",
    METADATA,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),  # answered, or shadow: it was only logged
    sa.Column("answers", sa.BigInteger, nullable=False),
    sa.Column("flagged", sa.BigInteger, nullable=False),
    sa.Column("alerts", sa.BigInteger, nullable=False),  # cards with a flagged transaction
    sa.Column("alert_budget", sa.Double),
    # Null while labels may still come.
    sa.Column("labelled", sa.BigInteger),
    sa.Column("frauds", sa.BigInteger),
    sa.Column("auc_roc", sa.Double),
    sa.Column("average_precision", sa.Double),
    sa.Column("card_precision_100", sa.Double),
    sa.Column("calibration_error", sa.Double),
    # Of a shadow alone: beside the model that answered.
    sa.Column("equal_decisions", sa.Double),  # share
    sa.Column("mean_difference", sa.Double),  # absolute, of the probabilities
    sa.Column("largest_difference", sa.Double),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.CheckConstraint("role IN ('answered', 'shadow')"),
)

FRAUD_DRIFT = sa.Table(
    "fraud_drift",
    METADATA,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("feature", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),  # whose card holds the expected shares
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("psi", sa.Double, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
)

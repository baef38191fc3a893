"""Labels that arrive late, in a file: read, checked, and loaded into the log.

A file is CSV or Parquet with the columns `transaction_id` and `is_fraud`, and `labelled_at`
where it is known (ISO 8601; without an offset it is UTC). It is taken as a whole or not at all.
Errors name the column and the row, from 1, and no value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

from services.fraud.database import Database
from services.fraud.errors import TransactionsError
from services.fraud.log_rows import LABELS
from services.fraud.tables import FRAUD_PREDICTIONS, Label

HANDBOOK_NAMES = {"TRANSACTION_ID": "transaction_id", "TX_FRAUD": "is_fraud"}
ROWS_PER_TRANSACTION = 5_000
_MEANINGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True)
class LoadedLabels:
    """What a file held; `unknown` transactions have no answer in the log, and are kept."""

    labels: int
    frauds: int
    unknown: int


def load_labels(path: Path, database: Database, received_at: datetime) -> LoadedLabels:
    """Read a file and load it; doing so twice changes nothing.

    received_at: aware; also the time of a label whose own is not given.

    Raises:
        TransactionsError: the file cannot be read, or a row is wrong.
        LogError: the database refused.
    """
    labels = read_labels(path, received_at)
    database.prepare()
    known = 0
    for start in range(0, len(labels), ROWS_PER_TRANSACTION):
        part = labels[start : start + ROWS_PER_TRANSACTION]
        with database.transaction(writes=True) as connection:
            LABELS.insert(connection, part)
            known += _count_known(connection, [label.transaction_id for label in part])
    frauds = sum(label.is_fraud for label in labels)
    return LoadedLabels(len(labels), frauds, len(labels) - known)


def read_labels(path: Path, received_at: datetime) -> list[Label]:
    """The labels of a file, one per transaction, the latest.

    Raises:
        TransactionsError: the file cannot be read, a row is wrong, or two labels of the same
            time contradict each other.
    """
    table = _read(path)

    def refuse(wrong: pd.Series, column: str, fault: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong.to_numpy())) + 1
            raise TransactionsError(f"{path.name}, column {column}, row {row}: {fault}")

    ids = _as_text(table["transaction_id"])
    refuse(ids.isna() | (ids == ""), "transaction_id", "blank")
    meant = _as_text(table["is_fraud"]).str.lower().map(_MEANINGS)
    refuse(meant.isna(), "is_fraud", "not 0, 1, true or false")
    known_at = _instants(table, received_at, refuse)
    labels = pd.DataFrame({"id": ids, "is_fraud": meant.astype(bool), "at": known_at})
    others = labels.groupby(["id", "at"])["is_fraud"].transform("nunique")
    refuse(others > 1, "is_fraud", "another row labels this transaction otherwise")
    latest = labels.sort_values("at", kind="stable").drop_duplicates("id", keep="last")
    received = received_at.timestamp()
    rows = zip(latest["id"], latest["is_fraud"], latest["at"], strict=True)
    return [Label(str(key), bool(fraud), float(at), received) for key, fraud, at in rows]


def _instants(
    table: pd.DataFrame, received_at: datetime, refuse: Callable[[pd.Series, str, str], None]
) -> pd.Series:
    """When the labels became known, as seconds since 1970."""
    default = received_at.timestamp()
    if "labelled_at" not in table:
        return pd.Series(default, index=table.index)
    given = table["labelled_at"]
    if not isinstance(given.dtype, pd.DatetimeTZDtype) and given.dtype.kind != "M":
        given = _as_text(given).replace("", pd.NA)
    times = pd.to_datetime(given, format="ISO8601", utc=True, errors="coerce")
    refuse(times.isna() & given.notna(), "labelled_at", "not a date and time in ISO 8601")
    seconds = (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    refuse(seconds > default + 86_400, "labelled_at", "in the future")
    return seconds.fillna(default)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise TransactionsError(f"{path}: {'no file' if path.exists() else 'does not exist'}")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.name.endswith((".csv", ".csv.gz")):
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            raise TransactionsError(f"{path.name}: neither .csv, .csv.gz nor .parquet")
    except (OSError, ValueError, EOFError) as error:  # pandas' and Arrow's are ValueErrors
        # Not chained: the cause may quote a row.
        raise TransactionsError(f"{path.name} cannot be read ({type(error).__name__})") from None
    table = table.rename(columns=HANDBOOK_NAMES)
    if missing := [name for name in ("transaction_id", "is_fraud") if name not in table]:
        raise TransactionsError(f"{path.name}: no column {' and no column '.join(missing)}")
    return table.reset_index(drop=True)


def _as_text(values: pd.Series) -> pd.Series:
    """Without blanks around it; missing values stay missing."""
    return values.astype("string").str.strip()


def _count_known(connection: sa.Connection, ids: list[str]) -> int:
    """How many of these transactions have an answer."""
    known = sa.select(FRAUD_PREDICTIONS.c.transaction_id).where(
        FRAUD_PREDICTIONS.c.transaction_id.in_(ids)
    )
    return len(set(connection.scalars(known)))

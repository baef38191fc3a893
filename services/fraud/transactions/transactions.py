"""Files of card transactions: read from CSV or Parquet, checked, and brought into table form.

The columns go by our names or by those of the Fraud Detection Handbook; others are ignored. In
table form ids are text, amounts are whole cents, times are seconds since 1970 in UTC (parts of a
second are dropped), and rows stand in the order of their times. A file is taken as a whole or not
at all: how it has to look is said in `table_file`, what its values may be in `fields`.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import MICROSECONDS, Column, Flags
from services.fraud.transactions.fields import AHEAD
from services.fraud.transactions.table_file import Wanted, read_columns
from services.storage.files import written_aside

IDS = ("transaction_id", "customer_id", "terminal_id")
LABEL = "is_fraud"
WANTED = (
    Wanted("transaction_id", "TRANSACTION_ID"),
    Wanted("customer_id", "CUSTOMER_ID"),
    Wanted("terminal_id", "TERMINAL_ID"),
    Wanted("amount", "TX_AMOUNT"),
    Wanted("time", "TX_DATETIME"),
    Wanted(LABEL, "TX_FRAUD", required=False),
)
_DIGEST_ROWS = 100_000  # part of the digest's definition: it is fed in pieces of so many rows


def read_transactions(path: Path, now: datetime | None = None) -> pd.DataFrame:
    """Transactions in table form, with `is_fraud` where the file has it.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        now: aware; a transaction that lies in the future is refused, as over HTTP. None: any
            time will do.

    Raises: TransactionsError: the file cannot be read or does not hold what it should.
    """
    return table_form(read_columns(path, WANTED), path, now)


def table_form(
    columns: Mapping[str, Column], path: Path, now: datetime | None, kept: Flags | None = None
) -> pd.DataFrame:
    """Columns by our names, checked and in table form; arguments as in `read_transactions`.

    kept: which rows count; all have to be right.

    Raises: TransactionsError: a value is wrong, or no row is left.
    """
    if not len(columns[IDS[0]].values) or (kept is not None and not kept.any()):
        raise TransactionsError(f"{path.name}: holds no transactions")
    table = pd.DataFrame({name: columns[name].ids() for name in IDS})
    columns[IDS[0]].refuse(table[IDS[0]].duplicated().to_numpy(), "an earlier row has this id")
    table["cents"] = columns["amount"].cents()
    microseconds = columns["time"].microseconds()
    if now is not None:
        latest = (now + AHEAD).timestamp() * MICROSECONDS
        columns["time"].refuse(microseconds > latest, "lies in the future")
    table["time"] = microseconds // MICROSECONDS
    if LABEL in columns:
        table[LABEL] = columns[LABEL].flags()
    order = np.argsort(microseconds, kind="stable")
    if kept is not None:
        order = order[kept[order]]
    return table.take(order).reset_index(drop=True)


def write_transactions(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a Parquet file that `read_transactions` reads, all of it or nothing."""
    columns = {name: _texts(table[name]) for name in IDS}
    columns["amount"] = pa.array(table["cents"].to_numpy() / 100)
    columns["time"] = pa.array(table["time"].to_numpy()).cast(pa.timestamp("s", "UTC"))
    if LABEL in table:
        columns[LABEL] = pa.array(table[LABEL].to_numpy())
    with written_aside(path) as file:
        pq.write_table(pa.table(columns), file)


def data_digest(table: pd.DataFrame) -> str:
    """The sha256 of what a table holds, hexadecimal; whole numbers as ids count as their digits.

    Columns beyond those of table form do not count; neither does how the table came about.
    """
    digest = hashlib.sha256()
    names = [*IDS, "cents", "time", *([LABEL] if LABEL in table else [])]
    digest.update(",".join(names).encode())
    for start in range(0, len(table), _DIGEST_ROWS):
        rows = table.iloc[start : start + _DIGEST_ROWS]
        for name in names:
            if name in IDS:
                texts = _texts(rows[name])
                lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
                digest.update(lengths.astype("<i8").tobytes())  # so that "1","23" is not "12","3"
                digest.update("".join(texts.to_pylist()).encode())
            else:
                digest.update(rows[name].to_numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _texts(ids: pd.Series) -> pa.Array:
    texts = pa.array(ids).cast(pa.large_string())
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts

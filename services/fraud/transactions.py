"""Files of card transactions: read from CSV or Parquet, checked, and brought into table form.

The columns go by our names or by those of the Fraud Detection Handbook; others are ignored. In
table form ids are text, amounts are whole cents, times are seconds since 1970 in UTC (a time
without offset is UTC; parts of a second are dropped), and rows stand in the order of their
times. A file is taken as a whole or not at all.

Errors name the file, the column, the first row at fault (from 1, a header not counted) and what
is wrong there, but no value: it would be a customer's.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from services.fraud.errors import TransactionsError

IDS = ("transaction_id", "customer_id", "terminal_id")
LABEL = "is_fraud"
HANDBOOK_NAMES = {
    "transaction_id": "TRANSACTION_ID",
    "customer_id": "CUSTOMER_ID",
    "terminal_id": "TERMINAL_ID",
    "amount": "TX_AMOUNT",
    "time": "TX_DATETIME",
    LABEL: "TX_FRAUD",
}
MAX_AMOUNT = 1e9  # as the service takes it
_NOISE_CENTS = 1e-6  # sums and products of amounts are off by less
_MICROSECONDS = 1_000_000
_DIGEST_ROWS = 100_000  # part of the digest's definition: it is fed in pieces of so many rows
# A date and a time of day, so that a bare number is not taken for a year.
_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d+)?)?([Zz]|[+-]\d{2}(:?\d{2})?)?$"

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def read_transactions(path: Path) -> pd.DataFrame:
    """Transactions in table form, with `is_fraud` where the file has it.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.

    Raises:
        TransactionsError: the file cannot be read or does not hold what it should.
    """
    columns = _read_columns(path)
    table = pd.DataFrame({name: columns[name].ids() for name in IDS})
    columns[IDS[0]].refuse(table[IDS[0]].duplicated().to_numpy(), "an earlier row has this id")
    table["cents"] = columns["amount"].cents()
    microseconds = columns["time"].microseconds()
    table["time"] = microseconds // _MICROSECONDS
    if LABEL in columns:
        table[LABEL] = columns[LABEL].flags()
    order = np.argsort(microseconds, kind="stable")
    return table.take(order).reset_index(drop=True)


def write_transactions(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a Parquet file that `read_transactions` reads, all of it or nothing."""
    columns = {name: _texts(table[name]) for name in IDS}
    columns["amount"] = pa.array(table["cents"].to_numpy() / 100)
    columns["time"] = pa.array(table["time"].to_numpy()).cast(pa.timestamp("s", "UTC"))
    if LABEL in table:
        columns[LABEL] = pa.array(table[LABEL].to_numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    temporary = Path(name)
    try:
        pq.write_table(pa.table(columns), temporary)
        temporary.chmod(0o644)  # temporary files are their owner's alone
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as the file has it, under the name that it has there."""

    file: str
    name: str
    values: pa.Array

    def refuse(self, wrong: Flags, fault: str) -> None:
        """Raises: TransactionsError: a row is wrong; the first one is named."""
        if wrong.any():
            row = int(np.argmax(wrong)) + 1
            raise TransactionsError(f"{self.file}, column {self.name}, row {row}: {fault}")

    def ids(self) -> pd.Series:
        """Texts that are not blank, without blanks around them."""
        self._refuse_nulls()
        if not (self._is_text or pa.types.is_integer(self.values.type)):
            raise self._wrong_type("text or whole numbers")
        texts = self._texts()
        self.refuse(_flags(pc.equal(texts, "")), "blank")
        ids: pd.Series = texts.to_pandas().astype("str")
        return ids

    def cents(self) -> Integers:
        """Amounts that a transaction can have."""
        self._refuse_nulls()
        kind, precision = self.values.type, float(np.finfo(np.float64).eps)
        if self._is_text:
            self.refuse(_flags(pc.equal(self._texts(), "")), "blank")
            amounts = pd.to_numeric(self._texts().to_pandas(), errors="coerce").to_numpy(float)
            spelled = _flags(pc.match_substring_regex(self._texts(), r"(?i)^[+-]?(nan|inf)"))
            self.refuse(np.isnan(amounts) & ~spelled, "not a number")
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            amounts = self.values.cast(pa.float64()).to_numpy(zero_copy_only=False)
            if pa.types.is_floating(kind) and kind != pa.float64():
                precision = float(np.finfo(np.float32).eps)
        else:
            raise self._wrong_type("numbers")
        self.refuse(~np.isfinite(amounts), "not a finite number")
        self.refuse(amounts < 0, "negative")
        self.refuse(amounts > MAX_AMOUNT, f"more than {MAX_AMOUNT:,.0f}")
        cents = np.rint(amounts * 100)
        noise = _NOISE_CENTS + 4 * precision * cents
        self.refuse(np.abs(amounts * 100 - cents) > noise, "more than two decimals")
        whole: Integers = cents.astype(np.int64)
        return whole

    def microseconds(self) -> Integers:
        """Times since 1970, UTC."""
        self._refuse_nulls()
        if self._is_text:
            texts = self._texts()
            self.refuse(_flags(pc.equal(texts, "")), "blank")
            times = pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True, errors="coerce")
            shaped = _flags(pc.match_substring_regex(texts, _TIME))
            self.refuse(times.isna().to_numpy() | ~shaped, "not a date and time in ISO 8601")
            since: Integers = times.dt.as_unit("us").astype(np.int64).to_numpy()
        elif pa.types.is_timestamp(self.values.type):
            zone = self.values.type.tz  # Parquet keeps UTC beside it
            times = self.values.cast(pa.timestamp("us", zone), safe=False)
            since = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
        else:
            raise self._wrong_type("timestamps or text")
        self.refuse(since < 0, "before 1970")
        return since

    def flags(self) -> Flags:
        """Labels, spelled as 0 and 1 or as false and true."""
        self._refuse_nulls()
        kind = self.values.type
        if pa.types.is_boolean(kind):
            return _flags(self.values)
        if self._is_text:
            texts = pc.utf8_lower(self._texts())
            true = _flags(pc.is_in(texts, pa.array(["1", "true"], texts.type)))
            false = _flags(pc.is_in(texts, pa.array(["0", "false"], texts.type)))
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers = self.values.to_numpy(zero_copy_only=False)
            true, false = numbers == 1, numbers == 0
        else:
            raise self._wrong_type("true and false, or 0 and 1")
        self.refuse(~true & ~false, "not 0, 1, true or false")
        return true

    @property
    def _is_text(self) -> bool:
        return bool(pa.types.is_large_string(self.values.type))

    def _texts(self) -> pa.Array:
        return pc.utf8_trim_whitespace(self.values.cast(pa.large_string()))

    def _refuse_nulls(self) -> None:
        self.refuse(_flags(self.values.is_null(nan_is_null=False)), "blank")

    def _wrong_type(self, wanted: str) -> TransactionsError:
        return TransactionsError(
            f"{self.file}, column {self.name}: holds {self.values.type}, not {wanted}"
        )


def _flags(values: Any) -> Flags:
    flags: Flags = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags


def _read_columns(path: Path) -> dict[str, _Column]:
    """Columns by our names. Raises: TransactionsError: as `read_transactions`."""
    if not path.is_file():
        raise TransactionsError(f"{path}: {'no file' if path.exists() else 'does not exist'}")
    if not path.stat().st_size:
        raise TransactionsError(f"{path.name}: is empty")
    if path.name.endswith(".parquet"):
        table, names = _read_parquet(path)
    elif path.name.endswith((".csv", ".csv.gz")):
        table, names = _read_csv(path)
    else:
        raise TransactionsError(f"{path.name}: neither .csv, .csv.gz nor .parquet")
    if not table.num_rows:
        raise TransactionsError(f"{path.name}: holds no transactions")
    return {
        name: _Column(path.name, shown, _plain(table.column(shown)))
        for name, shown in names.items()
    }


def _read_parquet(path: Path) -> tuple[pa.Table, dict[str, str]]:
    try:
        with pq.ParquetFile(path) as file:
            names = _names(path.name, file.schema_arrow.names)
            return file.read(columns=list(names.values())), names
    except (pa.ArrowException, OSError) as error:
        raise TransactionsError(f"{path.name}: cannot be read as Parquet, or damaged") from error


def _read_csv(path: Path) -> tuple[pa.Table, dict[str, str]]:
    """All cells as text."""
    uneven: list[str] = []

    def note(row: pa_csv.InvalidRow) -> str:
        found, wanted = row.actual_columns, row.expected_columns
        uneven.append(f"row {row.number - 1}: {found} fields, the header has {wanted}")
        return "error"

    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            uncounted = pa_csv.ParseOptions(invalid_row_handler=lambda row: "skip")
            header = pa_csv.open_csv(file, parse_options=uncounted).schema.names
        names = _names(path.name, header)
        with opened(path, "rb") as file:
            table = pa_csv.read_csv(
                file,
                pa_csv.ReadOptions(use_threads=False),  # with threads rows have no numbers
                pa_csv.ParseOptions(invalid_row_handler=note),
                pa_csv.ConvertOptions(
                    column_types={name: pa.large_string() for name in names.values()},
                    include_columns=list(names.values()),
                ),
            )
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        fault = f"cannot be read as CSV in UTF-8 ({type(error).__name__})"
        # Without the cause: what Arrow says may quote the row.
        raise TransactionsError(f"{path.name}: {uneven[0] if uneven else fault}") from None
    return table, names


def _names(file: str, present: Sequence[str]) -> dict[str, str]:
    """The file's names of the columns by ours. Raises: TransactionsError: one is missing."""
    names = {}
    for name, published in HANDBOOK_NAMES.items():
        found = [shown for shown in present if shown in (name, published)]
        if len(found) > 1:
            raise TransactionsError(f"{file}: more than one column {' or '.join(found)}")
        if found:
            names[name] = found[0]
        elif name != LABEL:
            raise TransactionsError(f"{file}: no column {name} (or {published})")
    return names


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """In one piece; text of any kind as one kind of text."""
    values = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values

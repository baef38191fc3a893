"""Files of transactions as people have them: other names, separators, units, and with refunds.

What is found out from the file is told beside the table, and can be said instead. Where the file
does not tell it surely, it is refused with the option that says it.

- A delimiter or a data set counts as found if all columns that are needed are there with it.
- Refunds and reversals, which have negative amounts, are no transactions that could be fraud: they
  are refused, or left out.
- Amounts are kept in hundredths. Of a currency with three decimals they are rounded, half to even.
- Times that are counted from a start begin at a midnight, UTC: the given day's, or such that the
  last of them lies on the day before the run's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import LAST_S, MICROSECONDS, Column, Flags, flags_of
from services.fraud.transactions.csv_file import PLURALS
from services.fraud.transactions.features import DAY_S
from services.fraud.transactions.mapping import (
    DATE,
    EPOCHS,
    UNITS,
    ColumnMapping,
    Layout,
    recognise,
)
from services.fraud.transactions.numerals import (
    Decimal,
    decimal_of,
    may_be_thousands,
    unsure,
    with_point,
)
from services.fraud.transactions.table_file import Wanted, fits, read_columns, read_names
from services.fraud.transactions.transactions import IDS, LABEL, WANTED, table_form

Refunds = Literal["refuse", "drop"]
_NOISE = 1e-4  # as of cents
_OLDEST_S = 10 * 365 * DAY_S  # since 1970: no card was asked about over a network before
_IF_MISSING = (
    "; --columns customer_id=NAME,amount=NAME,... says how the file calls them, and train_fraud"
    " --table FILE --label NAME trains on any columns as they are"
)

_NUMBER = r"^\s*[0-9]+([.,][0-9]+)?\s*$"
_DAY = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"


@dataclass(frozen=True)
class Reading:
    """How a file is read; None: as it shows by itself.

    Attributes:
        decimals: of the currency.
        time_start: the midnight from which times are counted that have no date.
        run_date: if that is not given, the day after the last of them.
    """

    columns: ColumnMapping | None = None
    delimiter: str | None = None
    decimal: Decimal | None = None
    decimals: int = 2
    refunds: Refunds = "refuse"
    time_start: date | None = None
    run_date: date | None = None


def read_foreign(
    path: Path, reading: Reading, now: datetime | None = None, *, labelled: bool = True
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Transactions in table form, and in words how the file was read, by subject.

    Args:
        now: as in `read_transactions`.
        labelled: whether they have to be.

    Raises: TransactionsError: as there, or the file does not tell how it is to be read.
    """
    names = read_names(path)
    mapping, told = _find_mapping(path, names, reading, labelled)
    wanted = mapping.wanted() if mapping else WANTED
    asked = labelled or (mapping is not None and LABEL in mapping.names)
    wanted = tuple(replace(one, required=asked) if one.name == LABEL else one for one in wanted)
    delimiter = reading.delimiter or find_delimiter(names, wanted)
    if delimiter != ",":
        told["delimiter"] = PLURALS[delimiter]
    columns = read_columns(path, wanted, delimiter, _IF_MISSING)
    if IDS[0] not in columns:
        told["transaction_id"] = "the numbers of the rows"
        rows = np.arange(1, len(columns["amount"].values) + 1)
        columns[IDS[0]] = Column(path.name, IDS[0], pa.array(rows))
    kept = _read_amounts(columns, reading, told)
    unit = mapping.time_unit if mapping else None
    _read_times(columns, unit, reading, told)
    table = table_form(columns, path, now, kept)
    if unit not in UNITS:  # a start can be said, whichever
        _refuse_other_unit(int(table["time"].max()), columns["time"], unit)
    return table, told


def as_history(table: pd.DataFrame, told: Mapping[str, str]) -> pd.DataFrame:
    """What was read, for a snapshot: numbered rows get ids that no caller's transaction can have.

    Those begin with no blank, so that no label, and no later transaction, is taken for one of them.
    """
    if IDS[0] not in told:
        return table
    return table.assign(**{IDS[0]: " row " + table[IDS[0]].astype(str)})


def _find_mapping(
    path: Path, names: Mapping[str, list[str]], reading: Reading, labelled: bool
) -> tuple[ColumnMapping | None, dict[str, str]]:
    if reading.columns:
        return reading.columns, {"columns": str(reading.columns)}
    if any(fits(header, WANTED) for header in names.values()):
        return None, {}
    for header in names.values():
        if layout := recognise(header, labelled):
            if layout.mapping is None:
                raise TransactionsError(f"{path.name}: looks like {layout.name}, {layout.advice}")
            return layout.mapping, {"columns": _describe(layout)}
    return None, {}


def _describe(layout: Layout) -> str:
    return f"{layout.mapping} (as it looks like {layout.name}; --columns says otherwise)"


def find_delimiter(names: Mapping[str, list[str]], wanted: Sequence[Wanted]) -> str:
    """The one with which all columns are found that have to be there; else a comma."""
    return next((mark for mark, header in names.items() if fits(header, wanted)), ",")


def _read_amounts(
    columns: dict[str, Column], reading: Reading, told: dict[str, str]
) -> Flags | None:
    """Bring amounts into hundredths; which rows are kept, None: all."""
    column = columns["amount"]
    decimal = reading.decimal or decimal_of(column)
    if decimal is None:
        raise unsure(column)
    unsaid = reading.decimal is None and reading.decimals == 2 and "delimiter" in told
    if unsaid and may_be_thousands(column):
        raise unsure(column, "point")
    if decimal == "comma":
        told["decimals"] = "with a comma"
    column = with_point(column, decimal)
    amounts, precision = column.numbers()
    refunds = amounts < 0
    if reading.refunds == "refuse":
        column.refuse(refunds, "negative, a refund or a reversal: --refunds drop leaves these out")
    units = np.where(refunds, 0.0, amounts) * 10.0**reading.decimals
    whole = np.rint(units)
    with np.errstate(invalid="ignore"):
        column.refuse(
            np.abs(units - whole) > _NOISE + 4 * precision * whole, _too_fine(reading.decimals)
        )
    hundredths = np.rint(whole * 100 / 10**reading.decimals) / 100
    columns["amount"] = replace(column, values=pa.array(hundredths))
    if reading.decimals != 2:
        told["amount"] = f"of a currency with {reading.decimals} decimals" + (
            ", rounded to hundredths as callers have to" if reading.decimals > 2 else ""
        )
    if not refunds.any():
        return None
    told["refunds"] = f"{int(refunds.sum()):,} rows left out"
    if LABEL in columns:
        told["refunds"] += f", {int(columns[LABEL].flags()[refunds].sum()):,} of them frauds"
    return ~refunds


def _too_fine(decimals: int) -> str:
    if decimals == 2:
        return "more than two decimals (--decimals 3 rounds those of a currency with three)"
    return f"more than {decimals} decimals (--decimals)"


def _read_times(
    columns: dict[str, Column], unit: str | None, reading: Reading, told: dict[str, str]
) -> None:
    """Bring times into instants."""
    column = columns["time"]
    if unit is None:
        _refuse_unclear(column)
        return
    if unit == DATE:
        microseconds = column.microseconds(day_will_do=True)
        told["time"] = "a date counts from its midnight, UTC"
    else:
        seconds = seconds_in(column, unit)
        if unit in UNITS:
            start = reading.time_start or _start_of(seconds, reading.run_date)
            told["time"] = f"{unit} since {start}T00:00Z (--time-start says otherwise)"
            seconds = seconds + (start - date(1970, 1, 1)).days * DAY_S
        other = ", or :epoch_ms" if unit == "epoch" else ""
        fault = f"after the year 9999: is it in the unit that is said{other}?"
        column.refuse(seconds > LAST_S, fault)
        microseconds = np.rint(seconds * MICROSECONDS).astype(np.int64)
    columns["time"] = replace(column, values=pa.array(microseconds, pa.timestamp("us", "UTC")))


def _refuse_other_unit(newest_s: int, column: Column, unit: str | None) -> None:
    """Times that all lie at the beginning of 1970 were counted in another unit.

    Raises: TransactionsError: so they do.
    """
    if newest_s >= _OLDEST_S:
        return
    day = datetime.fromtimestamp(newest_s, UTC).date()
    fault = f"{column.file}, column {column.name}: all times lie before 1980, the last on {day}"
    if unit == "epoch_ms" and newest_s * 1_000 >= _OLDEST_S:
        right = datetime.fromtimestamp(newest_s * 1_000, UTC).year
        raise TransactionsError(f"{fault}; time={column.name}:epoch, seconds, would be {right}")
    raise TransactionsError(f"{fault}: numbers of another unit were taken for them")


def seconds_in(column: Column, unit: str) -> np.ndarray:
    """Times that are numbers, in seconds.

    unit: of UNITS or EPOCHS.

    Raises: TransactionsError: one is none, or negative.
    """
    numbers, _ = column.numbers()
    column.refuse(~np.isfinite(numbers), f"not a number of {unit}")
    column.refuse(numbers < 0, "negative")
    return numbers * {**UNITS, **EPOCHS}[unit]


def _start_of(seconds: np.ndarray, run_date: date | None) -> date:
    end = run_date or datetime.now(UTC).date()
    return end - timedelta(days=int(seconds.max(initial=0) // DAY_S) + 1)


def _refuse_unclear(column: Column) -> None:
    """Times without a unit, and dates without a time of day: somebody has to say what they are."""
    kind, name = column.values.type, column.name
    texts = column.values if pa.types.is_large_string(kind) else None
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    day = pa.types.is_date(kind)
    if texts is not None and len(texts):
        number = bool(flags_of(pc.match_substring_regex(texts, _NUMBER)).all())
        day = bool(flags_of(pc.match_substring_regex(texts, _DAY)).all())
    if number:
        raise TransactionsError(
            f"{column.file}, column {name}: numbers without a unit; --columns time={name}:epoch"
            " says seconds since 1970, :epoch_ms milliseconds, and :seconds, :minutes, :hours or"
            " :days that they are counted from a start"
        )
    if day:
        raise TransactionsError(
            f"{column.file}, column {name}: dates without a time of day; --columns"
            f" time={name}:date counts them from midnight, so that windows of a day are whole days"
        )

"""From a file of any columns to training data; see `table_data`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.fraud.errors import TransactionsError
from services.fraud.scoring.schema import LARGEST
from services.fraud.training.conversion import lost_digits
from services.fraud.training.table_data import TableData, Timeline
from services.fraud.transactions.columns import MICROSECONDS, Column, flags_of
from services.fraud.transactions.csv_file import PLURALS
from services.fraud.transactions.fields import NUMBER
from services.fraud.transactions.foreign import find_delimiter, seconds_in
from services.fraud.transactions.mapping import EPOCHS, UNITS, recognise, split_unit
from services.fraud.transactions.numerals import Decimal, decimal_of, unsure, with_point
from services.fraud.transactions.table_file import Wanted, read_columns, read_names

MOST_VALUES = 50  # of a column of categories
MOST_NAMED = 50  # columns, in a message
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+(\.\d+)?")  # pandas', in Parquet and CSV
_BLANK = pa.array(["", "na", "n/a", "nan", "null", "none"], pa.large_string())

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TableSpec:
    """A file, and how its columns are read; None: as the file shows.

    Attributes:
        time: column:unit, as in a mapping of columns.
        blank: what stands for a blank cell; None refuses them.
        test_share: of the rows, the last ones, that test.
    """

    file: Path
    label: str
    time: str | None = None
    categories: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    blank: float | None = None
    delimiter: str | None = None
    decimal: Decimal | None = None
    test_share: float = 0.2


def read_table(spec: TableSpec) -> TableData:
    """Read, check and order a table.

    Raises: TransactionsError: it cannot be read, or is no table of numbers with a label; says
        which options would make it one.
    """
    told: dict[str, str] = {}
    columns, time, unit = _read(spec, told)
    is_fraud = columns.pop(_key(spec.label)).flags()
    if not len(is_fraud):
        raise TransactionsError(f"{spec.file.name}: holds no rows")
    timeline = None
    order = np.arange(len(is_fraud))
    if time is None:
        told["time"] = "none (--time): the rows count as in the order of their times"
    else:
        seconds = _seconds(columns.pop(_key(time)), unit)
        order = np.argsort(seconds, kind="stable")
        start = f"of column {time}" if unit in UNITS else None
        timeline = Timeline(seconds[order], start)
        told["time"] = f"column {time}, no feature; the last {spec.test_share:.0%} of the rows test"
    categories = set(map(_key, spec.categories))
    plain = {key: column for key, column in columns.items() if key not in categories}
    numbers = _all_numbers(spec, plain, told)
    train = _split(spec, len(order), timeline)
    is_fraud = is_fraud[order]
    if len(np.unique(is_fraud[train])) < 2:
        raise TransactionsError(
            f"{spec.file.name}: the {int(train.sum()):,} rows to train on hold no fraud or nothing"
            " else"
        )
    names, values = _features(columns, numbers, order[train])
    if not names:
        raise TransactionsError(f"{spec.file.name}: no column is left to learn from")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TransactionsError(
            f"{spec.file.name}: a value of a column of categories would be called as another column"
            f" is, {', '.join(twice[:MOST_NAMED])}; --leave-out NAME,... leaves one out"
        )
    told["features"] = f"{len(names)}, of {len(columns)} columns"
    if lost := _lost_digits(names, values):
        told["float32"] = lost
    rows = values[order].astype(np.float32)
    return TableData(names, rows, is_fraud, train, timeline, told)


def _lost_digits(names: tuple[str, ...], values: Array) -> str | None:
    """Of numbers that float32 does not hold as they are."""
    changed = (values != values.astype(np.float32)).any(axis=0)
    return lost_digits(names, np.abs(values).max(axis=0), np.where(changed, values.std(axis=0), 0))


def _key(name: str) -> str:
    return name.strip().casefold()


def _read(
    spec: TableSpec, told: dict[str, str]
) -> tuple[dict[str, Column], str | None, str | None]:
    """All columns but those left out, by their keys; the column of times, and its unit."""
    headers = read_names(spec.file)
    time, unit = split_unit(spec.time) if spec.time else (None, None)
    named = [spec.label, *([time] if time else []), *spec.categories, *spec.leave_out]
    wanted = [Wanted(name) for name in dict.fromkeys(named)]
    delimiter = spec.delimiter or find_delimiter(headers, wanted)
    if delimiter != ",":
        told["delimiter"] = PLURALS[delimiter]
    header = [name.strip() for name in headers.get(delimiter, headers[","])]
    if missing := [name.name for name in wanted if not any(map(name.answers_to, header))]:
        raise TransactionsError(
            f"{spec.file.name}: no column {' and no column '.join(missing)}; it has"
            f" {', '.join(filter(None, header[:MOST_NAMED]))}{', …' * (len(header) > MOST_NAMED)}"
        )
    if time is None and (layout := recognise(header)) and layout.time:
        time, unit = split_unit(layout.time)
        told["recognised"] = f"{layout.name}, whose times are --time {layout.time}"
    if time and _key(time) == _key(spec.label):
        raise TransactionsError(f"{spec.file.name}: {time} is the label, and the time as well")
    left_out = set(map(_key, spec.leave_out)) - {_key(spec.label), _key(time or "")}
    asked_for = set(map(_key, named))
    nameless = {name for name in header if _is_nameless(name) and _key(name) not in asked_for}
    if left_out or nameless:
        count = sum(name in nameless for name in header)
        counted = [f"{count} without a name"] if nameless else []
        told["left out"] = ", ".join([*spec.leave_out, *counted])
    chosen = [
        Wanted(name) for name in header if name not in nameless and _key(name) not in left_out
    ]
    found = read_columns(spec.file, chosen, delimiter)
    return {_key(name): column for name, column in found.items()}, time, unit


def _is_nameless(name: str) -> bool:
    """Whether a column has no name but what pandas calls one without, such as its index."""
    return not name or _INDEX.fullmatch(name) is not None


def _seconds(column: Column, unit: str | None) -> Array:
    if unit in UNITS or unit in EPOCHS:
        return seconds_in(with_point(column, decimal_of(column) or "point"), unit)
    _, is_number = _numbers(column)
    if len(is_number) and is_number.all():
        raise TransactionsError(
            f"{column.file}, column {column.name}: numbers without a unit; --time"
            f" {column.name}:seconds says seconds since a start, and so do :minutes, :hours and"
            " :days; :epoch and :epoch_ms count since 1970"
        )
    return column.microseconds(day_will_do=True) / MICROSECONDS


def _split(spec: TableSpec, count: int, timeline: Timeline | None) -> Array:
    """Which rows train."""
    first_test = min(count - 1, count - round(count * spec.test_share))
    if timeline:
        first_test = int(np.searchsorted(timeline.seconds, timeline.seconds[first_test]))
    if first_test < 1:
        raise TransactionsError(
            f"{spec.file.name}: nothing to train on: the last {spec.test_share:.0%} of the rows"
            " test, and rows of one time stay together (--test-share)"
        )
    return np.arange(count) < first_test


def _features(
    columns: Mapping[str, Column], numbers: Mapping[str, Array], train: Array
) -> tuple[tuple[str, ...], Array]:
    """Names and numbers of the features, in the order of the file's columns.

    train: the rows whose categories count.
    """
    names: list[str] = []
    values: list[Array] = []
    for key, column in columns.items():
        plain = iter([(column.name, numbers[key])]) if key in numbers else None
        for name, row in plain or _flags_of_values(column, train):
            names.append(name)
            values.append(row)
    return tuple(names), np.column_stack(values) if values else np.zeros((0, 0))


def _all_numbers(
    spec: TableSpec, columns: Mapping[str, Column], told: dict[str, str]
) -> dict[str, Array]:
    """The values of columns that are all numbers. Raises: TransactionsError: names all others."""
    decimal = spec.decimal or _decimal(list(columns.values()))
    if decimal == "comma":
        told["decimals"] = "with a comma"
    numbers, others, blanks = {}, [], []
    for key, column in columns.items():
        values, is_number = _numbers(with_point(column, decimal) if decimal == "comma" else column)
        if not is_number.all():
            others.append(f"{column.name} (row {int(np.argmin(is_number)) + 1})")
            continue
        column.refuse(np.abs(values) > LARGEST, f"beyond {LARGEST:g}, which the service refuses")
        missing = np.isnan(values)
        if missing.any():
            blanks.append(f"{column.name} ({int(missing.sum()):,})")
        numbers[key] = values if spec.blank is None else np.where(missing, spec.blank, values)
    if others:
        raise TransactionsError(
            f"{spec.file.name}: no numbers in {', '.join(others)}; --categories NAME,... takes"
            " columns of few values, and --leave-out NAME,... leaves others out"
        )
    if blanks and spec.blank is None:
        raise TransactionsError(
            f"{spec.file.name}: blank cells in {', '.join(blanks)}; --blank 0, or another number,"
            " stands for them, and callers send it too"
        )
    if blanks:
        told["blank"] = f"{spec.blank:g} stands for blank cells, in {', '.join(blanks)}"
    return numbers


def _decimal(columns: Sequence[Column]) -> Decimal:
    """How the file writes decimals: as any column shows it surely."""
    found = {column.name: decimal_of(column) for column in columns}
    if "comma" in found.values():
        return "comma"
    for column in columns:
        if found[column.name] is None:
            raise unsure(column)
    return "point"


def _numbers(column: Column) -> tuple[Array, Array]:
    """The values, NaN where a cell is blank, and which cells are numbers or blank."""
    values, kind = column.values, column.values.type
    if pa.types.is_large_string(kind):
        texts = pc.utf8_trim_whitespace(values)
        lowered = pc.utf8_lower(texts)
        blank = flags_of(pc.fill_null(pc.is_in(lowered, _BLANK), True)) | flags_of(values.is_null())
        shaped = flags_of(pc.fill_null(pc.match_substring_regex(texts, NUMBER), False))
        read = pd.to_numeric(texts.to_pandas(), errors="coerce").to_numpy(float)
        return np.where(shaped, read, np.nan), shaped | blank
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.full(len(values), np.nan), np.full(len(values), pa.types.is_null(kind))
    read = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return read, ~np.isinf(read)


def _flags_of_values(column: Column, train: Array) -> Iterator[tuple[str, Array]]:
    """For each value of a column of categories, which rows have it."""
    texts = pc.fill_null(column.values.cast(pa.large_string()), "").to_pandas().str.strip()
    texts = texts.where(texts != "", "blank").to_numpy()
    values = sorted(set(texts[train]))
    if len(values) > MOST_VALUES:
        raise TransactionsError(
            f"{column.file}, column {column.name}: {len(values):,} values are too many for"
            f" categories, of which there may be {MOST_VALUES}; --leave-out {column.name}"
        )
    for value in values:
        yield f"{column.name}={value}", (texts == value).astype(np.float64)

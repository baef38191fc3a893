"""Columns of a file, each read by the rule of its field, many values at once.

The rules stand in `fields`. Here plain values pass in one go, and each other one is asked there.
Errors name the file, the column, and the first row at fault (from 1, a header and blank lines not
counted), but no value: it would be a customer's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.fraud.errors import TransactionsError
from services.fraud.transactions.features import DAY_S
from services.fraud.transactions.fields import (
    CENT_NOISE,
    FALSE,
    LABEL_WANTED,
    LARGEST_AMOUNT,
    NO_ID,
    NO_IDS,
    NUMBER,
    NUMBER_WANTED,
    PLAIN_ID,
    SHORT_NUMBER,
    TRUE,
    WHOLE_FLOAT,
    as_cents,
    as_id,
    as_instant,
)

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_S = 253_402_300_799  # 9999-12-31T23:59:59Z, up to which text can be read
_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
# What pandas reads as `fields` does.
_PLAIN_TIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}:[0-5][0-9])?$"
)

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the file has it, under the name that it has there."""

    file: str
    name: str
    values: pa.Array

    def refuse(self, wrong: Flags, fault: str) -> None:
        """Raises: TransactionsError: a row is wrong; the first one is named."""
        if wrong.any():
            self._refuse_row(int(np.argmax(wrong)), fault)

    def ids(self) -> pd.Series:
        """Texts that identify something; blanks around them are the file's."""
        self._refuse_nulls()
        if not (self._is_text or pa.types.is_integer(self.values.type)):
            raise self._wrong_type("text or whole numbers")
        texts = self._texts()
        if self._is_text:
            self._refuse_spoilt(texts)
        unusual = np.flatnonzero(~flags_of(pc.match_substring_regex(texts, PLAIN_ID)))
        ids: pd.Series = texts.to_pandas().astype("str")
        if len(unusual):
            ids.iloc[unusual] = self._each(as_id, unusual, texts)
        return ids

    def _refuse_spoilt(self, texts: pa.Array) -> None:
        """Ids that tools have left out or changed: several customers would be one, or none."""
        nothing = pc.is_in(pc.utf8_lower(texts), pa.array(NO_IDS, texts.type))
        nothing = pc.or_(nothing, pc.equal(texts, NO_ID))
        self.refuse(flags_of(nothing), "a word for a blank, such as NULL or #N/A, is no id")
        self.refuse(
            flags_of(pc.match_substring_regex(texts, SHORT_NUMBER)),
            "a number shown in short, as 4.5E+15 is, has lost digits: export the column as text",
        )
        floats = flags_of(pc.match_substring_regex(texts, WHOLE_FLOAT))
        if floats.all():
            self.refuse(floats, "holds whole numbers with decimals: export them without, as sent")

    def numbers(self) -> tuple[npt.NDArray[np.float64], float]:
        """Numbers of any size, also infinite ones and NaN, and the precision that they are kept in.

        None may be missing.
        """
        self._refuse_nulls()
        kind, precision = self.values.type, float(np.finfo(np.float64).eps)
        if self._is_text:
            return self._spelled_numbers(), precision
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        ):
            raise self._wrong_type("numbers")
        if pa.types.is_floating(kind) and kind != pa.float64():
            precision = float(np.finfo(np.float32).eps)
        return self.values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), precision

    def cents(self) -> Integers:
        """Amounts that a transaction can have."""
        amounts, precision = self.numbers()
        with np.errstate(invalid="ignore", over="ignore"):
            cents = np.rint(amounts * 100)
            noise = CENT_NOISE + 4 * precision * cents
            fits = (amounts >= 0) & (amounts <= LARGEST_AMOUNT)
            fits &= np.abs(amounts * 100 - cents) <= noise
        self._each(
            lambda amount: as_cents(float(amount), precision), np.flatnonzero(~fits), amounts
        )
        whole: Integers = cents.astype(np.int64)
        return whole

    def _spelled_numbers(self) -> npt.NDArray[np.float64]:
        texts = self._texts()
        self.refuse(flags_of(pc.equal(texts, "")), "blank")
        numbers = pd.to_numeric(texts.to_pandas(), errors="coerce").to_numpy(float)
        shaped = flags_of(pc.match_substring_regex(texts, NUMBER))
        nan_or_infinite = flags_of(pc.match_substring_regex(texts, r"(?i)^[+-]?(nan|inf)"))
        self.refuse(~shaped & ~nan_or_infinite, NUMBER_WANTED)
        return np.where(shaped, numbers, np.nan)

    def microseconds(self, *, day_will_do: bool = False) -> Integers:
        """Times since 1970, UTC. day_will_do: a date alone is its midnight."""
        self._refuse_nulls()
        return self._microseconds(day_will_do=day_will_do)

    def microseconds_or(self, default: int) -> Integers:
        """The same where a day will do, and where none is given the default counts."""
        kind = self.values.type
        if pa.types.is_null(kind):
            return np.full(len(self.values), default, np.int64)
        missing = flags_of(self.values.is_null(nan_is_null=False))
        if self._is_text:
            missing |= flags_of(pc.fill_null(pc.equal(self._texts(), ""), True))
        nothing = pa.scalar("1970-01-01" if self._is_text else 0, kind)  # passes, and is not used
        values = pc.if_else(pa.array(missing), nothing, self.values)
        given = Column(self.file, self.name, values)._microseconds(day_will_do=True)
        found: Integers = np.where(missing, default, given)
        return found

    def _microseconds(self, *, day_will_do: bool) -> Integers:
        kind = self.values.type
        if self._is_text:
            return self._spelled_times(day_will_do)
        if not (pa.types.is_timestamp(kind) or (pa.types.is_date(kind) and day_will_do)):
            raise self._wrong_type("timestamps or text")
        whole = pa.int32() if pa.types.is_date32(kind) else pa.int64()  # UTC beside a zone
        given = self.values.cast(whole).to_numpy(zero_copy_only=False).astype(np.int64)
        if pa.types.is_date32(kind):
            a_second, seconds = 1, given * DAY_S
        else:
            a_second = _A_SECOND["ms" if pa.types.is_date64(kind) else kind.unit]
            seconds = given // a_second
        self.refuse(given < 0, "before 1970")
        # Before it is counted in microseconds, which would begin again at the other end.
        self.refuse(seconds > LAST_S, "after the year 9999: is it in the unit that it says?")
        parts = given % a_second * MICROSECONDS // a_second
        since: Integers = seconds * MICROSECONDS + parts
        return since

    def _spelled_times(self, day_will_do: bool) -> Integers:
        texts = self._texts()
        self.refuse(flags_of(pc.equal(texts, "")), "blank")
        times = pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=True, errors="coerce")
        since: Integers = times.dt.as_unit("us").astype(np.int64).to_numpy(copy=True)
        plain = flags_of(pc.match_substring_regex(texts, _PLAIN_TIME))
        unusual = np.flatnonzero(~plain | times.isna().to_numpy() | (since < 0))

        def microseconds(text: str) -> int:
            instant = as_instant(text, day_will_do=day_will_do)
            return (instant - _EPOCH) // timedelta(microseconds=1)

        since[unusual] = self._each(microseconds, unusual, texts)
        return since

    def flags(self) -> Flags:
        """Labels."""
        self._refuse_nulls()
        kind = self.values.type
        if pa.types.is_boolean(kind):
            return flags_of(self.values)
        if self._is_text:
            texts = pc.utf8_lower(self._texts())
            true = flags_of(pc.is_in(texts, pa.array(TRUE, texts.type)))
            false = flags_of(pc.is_in(texts, pa.array(FALSE, texts.type)))
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers = self.values.to_numpy(zero_copy_only=False)
            true, false = numbers == 1, numbers == 0
        else:
            raise self._wrong_type("true and false, or 0 and 1")
        self.refuse(~true & ~false, LABEL_WANTED)
        return true

    @property
    def _is_text(self) -> bool:
        return bool(pa.types.is_large_string(self.values.type))

    def _texts(self) -> pa.Array:
        return pc.utf8_trim_whitespace(self.values.cast(pa.large_string()))

    def _each(
        self, rule: Callable[[Any], Value], rows: npt.NDArray[np.intp], values: Any
    ) -> list[Value]:
        """What the rule makes of the values of these rows."""
        found, fault = [], ""
        for row in rows.tolist():
            value = values[row]
            try:
                found.append(rule(value.as_py() if isinstance(value, pa.Scalar) else value))
            except ValueError as error:
                fault = str(error)
            if fault:  # raised here, so that no traceback holds the value
                self._refuse_row(row, fault)
        return found

    def _refuse_row(self, row: int, fault: str) -> NoReturn:
        raise TransactionsError(f"{self.file}, column {self.name}, row {row + 1}: {fault}")

    def _refuse_nulls(self) -> None:
        self.refuse(flags_of(self.values.is_null(nan_is_null=False)), "blank")

    def _wrong_type(self, wanted: str) -> TransactionsError:
        return TransactionsError(
            f"{self.file}, column {self.name}: holds {self.values.type}, not {wanted}"
        )


def flags_of(values: Any) -> Flags:
    """An Arrow array of truths."""
    flags: Flags = values.to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags

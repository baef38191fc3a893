"""Options of the flows that read files of transactions: how a file writes what is in it.

Given none of them, a file is read as it shows by itself, and that is told; see `foreign`.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from tasks.orchestration.parameters import Day

if TYPE_CHECKING:  # `--help` needs no Arrow
    from services.fraud.transactions.foreign import Reading

_OPTIONS = ("columns", "time_start", "delimiter", "decimal_mark", "decimals", "refunds")


def _checked_mapping(text: str) -> str:
    """A mapping of columns as it is written. Raises: ValueError: it is none."""
    from services.fraud.transactions.mapping import ColumnMapping

    return str(ColumnMapping.parse(text))


def _checked_delimiter(text: str) -> str:
    """A delimiter, also by its name. Raises: ValueError: none that is read."""
    from services.fraud.transactions.csv_file import DELIMITERS

    mark = DELIMITERS.get(text, text)
    if mark not in DELIMITERS.values():
        raise ValueError(f"give one of {', '.join(DELIMITERS)}, or the character")
    return mark


Columns = Annotated[
    Annotated[str, AfterValidator(_checked_mapping)] | None,
    Field(
        description="how the file calls them, such as"
        " customer_id=nameOrig,terminal_id=nameDest,time=step:hours; units of a time: seconds,"
        " minutes, hours, days (since a start), epoch, epoch_ms, date"
    ),
]
TimeStart = Annotated[
    Day | None,
    Field(
        description="day from which times are counted that have no date; by default such that the"
        " last lies on the day before the run's"
    ),
]
Delimiter = Annotated[
    Annotated[str, AfterValidator(_checked_delimiter)] | None,
    Field(
        description="of a CSV file: , ; | or tab; by default the one with which all columns are"
        " found that are needed"
    ),
]
DecimalMark = Annotated[
    Literal["point", "comma"] | None,
    Field(description="of a CSV file; by default as the numbers show"),
]
Decimals = Annotated[
    int,
    Field(ge=0, le=4, description="of the currency; more than two are rounded to hundredths"),
]
Refunds = Annotated[
    Literal["refuse", "drop"],
    Field(description="negative amounts: drop leaves these rows out"),
]


def require_file(params: BaseModel, name: str) -> None:
    """Raises: ValueError: options say how a file is read, and none is given.

    name: of the field with the file.
    """
    fields = type(params).model_fields
    given = [option for option in _OPTIONS if getattr(params, option) != fields[option].default]
    if given and getattr(params, name) is None:
        raise ValueError(f"{', '.join(given)}: only with {name}")


def reading_of(params: Any, run_date: date) -> Reading:
    """What a flow's parameters say of its file.

    params: with the fields columns, time_start, delimiter, decimal_mark, decimals and refunds.
    """
    from services.fraud.transactions.foreign import Reading
    from services.fraud.transactions.mapping import ColumnMapping

    return Reading(
        columns=ColumnMapping.parse(params.columns) if params.columns else None,
        delimiter=params.delimiter,
        decimal=params.decimal_mark,
        decimals=params.decimals,
        refunds=params.refunds,
        time_start=params.time_start,
        run_date=run_date,
    )

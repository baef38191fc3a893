"""Numbers written with a decimal comma: told from others, and brought into the form that is read.

"4,97" can be nothing else. "1,234" may be a thousand as well: where no other cell tells, somebody
has to say which it is. So may "1.250" in a file whose cells no commas separate, as where decimals
have one.
"""

from dataclasses import replace
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import Column, flags_of

Decimal = Literal["point", "comma"]

_COMMA = r"^\s*[+-]?[0-9]+,[0-9]+([eE][+-]?[0-9]+)?\s*$"
_THREE_DIGITS = r"^\s*[+-]?[1-9][0-9]{0,2}[.][0-9]{3}\s*$"
_NO_THOUSANDS = r"^\s*[+-]?(0|[0-9]{4,}),|,([0-9]{1,2}|[0-9]{4,})\s*$"


def decimal_of(column: Column) -> Decimal | None:
    """How the column writes decimals; None: with commas that may stand for thousands."""
    if not pa.types.is_large_string(column.values.type):
        return "point"
    texts = pc.drop_null(column.values)
    with_comma = texts.filter(pc.match_substring(texts, ","))
    if not len(with_comma) or not flags_of(pc.match_substring_regex(with_comma, _COMMA)).all():
        return "point"  # and a cell that is no number is told later
    sure = flags_of(pc.match_substring_regex(with_comma, _NO_THOUSANDS)).any()
    return "comma" if sure else None


def may_be_thousands(column: Column) -> bool:
    """Whether the points of a column may stand for thousands: all have three digits behind them."""
    if not pa.types.is_large_string(column.values.type):
        return False
    texts = pc.drop_null(column.values)
    with_point = texts.filter(pc.match_substring(texts, "."))
    return len(with_point) > 0 and bool(
        flags_of(pc.match_substring_regex(with_point, _THREE_DIGITS)).all()
    )


def with_point(column: Column, decimal: Decimal) -> Column:
    """The column with its decimals as they are read everywhere.

    Raises: TransactionsError: a cell has a point where others have a decimal comma.
    """
    if decimal == "point" or not pa.types.is_large_string(column.values.type):
        return column
    point = flags_of(pc.fill_null(pc.match_substring(column.values, "."), False))
    column.refuse(point, "has a point, where decimals have a comma")
    return replace(column, values=pc.replace_substring(column.values, ",", "."))


def unsure(column: Column, mark: Decimal = "comma") -> TransactionsError:
    """That nobody knows what the commas, or the points, of a column stand for."""
    return TransactionsError(
        f"{column.file}, column {column.name}: {mark}s may stand for decimals or for thousands;"
        f" --decimal-mark {mark} says that they are decimals"
    )

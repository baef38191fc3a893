"""Review ids by value: one number is one id, whatever tool or format wrote it.

- Whole floats and decimals are whole numbers: 5, 5.0, Decimal("5.00") and the texts "5.0", "5."
  and "5e+00" are all "5".
- Any other text is an id of its own: "007", "1.10" and "1e3" stay what they are; a UUID is in
  lower case. What is not seen round it, as a byte-order mark within a file, is no part of it.
- A float whose digits may be lost is no id: it would stand for several reviews. These are whole
  floats that the format cannot tell from their neighbours, and short forms of long numbers.
"""

import math
import re
from decimal import Decimal
from numbers import Number

from tasks.sentiment.reading.blank import is_blank
from tasks.sentiment.reading.raw_rows import NarrowFloat

MAX_ID_CHARACTERS = 500  # an index entry of PostgreSQL holds 2,704 bytes

BLANK_ID = "blank id"
WRONG_ID = "id is not a string or number"
LONG_ID = f"id longer than {MAX_ID_CHARACTERS} characters"
INEXACT_ID = "id is a float that may have lost digits (2^53 or more, or shown in short)"

_INEXACT_FROM = 2**53  # of two whole numbers side by side from here on, a float knows only one
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)\.0*|-0")
# As C, Python, R and spreadsheets write floats, and as Java and Spark do. Without sign and point
# it may as well be a digest: 1e3.
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.([0-9]+))?([eE])\+([0-9]{1,3})|-?[0-9]\.[0-9]+E[0-9]{1,3}")
_SHORT_DECIMALS = 5  # %g and spreadsheets show six digits of a number
_SPREADSHEET_EXPONENT = 11  # from twelve digits on, spreadsheets show whole numbers in short
_UNSEEN_AROUND = re.compile(r"[\s\ufeff\u200b\u2060]+\Z|\A[\s\ufeff\u200b\u2060]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def identify(value: object, *, keep_null_words: bool = False) -> tuple[str | None, str | None]:
    """The id that a cell holds, or the reason why it is none.

    Args: keep_null_words: whether a word such as NULL is an id like any other.
    """
    if isinstance(value, str):
        text = value.strip() if value.isascii() else _UNSEEN_AROUND.sub("", value)
        return _identify_text(text, keep_null_words)
    if value is None:
        return None, BLANK_ID
    if isinstance(value, Decimal):
        return _identify_decimal(value)
    if isinstance(value, float):
        return _identify_float(value)
    if isinstance(value, Number) or type(value).__name__ == "UUID":
        return _check_length(str(value))
    return None, WRONG_ID


def _identify_text(text: str, keep_null_words: bool) -> tuple[str | None, str | None]:
    if not text or is_blank(text, keep_null_words=keep_null_words):
        return None, BLANK_ID
    if text.isalnum() or len(text) > MAX_ID_CHARACTERS:
        return _check_length(text)
    if _WHOLE.fullmatch(text):
        exact = Decimal(text)
        from_float = abs(exact) >= _INEXACT_FROM and repr(float(text)) == text
        return (None, INEXACT_ID) if from_float else _identify_decimal(exact)
    if found := _SCIENTIFIC.fullmatch(text):
        return _identify_scientific(text, *found.groups())
    return (text.lower() if _UUID.fullmatch(text) else text), None


def _identify_scientific(
    text: str, decimals: str | None, letter: str | None, exponent: str | None
) -> tuple[str | None, str | None]:
    """Args: the parts of the form with a sign; None of the form without, which hides nothing."""
    value = Decimal(text)
    if value != value.to_integral_value():
        return text, None
    shown, needed = len(decimals or ""), int(exponent or 0)
    in_short = shown < needed and (
        shown >= _SHORT_DECIMALS or (letter == "E" and needed >= _SPREADSHEET_EXPONENT)
    )
    if in_short or abs(value) >= _INEXACT_FROM:
        return None, INEXACT_ID
    return _identify_decimal(value)


def _identify_decimal(value: Decimal) -> tuple[str | None, str | None]:
    if value.is_nan():
        return None, BLANK_ID
    if value.is_infinite():
        return None, WRONG_ID
    if value and value.adjusted() >= MAX_ID_CHARACTERS:
        return None, LONG_ID
    whole = int(value)
    return _check_length(str(whole if whole == value else value))


def _identify_float(value: float) -> tuple[str | None, str | None]:
    if math.isnan(value):  # how some readers say missing
        return None, BLANK_ID
    if math.isinf(value):
        return None, WRONG_ID
    exact_below = value.exact_below if isinstance(value, NarrowFloat) else _INEXACT_FROM
    if abs(value) >= exact_below:
        return None, INEXACT_ID
    return _check_length(str(int(value) if value.is_integer() else value))


def _check_length(text: str) -> tuple[str | None, str | None]:
    return (None, LONG_ID) if len(text) > MAX_ID_CHARACTERS else (text, None)

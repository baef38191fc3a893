"""What an id, an amount, a time and a label are: one rule each, wherever they come from.

The HTTP schema, the files of transactions and the files of labels ask here, so that training
takes nothing that the service would refuse. What is wrong is said in words, and without the value.

- Id: text of 1 to 64 characters, without blanks at its ends, control characters and invisible
  ones. Letters that can be written in two ways count as one (Unicode's NFC).
- Amount: 0 to 1,000,000,000 with at most two decimals. Refunds stay out: they are no transactions
  that could be fraud.
- Time: a date with a time of day, since 1970; UTC unless it says otherwise. A date alone is
  refused, for the windows need an instant, and a bare number, for nobody knows its unit.
- Label: true, false, 1 or 0, also as text in any case. When it became known may be a day.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

LONGEST_ID = 64  # characters
LARGEST_AMOUNT = 1e9
AHEAD = timedelta(hours=1)  # by which a till's clock may be fast
LABEL_AHEAD = timedelta(days=1)  # by which a day of another time zone may be ahead
CENT_NOISE = 1e-4  # cents; sums and products of amounts are off by less, up to the largest
TIME_WANTED = "not a date and time in ISO 8601, such as 2026-11-22T09:30:00Z"
NUMBER_WANTED = "not a number such as 12.34"
LABEL_WANTED = "not 0, 1, true or false"
# For vectors as well: what these match is taken (ids) or has the right form (numbers).
PLAIN_ID = rf"^[!-~]{{1,{LONGEST_ID}}}$"
NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$"
# In files, where tools have been at work: what stands for no id, in lower case; a long number shown
# in short, as spreadsheets do; and a whole number that a data frame has turned into a float.
NO_IDS = (
    *("nan", "none", "null", "nil", "nat", "undefined", "<na>", "<null>", "(null)", "n/a"),
    *("#n/a", "#na", "#nv", "#name?", "#ref!", "#value!", "#div/0!", "#null!", "#num!"),
)
NO_ID = "NA"  # in capitals alone, as R and pandas write it
SHORT_NUMBER = r"^-?[0-9]([.][0-9]+)?[eE][+][0-9]{1,3}$|^-?[0-9][.][0-9]+E[0-9]{1,3}$"
WHOLE_FLOAT = r"^-?[0-9]+[.]0+$"
TRUE, FALSE = ("1", "1.0", "true"), ("0", "0.0", "false")

_PLAIN_ID = re.compile(PLAIN_ID)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})  # of Unicode's categories
# Characters of other categories that leave no mark: Unicode's Default_Ignorable_Code_Point, and
# a Braille cell without dots.
_MARKLESS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt _][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    r"([Zz]|[+-][0-9]{2}(:?[0-5][0-9])?)?"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def as_id(text: str) -> str:
    """An id in its one form.

    Raises: ValueError: it is none.
    """
    if _PLAIN_ID.fullmatch(text):  # "$" alone would let a new line follow
        return text
    composed = unicodedata.normalize("NFC", text)
    if not composed.strip():
        raise ValueError("blank")
    if len(composed) > LONGEST_ID:
        raise ValueError(f"longer than {LONGEST_ID} characters")
    if composed != composed.strip():
        raise ValueError("begins or ends with a blank")
    categories = {unicodedata.category(character) for character in composed}
    if categories & _INVISIBLE or _MARKLESS.search(composed):
        raise ValueError("has a control character or an invisible one")
    return composed


def as_cents(amount: float, precision: float = 0.0) -> int:
    """An amount in whole cents.

    precision: relative, of the numbers that the amount was kept in, where that is coarse.

    Raises: ValueError: no transaction has such an amount.
    """
    if not abs(amount) < float("inf"):
        raise ValueError("not a finite number")
    if amount < 0:
        raise ValueError("negative: leave refunds and reversals out")
    if amount > LARGEST_AMOUNT:
        raise ValueError(f"more than {LARGEST_AMOUNT:,.0f}")
    cents = round(amount * 100)
    if abs(amount * 100 - cents) > CENT_NOISE + 4 * precision * cents:
        raise ValueError("more than two decimals")
    return cents


def as_instant(text: str, *, day_will_do: bool = False) -> datetime:
    """An aware time, in UTC. day_will_do: a date alone is its midnight.

    Raises: ValueError: it is none, or none that says so clearly.
    """
    if not _TIME.fullmatch(text) and not (day_will_do and _DAY.fullmatch(text)):
        raise ValueError(TIME_WANTED)
    try:
        time = datetime.fromisoformat(f"{text[:10]}T{text[11:].upper()}" if text[10:] else text)
        utc = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the 31st of June; the last hours of the year 9999
        raise ValueError(TIME_WANTED) from None
    if utc.year < 1970:
        raise ValueError("before 1970")
    return utc


def as_label(value: object) -> bool:
    """Whether it is fraud.

    Raises: ValueError: it does not say.
    """
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    spelled = value.strip().lower() if isinstance(value, str) else ""
    if spelled in TRUE or spelled in FALSE:
        return spelled in TRUE
    raise ValueError(LABEL_WANTED)

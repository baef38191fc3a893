"""Checked reviews: every raw row becomes a review that can be scored, or a rejected row.

A review has text that is not blank once cleaned, is Unicode without NUL, and fits; so do its id
and the columns it carries; and its id, which compares by value, is its own. Reasons are few and
fixed, so that rejected rows can be counted by reason; what is particular to a row stands in its
excerpt.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.sentiment.reading.blank import is_blank
from tasks.sentiment.reading.raw_rows import RawRow, beginning
from tasks.sentiment.reading.review_id import identify
from tasks.sentiment.reading.seen_ids import SeenIds
from tasks.sentiment.text import clean, clean_for_id, text_digest

MAX_TEXT_CHARACTERS = 1_000_000
DIGEST_CHARACTERS = 24

BLANK_TEXT = "blank text"
NOT_A_STRING = "text is not a string"
WRONG_ENCODING = "not valid UTF-8"
NUL_BYTE = "NUL byte"
LONG_TEXT = f"text longer than {MAX_TEXT_CHARACTERS:,} characters"
# A text that was cut in the middle of an emoji ends in half of it, which JSON can write. A byte
# that is no UTF-8 stands for something that is not known.
_HALF, _BYTE = re.compile("[\ud800-\udfff]"), re.compile("[\udc80-\udcff]")
DUPLICATE_ID = "duplicate id"
UNKNOWN_TEXT = "no word that the model knows"
LONG_CARRIED = f"carried value longer than {MAX_TEXT_CHARACTERS:,} characters"


@dataclass(frozen=True, slots=True)
class Review:
    """A row that can be scored.

    Attributes:
        text: cleaned.
        text_digest: sha256 of `text`, hexadecimal.
        carried: values of the carried columns, in the order they were asked for.
        is_known: the model knows a word of the text.
    """

    row_number: int
    file: str
    review_id: str
    text: str
    text_digest: str
    carried: tuple[object, ...]
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be scored.

    Attributes:
        review_id: as far as there is one, fit to be stored.
        excerpt: at most 200 printable characters of what was found.
    """

    row_number: int
    file: str
    review_id: str | None
    reason: str
    excerpt: str


class ReviewChecker:
    """The checks of one source, to be given all its rows in their order."""

    def __init__(
        self,
        seen: SeenIds,
        *,
        text_column: str,
        id_column: str | None = None,
        carry: Sequence[str] = (),
        keep_null_words: bool = False,
        knows: Callable[[str], bool] = lambda _: True,
        reject_unknown: bool = False,
    ) -> None:
        """Args:
        seen: what the checks remember between rows; to be entered before the first row.
        id_column: without one a review is known by its text, as `clean_for_id` leaves it, and
            occurrence number.
        keep_null_words: whether NULL, N/A and the like are texts and ids like any other.
        knows: whether the model knows a word of a text.
        reject_unknown: reject texts of which it knows none.
        """
        self._seen = seen
        self._text_column = text_column
        self._id_column = id_column
        self._carry = tuple(carry)
        self._keep_null_words = keep_null_words
        self._knows, self._reject_unknown = knows, reject_unknown

    @property
    def columns(self) -> list[str]:
        """The columns that rows must have."""
        named = [self._text_column, *([self._id_column] if self._id_column else []), *self._carry]
        return list(dict.fromkeys(named))

    @property
    def optional(self) -> list[str]:
        """Those of the columns that a file may lack: the carried ones."""
        strict = (self._text_column, self._id_column)
        return [name for name in dict.fromkeys(self._carry) if name not in strict]

    def check(self, row: RawRow) -> Review | Rejected:
        """Decide about one row. An id counts as taken once a review has it."""
        values = row.values
        if values is None:
            reason = row.fault or "unreadable"
            return Rejected(row.row_number, row.file, None, reason, beginning(row.excerpt))
        raw_text = values[self._text_column]
        carried = tuple([values[name] for name in self._carry])
        review_id, fault = None, _fault_of_text(raw_text)
        if fault == WRONG_ENCODING and isinstance(raw_text, str) and not _BYTE.search(raw_text):
            raw_text, fault = _HALF.sub("\ufffd", raw_text), None
        if fault is None and self._id_column is not None:
            review_id, fault = self._identify(values[self._id_column])
        fault = fault or (_fault_of_carried(carried) if carried else None)
        if fault is not None or not isinstance(raw_text, str):
            return self._reject(row, values, fault or NOT_A_STRING)
        text = clean(raw_text)
        if is_blank(text, keep_null_words=self._keep_null_words):
            return self._reject(row, values, BLANK_TEXT)
        is_known = self._knows(text)
        if self._reject_unknown and not is_known:
            return self._reject(row, values, UNKNOWN_TEXT)
        digest = text_digest(text)
        if review_id is None:
            identity = self._identity(raw_text, text)
            review_id = f"{identity[:DIGEST_CHARACTERS]}-{self._seen.count(identity)}"
        elif first := self._seen.claim(review_id, row.file, row.row_number):
            file, row_number = first
            where = f"row {row_number}" if file == row.file else f"row {row_number} of {file}"
            return self._reject(row, values, DUPLICATE_ID, f"first seen in {where}: ")
        else:
            review_id = self._seen.spelling(review_id)
        return Review(row.row_number, row.file, review_id, text, digest, carried, is_known)

    def _identify(self, cell: object) -> tuple[str | None, str | None]:
        """The id in a cell, or why it is none."""
        review_id, fault = identify(cell, keep_null_words=self._keep_null_words)
        if review_id is not None:
            fault = _fault_of_characters(review_id)
        return review_id, fault

    def _identity(self, raw_text: str, text: str) -> str:
        """The digest that a review without an id is known by, in homes of earlier versions too.

        A text of which the rule for ids leaves nothing had no review before: it is known by what
        is scored.
        """
        kept = clean_for_id(raw_text)
        if kept == text or is_blank(kept, keep_null_words=self._keep_null_words):
            return text_digest(text)
        return text_digest(kept)

    def _reject(
        self, row: RawRow, values: Mapping[str, object], reason: str, remark: str = ""
    ) -> Rejected:
        text = values[self._text_column]
        cell = values[self._id_column] if self._id_column else None
        known, _ = identify(cell, keep_null_words=self._keep_null_words)
        review_id = beginning(_start(cell if known is None else self._seen.spelling(known))) or None
        excerpt = beginning(remark + _start(text))
        return Rejected(row.row_number, row.file, review_id, reason, excerpt)


def _start(value: object) -> str:
    if value is None:
        return ""
    return value[:1000] if isinstance(value, str) else str(value)[:1000]


def _fault_of_text(text: object) -> str | None:
    if text is None or text != text:  # NaN is how data frames write a missing text as JSON
        return BLANK_TEXT
    if not isinstance(text, str):
        return NOT_A_STRING
    if len(text) > MAX_TEXT_CHARACTERS:
        return LONG_TEXT
    return _fault_of_characters(text)


def _fault_of_carried(values: Iterable[object]) -> str | None:
    for value in values:
        fault = None
        if isinstance(value, str):
            fault = LONG_CARRIED if len(value) > MAX_TEXT_CHARACTERS else None
            fault = fault or _fault_of_characters(value)
        elif isinstance(value, Mapping):
            fault = _fault_of_carried([*value.keys(), *value.values()])
        elif isinstance(value, list | tuple):
            fault = _fault_of_carried(value)
        if fault:
            return fault
    return None


def _fault_of_characters(text: str) -> str | None:
    if "\0" in text:
        return NUL_BYTE
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return WRONG_ENCODING
    return None

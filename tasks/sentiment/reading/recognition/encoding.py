"""Whether the bytes of texts speak for another encoding than the one they are read in."""

import codecs
import re

from services.reporting.figures import counted

_ASIDE = re.compile(r"[^\W\d_a-zA-Z]{3}")  # three letters beyond ASCII in a row: no Western word
_NO_TEXT = re.compile(r"[\x80-\x9f¤¦©¬¯±¶¸¹²³¼½¾×÷þðÞÐ]")  # rare in Western texts

_NO_STRAY = 2  # texts: one among valid ones is a damaged one, and says nothing about the others


class EncodingTally:
    """Counts texts by what their bytes say, as far as they are not plain ASCII."""

    def __init__(self, encoding: str) -> None:
        """Args: encoding: that text is read in, where no byte-order mark names another one."""
        self._encoding = encoding
        self._is_unicode = _is_unicode(encoding)
        self._utf8 = self._western = self._garbled = 0

    def add(self, text: object, *, is_valid: bool) -> None:
        """Count a text that was read, or one whose bytes are not valid in the encoding."""
        if not isinstance(text, str) or text.isascii():
            return
        if not is_valid:
            self._western += is_western(text)
        elif not self._is_unicode and _is_garbled(text, self._encoding):
            self._garbled += 1
        else:
            self._utf8 += 1

    @property
    def hint(self) -> str:
        """What to do about it, in a sentence; "" where nothing speaks for another encoding."""
        if self._garbled:
            return (
                f"in {counted(self._garbled, 'text')} é became Ã©, as UTF-8 does that is read as"
                f" {self._encoding}: leave --encoding {self._encoding} away"
            )
        found = f"the bytes of {counted(self._western, 'rejected text')} are those of cp1252"
        if self._utf8 < self._western:
            return f"{found}: --encoding cp1252 reads them"
        if self._western < _NO_STRAY:
            return ""
        return (
            f"{found}, beside {counted(self._utf8, 'text')} in UTF-8: whatever wrote the file mixed"
            " the two"
        )


def is_western(text: str) -> bool:
    """Whether bytes that are no UTF-8, each a lone surrogate of `text`, look like cp1252."""
    try:
        found = text.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError:
        return False
    seen = "".join(found.split())
    beyond = sum(not character.isascii() for character in seen)
    return 2 * beyond <= len(seen) and not _ASIDE.search(found) and not _NO_TEXT.search(found)


def _is_unicode(encoding: str) -> bool:
    """Whether it is UTF-8, UTF-16 or another of them, however its name is spelled."""
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False


def _is_garbled(text: str, encoding: str) -> bool:
    """Whether a text in a one-byte encoding is one in UTF-8: by chance that is next to never so.
    An encoding that does not exist was not used: only texts are read in one."""
    try:
        text.encode(encoding).decode("utf-8")
    except (UnicodeError, LookupError):
        return False
    return True

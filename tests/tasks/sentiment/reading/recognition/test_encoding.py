"""Encodings: what bytes say that are not valid where they are read."""

import pytest

from tasks.sentiment.reading.recognition.encoding import EncodingTally, is_western


def escaped(text: str, encoding: str) -> str:
    return text.encode(encoding).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "text", ["It’s “fine” – €5", "Größe passt, schön", "très déçu, ça n’a rien à voir", "niño…"]
)
def test_western_texts_are_told_by_their_bytes(text):
    """As spreadsheets on Windows write them."""
    assert is_western(escaped(text, "cp1252"))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Очень хороший товар", "cp1251"), ("非常好的产品", "gbk"), ("とても良い", "shift-jis")],
)
def test_other_scripts_are_not_taken_for_western(text, encoding):
    """Reading them as cp1252 would give letters and no words."""
    assert not is_western(escaped(text, encoding))


def test_hint_follows_what_most_texts_are():
    """One encoding for the file where all say so; none where UTF-8 is mixed in."""
    tally = EncodingTally("utf-8")
    tally.add("plain", is_valid=True)
    assert tally.hint == ""

    tally.add(escaped("café", "cp1252"), is_valid=False)
    assert tally.hint.endswith("1 rejected text are those of cp1252: --encoding cp1252 reads them")
    for _ in range(3):
        tally.add("café", is_valid=True)
    assert tally.hint == ""  # one is a stray
    tally.add(escaped("niño", "cp1252"), is_valid=False)
    assert tally.hint == (
        "the bytes of 2 rejected texts are those of cp1252, beside 3 texts in UTF-8: whatever wrote"
        " the file mixed the two"
    )


def test_utf_8_that_is_read_as_cp1252_is_told():
    """Every byte is valid there, so that nothing else would say it."""
    tally = EncodingTally("cp1252")
    tally.add("schön", is_valid=True)
    assert tally.hint == ""

    tally.add("it’s".encode().decode("cp1252"), is_valid=True)
    assert tally.hint.startswith("in 1 text é became Ã©, as UTF-8 does that is read as cp1252")
    assert "leave --encoding cp1252 away" in tally.hint


@pytest.mark.parametrize(
    "name", ["UTF-8", "utf8", "utf-8-sig", "utf-16-le", "U8", "no-such", "hex"]
)
def test_no_other_encoding_is_advised_where_text_is_read_in_one_of_unicode(name):
    """However its name is spelled; one that does not exist was not used."""
    tally = EncodingTally(name)
    tally.add("schön", is_valid=True)

    assert tally.hint == ""

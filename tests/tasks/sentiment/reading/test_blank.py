"""Blank texts: nothing to be seen, or a word for "missing"."""

import pytest

from tasks.sentiment.reading.blank import is_blank
from tasks.sentiment.reading.reviews import Rejected, Review
from tests.tasks.sentiment.reading.test_reviews import check

NULL_WORDS = [
    *("nan", "NaN", "-nan", "NULL", "null", "Null", "None", "none", "NA", "N/A", "n/a", "#N/A"),
    *("#N/A N/A", "(null)", "\\N", "nil", "undefined", "NaT", "1.#QNAN", "-1.#IND"),
    *("-", "--", "\u2013", "\u2014", "_", "."),
    *("#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#ERROR!"),
]
INVISIBLE = [
    *("\u200b\u200b", "\ufeff", "\xa0", "\xad", "\x01\x1f\x7f", "\x85", "\u2060\u200d"),
    *("\ufe0f", "\U000e0101", "\u202a\u202c", "\u2066\u2069", "\u061c", "\u3164", "\u115f\u1160"),
    *("\uffa0", "\u2800", "\u034f", "\u180e", "\U000e0067\U000e007f", "\u3000 \u2003", "\u2028"),
    *("\ufffc", "&nbsp;", "&#8203;&zwnj;", "&amp;nbsp;&shy;", "<br>\u200b<br/>", "&#xFEFF;"),
    "\u3164" * 100,
]


@pytest.mark.parametrize("text", [*NULL_WORDS, *INVISIBLE], ids=ascii)
def test_what_says_nothing_is_rejected_as_blank(text):
    """Neither is an opinion; the excerpt shows what was found."""
    (found,) = check({"text": text})

    assert isinstance(found, Rejected)
    assert found.reason == "blank text"


@pytest.mark.parametrize("text", [" N/A ", "&nbsp;null<br>", "\ufeffnan\u200b", "n\u200ba\xadn"])
def test_word_is_found_among_space_marks_and_invisible_characters(text):
    """What counts is what a reader sees."""
    assert isinstance(check({"text": text})[0], Rejected)


@pytest.mark.parametrize(
    "text",
    [
        *("None of it worked", "Nan is my grandma", "NA bin ich froh", "null points", "N/A for me"),
        *("na", "Na", "ok", "5", "...", "?", "!!!", "\U0001f44e", "\u2764\ufe0f", "\U0001f1f3"),
        *("no", "no comment", "\u0e14\u0e35", "su\u200bper", "-1", "#FAIL!", "-.-", "\u2063!"),
    ],
    ids=ascii,
)
def test_text_of_real_words_or_signs_stays(text):
    """Only the whole text counts, and its text is left as it is."""
    (found,) = check({"text": text})

    assert isinstance(found, Review)
    assert found.text == text


@pytest.mark.parametrize("text", NULL_WORDS)
def test_word_stays_for_whoever_means_it_literally(text):
    """The switch lets every word through."""
    (found,) = check({"text": text}, keep_null_words=True)

    assert isinstance(found, Review)
    assert found.text == text


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_switch_lets_no_invisible_text_through(text):
    """Nobody means what nobody sees."""
    assert isinstance(check({"text": text}, keep_null_words=True)[0], Rejected)


def test_long_invisible_text_and_long_words_are_decided_alike():
    """Length hides nothing."""
    assert is_blank("\u200b" * 100_000)
    assert is_blank("\u2014" * 60)
    assert not is_blank("x" * 1_000_000)

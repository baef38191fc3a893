"""Review text as the model gets it."""

import pytest

from tasks.sentiment.text import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (r"It is blue.\n\nHorrible", "It is blue. Horrible"),
        (r"It is blue.\r\n\r\nhorrible", "It is blue. horrible"),
        (r"It is blue.\nhorrible", "It is blue. horrible"),
        (r"\tGood\nBroke at once\n", "Good Broke at once"),
        (r"Good\n2 stars less", "Good 2 stars less"),
    ],
)
def test_line_ends_that_are_written_out_are_white_space(text, cleaned):
    """Else the word behind one begins with n, and the model does not know it."""
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        r"It says C:\new is full",
        r"C:\Test\reports\notes",
        r"C:\nRoot",
        r"\\nas\reviews",
        r"a \nabla b",
        r"either\or",
        r"\Nice",
    ],
)
def test_backslash_of_a_path_or_a_formula_stays(text):
    """It is no white space, and what is behind it is a word of its own."""
    assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "<not> good",
        "<Great product I love it>",
        "Battery <average and screen> average",
        "<a great product> at last",
        "Write to <me@x.com>",
        "&lt;zero stars&gt;",
        "stars < 3 and price > 5",
        "I <3 it",
    ],
)
def test_words_in_angle_brackets_are_text(text):
    """Only names of HTML elements make a tag: a lost `not` would turn an opinion round."""
    assert clean(text) == text.replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize(
    "text",
    [
        "Good<br>value",
        "Good<BR />value",
        "<p class='a'>Good</p>value",
        '<a href="https://x.example/?a=b" rel=nofollow>Good</a> value',
        "<o:p>Good</o:p> value",
        "Good <!-- not --> value",
        "&lt;b&gt;Good&lt;/b&gt; value",
    ],
)
def test_tags_and_comments_are_spaces(text):
    """Whether with attributes, closing, or escaped once."""
    assert clean(text) == "Good value"

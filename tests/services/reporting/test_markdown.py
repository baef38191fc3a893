"""Promises of the text from outside in Markdown."""

import pytest

from services.reporting.markdown import escape, format_table

HOSTILE = "a | b\nc `d` [link](javascript:alert(1)) <b>x</b> [red]y[/red] ![i](http://evil.example)"


def test_markdown_escapes_what_would_be_markup():
    """Pipes, lines, code, links, tags and bare addresses stay text."""
    escaped = escape(HOSTILE)
    assert "\n" not in escaped
    assert "\\|" in escaped
    assert "\\[link\\]\\(" in escaped
    assert "<" not in escaped
    assert "://" not in escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://evil.example", "http&#58;//evil.example"),
        ("www.evil.example", "www&#46;evil.example"),
        ("WWW.evil.example", "WWW&#46;evil.example"),
        ("someone@evil.example", "someone&#64;evil.example"),
        ("&#58;", "&amp;\\#58;"),
        ("- one", "\\- one"),
        ("a\u202eb\x1b[31m", "a b \\[31m"),
        ("two  \t\r\n words", "two words"),
    ],
)
def test_text_becomes_neither_links_nor_lists_nor_colours(text, shown):
    """In a form that each renderer shows as it was."""
    assert escape(text) == shown


def test_long_text_ends_where_it_was_told():
    """Before it is escaped, so that no entity is cut."""
    assert escape("<" * 10, 5) == "&lt;" * 4 + "…"


def test_table_has_a_line_for_each_row():
    """And one below its head."""
    assert format_table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"

"""Promises of every page."""

from services.reporting.page import render

TEMPLATE = """{% extends "page.html" %}
{% block title %}{{ name }}{% endblock %}
{% block main %}<h1 title="{{ name }}">{{ name }}</h1><i>{{ 3 | double }}</i>{% endblock %}"""


def test_page_asks_nothing_from_elsewhere(tmp_path):
    """The browser enforces it; a panel may allow images that lie in the page."""
    (tmp_path / "plain.html").write_text(TEMPLATE)
    (tmp_path / "images.html").write_text(
        TEMPLATE + "{% block policy %}; img-src data:{% endblock %}"
    )
    filters, values = {"double": lambda value: 2 * value}, {"name": "n"}

    plain = render(tmp_path / "plain.html", filters, values)
    images = render(tmp_path / "images.html", filters, values)

    policy = "content=\"default-src 'none'; style-src 'unsafe-inline'"
    assert f'{policy}">' in plain
    assert f'{policy}; img-src data:">' in images
    assert "<i>6</i>" in plain


def test_words_are_escaped_and_turn_nothing_around(tmp_path):
    """In text and attributes; a page of a long word stays short."""
    (tmp_path / "page.html.txt").write_text(TEMPLATE)
    name = "<b>\"' \u202e{{ 7*7 }}" + "x" * 5_000
    page = render(tmp_path / "page.html.txt", {"double": lambda value: value}, {"name": name})
    assert "<b>" not in page and "\u202e" not in page and "{{ 7*7 }}" in page
    assert 'title="&lt;b&gt;&#34;&#39; ' in page
    assert len(page) < 20_000

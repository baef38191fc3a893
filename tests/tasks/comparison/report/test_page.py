"""The page: everything is on it, and it needs nothing else."""

import re

import pytest

from tasks.comparison.advice.advise import advise
from tasks.comparison.pricing.sheet import default_sheet
from tasks.comparison.report.build import Report, build
from tasks.comparison.report.page import render_html
from tasks.comparison.report.plots import rate_marks
from tasks.comparison.report.summary import render_markdown, render_terminal
from tests.tasks.comparison.advice.case import need
from tests.tasks.comparison.measured import comparison, device, model, night, service

SHEET = default_sheet()


def report(*models, **asked) -> Report:
    measured = comparison(*models)
    advice = advise(need(**asked), SHEET, measured, "a file") if asked else None
    return build(measured, SHEET, advice, "a file")


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(report(waiting="machine", latency=0.1, model="fraud", name="<i>mine</i>"))


def test_page_needs_nothing_else(page):
    """No address is asked for anything, and no script runs."""
    assert not re.findall(r"<(?:script|link|img|iframe)\b|\bsrc=|url\((?!#)|@import", page)
    assert not re.findall(r"https?://", page)


def test_page_tells_recommendation_figures_plots_and_prices(page):
    for words in (
        "Answer by a service",
        "waiting: nobody instead of machine would make it score at night",
        "What would have to change for another answer",
        "triptych train-fraud",
        "The fraud model",
        "The sentiment model",
        "900 a second (p99 within 20 ms)",
        "The service is cheaper than the night: never",
        "Hours of people are the least certain price",
        "The same answers in all ways",
        "Shorter than the rules ask: 600 s",
        "Eurostat",
        "the bound, 20 ms",
    ):
        assert words in page, words
    assert page.count("<svg") == 8  # two plots a model, each wide and narrow
    assert page.count('role="img" aria-label="Plot of') == 4


def test_words_of_a_file_cannot_style_the_page(page):
    assert "<i>mine" not in page and "&lt;i&gt;mine&lt;/i&gt;" in page


def test_break_even_is_marked_in_the_plot_and_said():
    """A night that takes half a second of CPU for each row is dearer than a busy service."""
    slow = night(rows_per_s=20.0).model_copy(update={"cpu_s_per_million": 500_000.0})
    ways = (slow, service(per_s=5_000.0), device())
    found = report(model().model_copy(update={"ways": ways}))
    assert found.models[0].costs
    (mark, *_) = rate_marks(found.models[0].costs.break_evens)
    assert (mark.cheaper, mark.than, mark.typical.kind) == ("service", "night", "from")
    page, plain = render_html(found), render_html(report(model()))
    assert f"service cheaper than night {mark.where}" in page
    assert "in eight of ten of these" in page
    assert 'class="key point"' in page and 'class="key point"' not in plain


def test_page_without_requirements_shows_the_measurements():
    page = render_html(report(model("sentiment")))
    assert "Night, service or device?" in page and "What is recommended" not in page


def test_page_says_that_nothing_meets_the_need():
    page = render_html(report(model(), waiting="person", connectivity="never"))
    assert "Nothing meets all of it" in page and "What is missed" in page


def test_page_warns_where_the_ways_differ():
    page = render_html(report(model(largest=0.2)))
    assert "The ways do not give the same answers" in page
    assert "above the tolerance of 1e-05" in page


def test_way_that_was_not_measured_leaves_the_rest():
    page = render_html(report(model().model_copy(update={"ways": (night(), service())})))
    assert "900 a second" in page and "What a month costs" not in page


def test_same_figures_give_the_same_page():
    found = report(model())
    assert render_html(found) == render_html(found)


def test_summary_tells_the_same_in_short():
    found = report(model(), waiting="machine", latency=0.1, model="fraud")
    markdown, text = render_markdown(found), render_terminal(found)
    assert "## a need: answer by a service" in markdown and "| rows a second | 20,000 |" in markdown
    for words in (
        "the service is cheaper than the night: never",
        "same answers: night and service",
    ):
        assert words in text
    assert max(map(len, render_terminal(report(model())).splitlines()[:12])) <= 120

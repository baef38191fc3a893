"""The page of a comparison: the three ways side by side, per model, and the recommendation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from services.reporting.figures import integer, percent
from services.reporting.page import render
from tasks.comparison.advice import told
from tasks.comparison.measurement import Difference
from tasks.comparison.pricing.cost import HEADROOM
from tasks.comparison.report import plots
from tasks.comparison.report.build import ModelReport, Report
from tasks.comparison.units import money, short, span


def render_html(report: Report) -> str:
    """The page as text, to be written as UTF-8."""
    return render(
        Path(__file__).with_name("comparison.html"),
        filters={
            "integer": integer,
            "percent": percent,
            "span": span,
            "short": short,
            "difference": difference,
            "heading": heading,
            "sentence": sentence,
        },
        values={
            "report": report,
            "comparison": report.comparison,
            "advice": report.advice,
            "told": told,
            "money": money,
            "headroom": HEADROOM,
            "plots": [_plots(model, number) for number, model in enumerate(report.models)],
        },
    )


def heading(words: str) -> str:
    """With a capital; the rest stays as it is."""
    return words[:1].upper() + words[1:]


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return f"{heading(words)}."


def difference(found: Difference) -> str:
    """How far two ways lie apart, in words."""
    return (
        f"{found.ways[0]} and {found.ways[1]}: scores differ by at most {found.largest:.2g};"
        f" {percent(found.same_label_share)} have the same label"
    )


def _plots(model: ModelReport, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"latency": None, "costs": None}
    if model.distributions:
        found["latency"] = {
            "alt": _latency_words(model),
            "wide": Markup(
                plots.latencies(model.distributions, model.bound_ms, width=900, name=f"l{number}w")
            ),
            "narrow": Markup(
                plots.latencies(model.distributions, model.bound_ms, width=420, name=f"l{number}n")
            ),
            "keys": [(str(each.way), each.scenario) for each in model.distributions],
        }
    if model.costs:
        found["costs"] = {
            "alt": _cost_words([each.told() for each in model.costs.break_evens]),
            "wide": Markup(plots.costs(model.costs, width=900, name=f"c{number}w")),
            "narrow": Markup(plots.costs(model.costs, width=420, name=f"c{number}n")),
            "marks": plots.rate_marks(model.costs.break_evens),
        }
    return found


def _latency_words(model: ModelReport) -> str:
    words = [
        f"{each.way}, {each.scenario}: p50 {span(each.latency.p50_ms / 1e3)},"
        f" p99 {span(each.latency.p99_ms / 1e3)}"
        for each in model.distributions
    ]
    return f"Plot of how many answers took longer than so long. {'; '.join(words)}."


def _cost_words(sentences: Sequence[str]) -> str:
    return f"Plot of what a month costs over the requests a second. {'; '.join(sentences)}."

"""Promises of the page of an audit, and of its short forms."""

import io
import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from services.fraud.audit.answers import read_day
from services.fraud.audit.labels import LoadedLabels
from services.fraud.audit.measures import Audit, Period, audit
from services.fraud.audit.nightly_snapshot import WrittenSnapshot
from services.fraud.audit.report import AuditReport, compose, render_html
from services.fraud.audit.run import AuditRun
from services.fraud.audit.summary import render_markdown, render_table, render_terminal
from services.fraud.audit.verdict import Limits, Verdict, judge
from services.fraud.log.database import Database
from tests.services.fraud.answered import (
    CHAMPION,
    RUN_DATE,
    SHADOW,
    a_card,
    draw_traffic,
    write_traffic,
)
from tests.services.reporting.pages import Page, assert_self_contained

HOSTILE = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)> \u202e {{ 7*7 }} | [a](b)"
PERIOD = Period(RUN_DATE, days=7, delay_days=3)
ENDED = datetime(2026, 11, 22, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Audit:
    """A champion and its shadow; amounts are doubled in the last days."""
    url = f"sqlite:///{tmp_path_factory.mktemp('audit') / 'log.db'}"
    young = PERIOD.first_young
    write_traffic(url, draw_traffic(PERIOD.first, 7, 400, fraud_share=0.04), shadow=SHADOW)
    shifted = draw_traffic(young, 3, 400, shift={"TX_AMOUNT": 3.0}, seed=1)
    write_traffic(url, shifted, shadow=SHADOW)
    database = Database(url)
    days = ((day, read_day(database, day)) for day in PERIOD.all_days)
    result = audit(days, PERIOD, CHAMPION, {CHAMPION: a_card(), SHADOW: a_card()}.get)
    database.close()
    return result


def a_report(found: Audit, verdict: Verdict | None = None) -> AuditReport:
    run = AuditRun(Path("/home/x/var"), "sqlite:////x/y.db", "run-1", PERIOD, Limits())
    loaded = LoadedLabels(1_234, 56, 7)
    snapshot = WrittenSnapshot(Path("/x/s.parquet"), 8_910, 11, 1_700_000_000, "the log of answers")
    verdict = verdict or judge(found, Limits())
    return compose(run, found, verdict, loaded, snapshot, ended_at=ENDED)


def test_report_needs_nothing_from_outside(found):
    """No script, no link, no image, no address that a browser would fetch."""
    html = render_html(a_report(found))
    assert_self_contained(html)
    assert len(html) < 300_000


def test_report_shows_the_figures_that_were_found(found):
    """Those of the audit, beside those of the card."""
    champion = found.model(CHAMPION)
    text = " ".join(Page(render_html(a_report(found))).text.split())
    assert champion is not None and champion.metrics is not None
    assert champion.metrics.average_precision is not None
    for figure in (champion.metrics.average_precision, champion.metrics.auc_roc):
        assert f"{figure:.3f}" in text
    assert f"{champion.metrics.frauds} frauds among 2,800 labelled transactions" in text
    assert "test 0.700" in text and "budget 10" in text
    assert "1,234, 56 of them frauds; 7 of transactions that are not in the log" in text
    assert "8,910 transactions" in text
    assert SHADOW in text and "Same decision" in text
    assert "Transactions have changed since training: TX_AMOUNT" in text


def test_report_says_a_block_before_all_figures(found):
    """Whoever opens the page reads it first."""
    verdict = Verdict("fallen", ("It fell.",), "blocked", "audit of …")
    html = render_html(a_report(found, verdict))
    assert html.index("Promotion is blocked") < html.index('<dl class="tiles">')
    assert "Quality has fallen</h1>" in html and "It fell." in html
    lifted = render_html(a_report(found, Verdict("held", ("Fine.",), "lifted")))
    assert "Promotion is allowed again" in lifted
    kept = render_html(a_report(found, Verdict("held", ("Fine.",), "kept", "freeze")))
    assert "Promotion is blocked: freeze" in kept


def test_report_describes_its_plots_to_who_cannot_see_them(found):
    """Every figure is an image with a label that holds the figures."""
    figures = [a for tag, a in Page(render_html(a_report(found))).tags if tag == "figure"]
    assert len(figures) == 3
    assert all(a["role"] == "img" and re.search(r"\d", a["aria-label"]) for a in figures)


def test_report_has_no_id_twice(found):
    """Several plots in one page keep their clip paths apart."""
    ids = [a["id"] for _, a in Page(render_html(a_report(found))).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_report_of_the_same_audit_has_the_same_bytes(found):
    """Nothing of the moment of rendering gets in."""
    assert render_html(a_report(found)) == render_html(a_report(found))


@pytest.mark.parametrize("place", ["champion", "reason", "where", "shadow"])
def test_report_escapes_hostile_words(found, place):
    """Whatever stands in the log or in a file name is text on the page."""
    models = tuple(
        replace(one, model=HOSTILE) if one.role == place or place == "champion" else one
        for one in found.models
    )
    changed = replace(found, models=models)
    if place == "champion":
        changed = replace(changed, champion=HOSTILE)
    report = a_report(changed, Verdict("fallen", (HOSTILE,), "blocked", HOSTILE))
    if place == "where":
        report = replace(report, where={HOSTILE: HOSTILE}, parameters={HOSTILE: HOSTILE})
    html = render_html(report)
    page = Page(html)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)" in page.text
    assert "\u202e" not in html
    markdown = render_markdown(report)
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert all(
        len(re.findall(r"(?<!\\)\|", line)) <= 8
        for line in markdown.splitlines()
        if line.startswith("|")
    )


def test_report_of_no_answers_is_a_page(found):
    """Nor champion, nor labels, nor card: a page each, without a warning of the renderer."""
    nothing = Audit(PERIOD, None, (), (), (), (), 0, None)
    unlabelled = replace(
        found,
        models=tuple(replace(m, metrics=None, calibration=()) for m in found.models),
        days=tuple(replace(d, average_precision=None, auc_roc=None) for d in found.days),
    )
    without_card = replace(
        found,
        models=tuple(replace(m, expected=None, alert_budget=None) for m in found.models),
        drift=(),
        last_week=(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "nothing to plot" in render_html(a_report(nothing))
        assert "and no label of 18 November" in render_html(a_report(unlabelled))
        assert "does not say how its features" in render_html(a_report(without_card))
    for one in (nothing, unlabelled, without_card):
        assert render_markdown(a_report(one)).startswith("# Fraud audit, 2026-11-22")
        assert "fraud audit" in printed(a_report(one))


def test_summaries_say_a_block_loudly(found):
    """On the terminal and in the Prefect UI."""
    report = a_report(found, Verdict("fallen", ("AP fell.",), "blocked", "audit of …"))
    assert "PROMOTION IS BLOCKED" in render_markdown(report)
    terminal = printed(report)
    assert "PROMOTION IS BLOCKED" in terminal and "QUALITY HAS FALLEN" in terminal
    assert "/home/x/var/fraud/reports/2026-11-22-run-1.html" in terminal


def test_table_has_a_row_per_day_and_model(found):
    """For whoever wants figures in the UI."""
    rows = render_table(a_report(found))
    assert len(rows) == 2 * len(PERIOD.all_days)
    assert {row["role"] for row in rows} == {"answered", "shadow"}
    days = [row["day"] for row in rows]
    assert days[0] == (RUN_DATE - timedelta(days=10)).isoformat()


def printed(report: AuditReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(render_terminal(report), soft_wrap=True)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()

"""The page in a real browser: at a phone's and a desktop's width, in light and dark."""

import pytest

from tasks.comparison.advice.advise import advise
from tasks.comparison.pricing.sheet import default_sheet
from tasks.comparison.report.build import build
from tasks.comparison.report.page import render_html
from tests.browser import CHROMIUM, chromium
from tests.tasks.comparison.advice.case import need
from tests.tasks.comparison.measured import comparison

_OUTSIDE = """[...document.querySelectorAll("main *")].filter(
  (e) => e.getBoundingClientRect().right > innerWidth + 1
).map((e) => e.tagName + " " + e.textContent.slice(0, 40))"""
_SHOWN = """[...document.querySelectorAll("figure svg")].filter(
  (e) => e.getClientRects().length).map((e) => e.getBoundingClientRect().width)"""
_PAPER = "getComputedStyle(document.body).backgroundColor"


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")
def test_page_fits_phone_and_desktop_in_light_and_dark(tmp_path):
    """Nothing sticks out, each plot is shown once, and the paper follows the reader's scheme."""
    sheet, measured = default_sheet(), comparison()
    advice = advise(need(waiting="machine", latency=0.1, model="fraud"), sheet, measured, "a file")
    file = tmp_path / "report.html"
    file.write_text(render_html(build(measured, sheet, advice, "a" * 120)), "utf-8")
    papers = {}
    with chromium() as page:
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                page.command(
                    "Emulation.setEmulatedMedia",
                    features=[{"name": "prefers-color-scheme", "value": scheme}],
                )
                page.command(
                    "Emulation.setDeviceMetricsOverride",
                    width=width,
                    height=900,
                    deviceScaleFactor=1,
                    mobile=width < 500,
                )
                page.open(file.as_uri())
                page.await_text("Where to look")
                page.evaluate("document.querySelectorAll('details').forEach((e) => e.open = true)")
                assert page.evaluate(_OUTSIDE) == [], (width, scheme)
                plots = page.evaluate(_SHOWN)
                assert len(plots) == 4 and min(plots) > 0.8 * min(width, 1080), (width, scheme)
                papers[scheme] = page.evaluate(_PAPER)
    assert papers["light"] != papers["dark"]

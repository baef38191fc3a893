"""What all plots share: an SVG to be put into a page, in the page's colours.

Colours are CSS variables of the page (`--ink`, `--good`, …), so that one picture serves light and
dark; text stays text. No word of the data gets into a plot, only numbers, days and known labels:
what a font cannot draw, and what could be mark-up, never reaches one.
"""

import io
import re
from contextlib import AbstractContextManager
from typing import Any

# Stand-ins that the page's variables replace in the finished SVG.
INK, MUTED, RULE = "#0a0b01", "#0a0b02", "#0a0b03"
GOOD, BAD, ACCENT = "#0a0b04", "#0a0b05", "#0a0b06"
LINES = (GOOD, BAD, ACCENT, "#0a0b07", "#0a0b08", "#0a0b09")  # to tell several apart
DASHED = (0, (4, 3))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
    ACCENT: "var(--accent)",
    **{line: f"var(--line{number})" for number, line in enumerate(LINES) if number > 2},
}
_STYLE: Any = {  # keys are matplotlib's rcParams
    "svg.fonttype": "none",
    "svg.hashsalt": "triptych",  # the same figures give the same bytes
    "font.family": "DejaVu Sans",  # comes with matplotlib; the page sets its own over it
    "font.size": 11.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
}


def style() -> AbstractContextManager[None]:
    """The context in which a plot is drawn and turned into SVG."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def open_figure(width: int, height: int) -> Any:
    """A figure of so many CSS pixels, without pyplot and its list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    # Room for the labels, known beforehand; finding it by layout doubles the time of a plot.
    figure.subplots_adjust(
        left=60 / width, right=1 - 14 / width, bottom=46 / height, top=1 - 24 / height
    )
    FigureCanvasAgg(figure)
    return figure


def render_svg(figure: Any, name: str) -> str:
    """The bare <svg> element: no namespaces, no metadata, its ids prefixed with the name."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return svg.strip()


def thousands(value: float, _position: int) -> str:
    """An axis label: 12345 -> 12,345."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"

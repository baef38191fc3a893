"""The plots of a training, as SVG to be put into a page.

Colours of lines are the page's variables, so that one picture serves light and dark.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from edge.release.validation.evaluate import Curve

_LINES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")  # stand-ins
_INK, _RULE = "#0a0b07", "#0a0b08"
_VARIABLES = {
    **{line: f"var(--line{number})" for number, line in enumerate(_LINES)},
    _INK: "var(--muted)",
    _RULE: "var(--rule)",
}
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))  # once all colours are used
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "train-detector",  # the same training gives the same bytes
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _RULE,
    "grid.linewidth": 0.8,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "figure.facecolor": "none",
}


def precision_over_recall(curves: Mapping[str, Curve]) -> str:
    """A curve per label, at an overlap of 0.5."""

    def draw(axes: Any) -> None:
        for number, (label, curve) in enumerate(curves.items()):
            axes.plot(
                curve.recall,
                curve.precision,
                color=_LINES[number % len(_LINES)],
                linestyle=_STYLES[number // len(_LINES) % len(_STYLES)],
                label=label,
            )
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        if len(curves) <= 20:
            axes.legend(frameon=False, loc="lower left")

    return _svg(draw, "curves")


def over_steps(series: Mapping[str, Sequence[tuple[int, float]]], what: str, name: str) -> str:
    """Lines over the steps of a training."""

    def draw(axes: Any) -> None:
        for number, (label, points) in enumerate(series.items()):
            steps, values = zip(*points, strict=True) if points else ((), ())
            marker = "o" if len(points) <= 12 else ""
            axes.plot(steps, values, color=_LINES[number], label=label, marker=marker, markersize=4)
        axes.set(xlabel="step", ylabel=what)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    return _svg(draw, name)


def _svg(draw: Any, name: str) -> str:
    """A bare <svg> element, its ids prefixed with the name."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.grid()
        buffer = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=").replace("<svg", '<svg aria-hidden="true"', 1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return svg

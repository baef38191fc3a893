"""The plots of a training, and of a detector's precision."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.release.validation.evaluate import Curve
from services.reporting.plots import LINES, open_figure, render_svg, style

_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))  # once all colours are used


def precision_over_recall(curves: Mapping[str, Curve]) -> str:
    """A curve per label, at an overlap of 0.5."""

    def paint(axes: Any) -> None:
        for number, (label, curve) in enumerate(curves.items()):
            axes.plot(
                curve.recall,
                curve.precision,
                color=LINES[number % len(LINES)],
                linestyle=_STYLES[number // len(LINES) % len(_STYLES)],
                label=label,
            )
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        if len(curves) <= 20:
            axes.legend(frameon=False, loc="lower left")

    return _draw(paint, "curves")


def over_steps(series: Mapping[str, Sequence[tuple[int, float]]], what: str, name: str) -> str:
    """Lines over the steps of a training."""

    def paint(axes: Any) -> None:
        for number, (label, points) in enumerate(series.items()):
            steps, values = zip(*points, strict=True) if points else ((), ())
            marker = "o" if len(points) <= 12 else ""
            axes.plot(steps, values, color=LINES[number], label=label, marker=marker, markersize=4)
        axes.set(xlabel="step", ylabel=what)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    return _draw(paint, name)


def _draw(paint: Callable[[Any], None], name: str) -> str:
    with style():
        figure = open_figure(460, 290)
        axes = figure.subplots()
        paint(axes)
        axes.grid()
        return render_svg(figure, name)

"""The report in short: for the Prefect UI, and for a terminal."""

from services.reporting.markdown import escape, format_table
from tasks.comparison.advice.told import markdown
from tasks.comparison.report.build import ModelReport, Report
from tasks.comparison.report.page import difference


def render_markdown(report: Report) -> str:
    """The recommendation, and the three ways side by side per model."""
    parts = [markdown(report.advice)] if report.advice else []
    for model in report.models:
        parts += [
            f"## The {escape(model.name)} model",
            format_table(
                ["", *(str(way) for way in model.ways)],
                [[escape(cell) for cell in (row.what, *row.cells)] for row in model.rows],
            ),
            *(f"- {escape(line)}" for line in _sentences(model)),
        ]
    parts.append(f"Measurements: {escape(report.origin)}")
    return "\n\n".join(parts)


def render_terminal(report: Report) -> str:
    """A few lines per model: rates, the slowest answers, where what is cheaper, parity."""
    lines = []
    for model in report.models:
        lines.append(f"the {model.name} model, {model.version}")
        head = f"  {'':32}" + "".join(f"{way:>26}" for way in model.ways)
        lines.append(head.rstrip())
        for row in model.rows:
            if max(map(len, row.cells)) <= 25:
                cells = "".join(f"{cell:>26}" for cell in row.cells)
                lines.append(f"  {row.what:32}{cells}")
        lines += [f"  {sentence}" for sentence in _sentences(model)]
    return "\n".join(lines)


def _sentences(model: ModelReport) -> list[str]:
    costs = [each.told() for each in model.costs.break_evens] if model.costs else []
    if model.costs:
        costs += [f"people left out, {each.told()}" for each in model.costs.without_people]
    state = "same answers" if model.parity.holds else "DIFFERENT ANSWERS"
    return [*costs, *(f"{state}: {difference(each)}" for each in model.parity.differences)]

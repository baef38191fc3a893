"""A candidate's metrics in short: for the terminal and for the artifacts of the Prefect UI.

AUC: area under the ROC curve. AP: average precision. CP@k: card precision, and beside it which
share that is of what perfect foresight would reach. ECE: expected calibration error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.text import Text

from services.fraud.scoring.card import Card
from services.fraud.scoring.evaluation import Metrics
from services.reporting.markdown import escape, format_table


@dataclass(frozen=True)
class Result:
    """What became of a candidate."""

    tag: str
    role: str  # champion, shadow or candidate
    card: Card
    champion: str | None = None  # the one it was compared with
    champion_metrics: Metrics | None = None
    faults: tuple[str, ...] = ()  # why it was not promoted
    notes: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)

    def compared(self) -> dict[str, Metrics]:
        """Measured on the same test transactions."""
        found = {
            "this model": self.card.metrics,
            "logistic regression": self.card.baseline_metrics,
            f"champion ({self.champion})": self.champion_metrics,
        }
        return {name: metrics for name, metrics in found.items() if metrics is not None}


@dataclass(frozen=True)
class Unable:
    """A model that could not answer."""

    tag: str
    role: str


def render_table(result: Result) -> list[dict[str, str]]:
    """One row for each model that was measured."""
    return [
        {"model": name, **_format_metrics(metrics)} for name, metrics in result.compared().items()
    ]


def _format_metrics(metrics: Metrics) -> dict[str, str]:
    return {
        "AUC": _number(metrics.auc_roc),
        "AP": _number(metrics.average_precision),
        f"CP@{metrics.cards_per_day}": _number(metrics.card_precision),
        "of the oracle": "-"
        if metrics.share_of_oracle is None
        else f"{metrics.share_of_oracle:.0%}",
        "ECE": f"{metrics.calibration_error:.4f}",
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def render_markdown(result: Result) -> str:
    """The same as unindented markdown."""
    blocks = [f"# {escape(result.tag)}: {result.role}"]
    blocks += [f"> **Not promoted:** {escape(fault)}" for fault in result.faults]
    rows = render_table(result)
    if rows:
        cells = [[escape(cell) for cell in row.values()] for row in rows]
        blocks.append(format_table(list(rows[0]), cells))
    facts = _facts(result).items()
    blocks.append("\n".join(f"- {name}: {escape(value)}" for name, value in facts))
    return "\n\n".join(blocks) + "\n"


def render_terminal(result: Result) -> RenderableType:
    """The last thing the command prints. Print it with `soft_wrap`: paths are to be copied."""
    style = {"champion": "bold green", "shadow": "bold cyan"}.get(result.role, "bold yellow")
    parts: list[RenderableType] = [
        Text.assemble((result.tag, "bold"), "  ", (result.role, style)),
    ]
    parts += _aligned(render_table(result))
    facts = _facts(result)
    width = max(map(len, facts)) + 2
    parts += [Text.assemble((name.ljust(width), "dim"), value) for name, value in facts.items()]
    parts += map(_warning, result.notes)
    return Group(*parts)


def render_list(models: Sequence[Result | Unable], warnings: Sequence[str] = ()) -> RenderableType:
    """Models with their roles, and how good each was on its own test transactions.

    warnings: what is wrong with any of them.
    """
    rows = []
    for model in models:
        card = model.card if isinstance(model, Result) else None
        shown = _format_metrics(card.metrics) if card and card.metrics else {}
        rows.append(
            {
                "tag": model.tag,
                "role": model.role if card else f"{model.role}, cannot answer",
                "threshold": f"{card.threshold:.4g}" if card else "-",
                **{name: shown.get(name, "-") for name in ("AUC", "AP", "ECE")},
                "tested on": card.periods.get("test", "-") if card else "-",
            }
        )
    return Group(*_aligned(rows), *map(_warning, warnings))


def _warning(note: str) -> Text:
    return Text.assemble(("Warning: ", "bold yellow"), note)


def _aligned(rows: list[dict[str, str]]) -> Iterator[Text]:
    """A table of text that wraps nowhere, however narrow the terminal."""
    if not rows:
        return
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for number, line in enumerate(lines):
        first, *others = zip(line, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        yield Text("  ".join(cells), style="dim" if number == 0 else "")


def _facts(result: Result) -> dict[str, str]:
    card = result.card
    facts = {}
    if card.periods:
        facts["trained on"] = card.periods["train"]
        tested = f", {card.metrics.rows:,} transactions" if card.metrics else ""
        frauds = f" with {card.metrics.frauds:,} frauds" if card.metrics else ""
        facts["tested on"] = f"{card.periods['test']}{tested}{frauds}"
    budget = f", about {card.alerts_per_day:g} cards a day" if card.alerts_per_day else ""
    facts["threshold"] = f"{card.threshold:.4g}{budget}"
    facts["parity"] = (
        f"Keras and TFLite differ by at most {card.parity.largest_difference:.1e}"
        f" on {card.parity.rows:,} rows"
    )
    return {**facts, **result.where}

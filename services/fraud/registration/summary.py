"""How a registered network is read, for its owner to check: on the terminal and in the UI."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from services.fraud.scoring.card import Card
from services.reporting.markdown import escape, format_table

_MOST_ROWS = 8
_MOST_NUMBERS = 8


def render_terminal(card: Card) -> RenderableType:
    """What was assumed, and the answers to golden rows. Print it with `soft_wrap`."""
    facts = {"contract": _contract(card), **card.assumed}
    width = max(map(len, facts)) + 2
    lines = [Text.assemble((name.ljust(width), "dim"), value) for name, value in facts.items()]
    lines += [
        Text.assemble(("answers".ljust(width), "dim"), f"{probability}  to  {row}")
        for probability, row in _golden(card)
    ]
    return Group(*lines)


def render_markdown(tag: str, card: Card) -> str:
    """The same as unindented markdown."""
    facts = {"contract": _contract(card), **card.assumed}
    parts = [
        f"# {escape(tag)}: how it is read",
        "\n".join(f"- {name}: {escape(value)}" for name, value in facts.items()),
        format_table(["answers", "to"], [list(map(escape, pair)) for pair in _golden(card)]),
    ]
    return "\n\n".join(parts) + "\n"


def _contract(card: Card) -> str:
    if card.contract == "handbook":
        return "the Handbook's 15 features, which the service computes for /score_transaction too"
    return (
        f"its own {card.width} features, sent to /detect_fraud and /score_batch; /score_transaction"
        " needs the Handbook's (--features handbook, if these are they)"
    )


def _golden(card: Card) -> list[tuple[str, str]]:
    """Probability and row, of golden answers from the least to the most suspicious."""
    every = max(1, -(-len(card.golden) // _MOST_ROWS))
    return [
        (f"{answer.probability:.6f}", _format_row(answer.features))
        for answer in card.golden[::every]
    ]


def _format_row(row: Sequence[float]) -> str:
    shown = ", ".join(f"{number:.6g}" for number in row[:_MOST_NUMBERS])
    return shown if len(row) <= _MOST_NUMBERS else f"{shown}, … ({len(row)} numbers)"

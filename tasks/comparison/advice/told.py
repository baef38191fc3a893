"""The advice in words, for a terminal and for the Prefect UI."""

from collections.abc import Iterator

from services.reporting.excerpt import excerpt
from services.reporting.markdown import escape, format_table
from tasks.comparison.advice.advise import Advice
from tasks.comparison.advice.flips import Flip
from tasks.comparison.advice.ranking import Ranked
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.units import money


def headline(advice: Advice) -> str:
    """The answer in a line."""
    if advice.answer is None:
        nearest = advice.nearest
        missed = ", ".join(check.key for check in nearest.failed)
        return f"nothing meets all of it; nearest: {nearest.strategy.label} (all but {missed})"
    return advice.answer.label


def decided(advice: Advice) -> str:
    """What decided, in a line."""
    if advice.answer is None:
        return "; ".join(check.reason for check in advice.nearest.failed)
    if not advice.decisive:
        return "no requirement alone: see what would have to change"
    return "; ".join(
        f"{flip.changes[0].told(advice.currency)} would make it {flip.strategy.label}"
        for flip in advice.decisive
    )


def verdict(ranked: Ranked, advice: Advice) -> str:
    """Why a strategy has its place, in a line."""
    if ranked.failed:
        return "; ".join(check.reason for check in ranked.failed)
    return f"meets all; about {money(ranked.cost, advice.currency)} a month, people included"


def flip_words(flip: Flip, currency: str) -> str:
    """What would have to change for a strategy, in a line."""
    return "; ".join(change.told(currency) for change in flip.changes)


def out_of_reach(advice: Advice) -> list[str]:
    """The strategies that no few changes make the answer."""
    reached = {flip.strategy for flip in advice.flips} | {advice.answer}
    return [strategy.label for strategy in Strategy if strategy not in reached]


def terminal(advice: Advice) -> str:
    """Everything, in plain lines."""
    return "\n".join(_lines(advice))


def _lines(advice: Advice) -> Iterator[str]:
    yield f"{excerpt(advice.need.name, 80)}: {headline(advice)}"
    yield f"  {'decided by' if advice.answer else 'missed'}: {decided(advice)}"
    yield f"  based on: {advice.basis}"
    yield ""
    yield "ranking"
    for place, ranked in enumerate(advice.ranking, 1):
        mark = "+" if ranked.meets else "-"
        yield f"  {place}. {mark} {ranked.strategy.label}: {verdict(ranked, advice)}"
    yield ""
    yield "what would have to change for another answer"
    for flip in advice.flips:
        yield f"  {flip.strategy.label}: {flip_words(flip, advice.currency)}"
    if others := out_of_reach(advice):
        yield f"  not by a few changes: {'; '.join(others)}"
    yield ""
    yield "why" if advice.answer else "what the nearest one does"
    for check in advice.nearest.checks:
        source = "measured" if check.measured else "rule"
        yield f"  {'+' if check.met else '-'} {check.key}: {check.reason} [{source}]"
    yield ""
    yield "start with"
    for start in advice.start:
        yield f"  {start.command}"
        yield f"      {start.does}"


def markdown(advice: Advice) -> str:
    """The same, for the UI; words of the file are escaped."""
    ranking = [
        [
            str(place),
            escape(each.strategy.label),
            "yes" if each.meets else "no",
            escape(verdict(each, advice)),
        ]
        for place, each in enumerate(advice.ranking, 1)
    ]
    flips = [
        [escape(flip.strategy.label), escape(flip_words(flip, advice.currency))]
        for flip in advice.flips
    ]
    commands = "\n".join(f"    {start.command}" for start in advice.start)
    return "\n\n".join(
        (
            f"## {escape(advice.need.name)}: {escape(headline(advice))}",
            f"{'Decided by' if advice.answer else 'Missed'}: {escape(decided(advice), 2_000)}",
            f"Based on {escape(advice.basis)}.",
            format_table(["", "strategy", "meets", "why"], ranking),
            "What would have to change for another answer:",
            format_table(["strategy", "change"], flips),
            "Start with:",
            commands,
        )
    )

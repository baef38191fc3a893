"""Which precision is taken, decided on figures alone, and how that is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.sentiment.scoring.benchmark import spread
from tasks.sentiment.scoring.scorer import PRECISIONS

AGREEMENT = 0.99  # least share of float32's labels
FASTER = 1.05  # times: less is no reason to be less exact


@dataclass(frozen=True)
class Choice:
    """What was chosen and why, by precision.

    rates: texts per second, the median of the rounds; agreement: share of float32's labels;
    spread: of the rates; largest_difference: of a probability from float32's; texts: on how
    many this was seen.
    """

    precision: str
    rates: Mapping[str, float]
    agreement: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    largest_difference: Mapping[str, float] = field(default_factory=dict)
    texts: int = 0


def choose(rounds: Mapping[str, Sequence[float]], agreement: Mapping[str, float]) -> str:
    """The most exact precision than which none is faster, of those whose labels agree.

    rounds: texts per second in each round, all precisions measured in the same ones.
    """
    able = [p for p in PRECISIONS if p in rounds and agreement[p] >= AGREEMENT]
    return next(p for p in able if not any(is_faster(rounds[o], rounds[p]) for o in able))


def is_faster(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a difference of rates lies beyond the spread of the rounds: one was faster by 5 %
    in each of them, an outlier left out."""
    slowest, _ = spread([a / b for a, b in zip(one, other, strict=True)])
    return slowest > FASTER


def describe_choice(choice: Choice) -> str:
    """Why, in a line: agreement with float32, and the rates with the spread of their rounds."""
    told, chosen = [], choice.precision
    if chosen in choice.largest_difference and chosen != "float32":
        told.append(
            f"labels of float32 on {_percent(choice.agreement[chosen])} of {choice.texts:,} texts,"
            f" probabilities within {choice.largest_difference[chosen]:.4f}"
        )
    rates = []
    for precision, (slowest, fastest) in choice.spread.items():
        remark = f"{_figure(slowest)} to {_figure(fastest)}"
        if choice.agreement[precision] < AGREEMENT:
            remark += f", but {_percent(choice.agreement[precision])} of the labels"
        rates.append(f"{precision} {_figure(choice.rates[precision])} ({remark})")
    if rates:
        told.append(f"texts per second: {', '.join(rates)}")
    return "; ".join(told)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _figure(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"

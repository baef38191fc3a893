"""The advice: a ranking with reasons, what decided, what would change it, and where to begin."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.comparison.advice.checks import Case
from tasks.comparison.advice.commands import Start, first_commands
from tasks.comparison.advice.flips import Flip, decisive_flips, find_flips, try_changes
from tasks.comparison.advice.need import Requirements
from tasks.comparison.advice.ranking import Ranked, rank
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.measurement import Comparison
from tasks.comparison.pricing.figures import Figures, of_model
from tasks.comparison.pricing.sheet import PriceSheet


@dataclass(frozen=True)
class Advice:
    """What is recommended for a need.

    answer: None where nothing meets it; the first of the ranking is the nearest then. decisive: the
    changes of one requirement that alone give another answer. basis: measurements or rules, in
    words.
    """

    need: Requirements
    currency: str
    ranking: Sequence[Ranked]
    answer: Strategy | None
    decisive: Sequence[Flip]
    flips: Sequence[Flip]
    start: Sequence[Start]
    basis: str
    measured: bool

    @property
    def decided_by(self) -> tuple[str, ...]:
        """The requirements that decided."""
        return tuple(flip.changes[0].key for flip in self.decisive)

    @property
    def nearest(self) -> Ranked:
        """The answer, or what comes nearest to one."""
        return self.ranking[0]


def advise(
    need: Requirements,
    sheet: PriceSheet,
    comparison: Comparison | None = None,
    origin: str = "",
) -> Advice:
    """Rank the strategies for a need.

    comparison: measurements, which are used if the need names a model that is among them;
    origin: where they lie, in words.
    """
    known = _known(need, comparison, origin)
    case = Case(need, sheet.typical(), sheet.currency, known)
    ranking = rank(case)
    first = ranking[0]
    answer = first.strategy if first.meets else None
    trials = try_changes(case)
    return Advice(
        need,
        sheet.currency,
        ranking,
        answer,
        decisive=decisive_flips(answer, trials) if answer else (),
        flips=find_flips(case, answer, trials),
        start=first_commands(first.strategy, need.model),
        basis=_basis(need, comparison, known),
        measured=known is not None,
    )


def _known(need: Requirements, comparison: Comparison | None, origin: str) -> Figures | None:
    model = comparison.model(need.model) if comparison and need.model else None
    if comparison is None or model is None:
        return None
    cores = comparison.machine.get("cores")
    return of_model(model, cores if isinstance(cores, int) else 1, origin)


def _basis(need: Requirements, comparison: Comparison | None, known: Figures | None) -> str:
    if known is not None:
        return (
            f"latency, rates and costs of the {need.model} model as measured ({known.origin});"
            " the rest by rules"
        )
    why = "no measurements are in the home yet: triptych compare makes them"
    if comparison is not None:
        why = (
            "the requirements name no model: fraud or sentiment has measurements"
            if need.model is None
            else f"the {need.model} model was not measured in all three ways"
        )
    return f"rules and rules of thumb alone ({why})"

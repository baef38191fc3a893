"""What would have to change for another answer: the nearest change of the need for each strategy.

Each flip is found by trying it: a need that is changed so has that answer. One requirement after
the other is changed, to the values nearest to its own first. Where no single change does it, those
that the strategy does not meet are changed together, and one more if need be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from tasks.comparison.advice.checks import KEYS, Case, check
from tasks.comparison.advice.need import Requirements
from tasks.comparison.advice.ranking import best
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.units import DAY_S, money, span

_DEVICES = (0, *(10**n for n in range(7)))
_LADDERS: Mapping[str, Sequence[float | None]] = {  # from hard to easy, or from few to many
    "latency": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 60, None),
    "freshness": (0.1, 1, 10, 60, 600, 3_600, DAY_S, 7 * DAY_S, None),
    "devices": _DEVICES,
    "volume_per_day": tuple(10.0**n for n in range(2, 11)),
}


@dataclass(frozen=True)
class Change:
    """One requirement, as it would have to be."""

    key: str
    before: Any
    after: Any

    def told(self, currency: str) -> str:
        """Such as "latency: 200 ms instead of 50 ms"."""
        words = [_worded(self.key, value, currency) for value in (self.after, self.before)]
        return f"{self.key}: {words[0]} instead of {words[1]}"


@dataclass(frozen=True)
class Flip:
    """The nearest changes, by which a strategy becomes the answer."""

    strategy: Strategy
    changes: tuple[Change, ...]


def changed(need: Requirements, changes: Sequence[Change]) -> Requirements:
    """The need with these changes."""
    return need.model_copy(update={change.key: change.after for change in changes})


@dataclass(frozen=True)
class Trial:
    """One requirement changed, and what the answer is then; None: nothing meets the need."""

    change: Change
    answer: Strategy | None


def try_changes(case: Case) -> list[Trial]:
    """Every change of one requirement, of each the nearest first."""
    return [Trial(change, _answer(case, (change,))) for change in _singles(case)]


def find_flips(case: Case, answer: Strategy | None, trials: Sequence[Trial]) -> list[Flip]:
    """For each strategy but the answer the nearest changes by which it becomes the answer.

    A strategy for which none are found is left out.
    """
    found = []
    for target in Strategy:
        if target is not answer:
            alone = [trial.change for trial in trials if trial.answer is target]
            flip = Flip(target, (alone[0],)) if alone else _together(case, target, trials)
            found += [flip] if flip else []
    return found


def decisive_flips(answer: Strategy, trials: Sequence[Trial]) -> list[Flip]:
    """What decided: each requirement that alone, changed, gives another answer.

    Those that stand between the need and an answer of fewer ways, or else a simpler one, are named
    where there are any; of each requirement the nearest change. Empty where no requirement alone
    changes the answer.
    """
    found: dict[str, Flip] = {}
    for trial in trials:
        if trial.answer not in (None, answer):
            flip = Flip(trial.answer, (trial.change,))
            so_far = found.setdefault(trial.change.key, flip)
            if _simplicity(flip.strategy) < _simplicity(so_far.strategy):
                found[trial.change.key] = flip
    flips = list(found.values())
    fewer = [flip for flip in flips if len(flip.strategy.ways) < len(answer.ways)]
    simpler = [flip for flip in flips if _simplicity(flip.strategy) < _simplicity(answer)]
    return fewer or simpler or flips


def _simplicity(strategy: Strategy) -> tuple[int, int]:
    return len(strategy.ways), strategy.rank


def _together(case: Case, target: Strategy, trials: Sequence[Trial]) -> Flip | None:
    """Several changes at once: all that the strategy does not meet, and one more if need be."""
    singles = [trial.change for trial in trials]
    needed = _relaxed(case, target, singles)
    if needed is None:
        return None
    if _answer(case, needed) is target:
        return Flip(target, needed)
    keys = {change.key for change in needed}
    for change in singles:
        if change.key not in keys and _answer(case, (*needed, change)) is target:
            return Flip(target, (*needed, change))
    return None


def _relaxed(case: Case, target: Strategy, singles: Sequence[Change]) -> tuple[Change, ...] | None:
    """The nearest change of each requirement that a strategy does not meet; None: there is none."""
    missed = _missed(case, target)
    found = []
    for key in missed:
        able = [
            change
            for change in singles
            if change.key == key and _missed(_with(case, (change,)), target) <= missed - {key}
        ]
        if not able:
            return None
        found.append(able[0])
    return tuple(sorted(found, key=lambda change: KEYS.index(change.key)))


def _missed(case: Case, strategy: Strategy) -> set[str]:
    return {each.key for each in check(case, strategy) if not each.met}


def _answer(case: Case, changes: Sequence[Change]) -> Strategy | None:
    return best(_with(case, changes))


def _with(case: Case, changes: Sequence[Change]) -> Case:
    return replace(case, need=changed(case.need, changes))


def _singles(case: Case) -> Iterator[Change]:
    """Every change of one requirement, of each the nearest first."""
    for key in KEYS:
        before = getattr(case.need, key)
        for value in _values(case, key, before):
            if value != before:
                yield Change(key, before, value)


def _values(case: Case, key: str, before: Any) -> Sequence[Any]:
    if key == "budget_per_month":
        costs = sorted(case.cost(strategy) for strategy in Strategy)
        return [_rounded_up(cost) for cost in costs]
    if key in _LADDERS:
        ladder = _LADDERS[key]
        last = float("inf")
        place = last if before is None else float(before)
        return sorted(
            ladder, key=lambda value: _steps(ladder, place, last if value is None else value)
        )
    words = _words(key)
    place = words.index(before)
    return sorted(words, key=lambda word: abs(words.index(word) - place))


def _steps(ladder: Sequence[float | None], place: float, value: float) -> int:
    """How many rungs lie between two values."""
    low, high = min(place, value), max(place, value)
    return sum(low <= (float("inf") if rung is None else rung) <= high for rung in ladder)


def _words(key: str) -> list[str]:
    """The words that a key may have, in their order."""
    return list(get_args(Requirements.model_fields[key].annotation))


def _rounded_up(cost: float) -> float:
    """To two figures, upwards."""
    step = 10.0 ** max(0, len(str(int(cost))) - 2)
    return step * (int(cost / step) + 1)


def _worded(key: str, value: Any, currency: str) -> str:
    if value is None:
        return "no limit"
    if key in ("latency", "freshness"):
        return span(value)
    if key == "budget_per_month":
        return money(value, currency)
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)

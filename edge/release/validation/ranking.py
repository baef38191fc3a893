"""Which of several forms of a model is the one to publish, by their times and sizes alone.

Forms are timed in turns, round by round, so that a machine that is busy for a while is busy for
all of them: what is compared is how one form did against another within the same round. A form is
faster than another only beyond what rounds vary by. Of those that none is faster than, the
smallest is taken: what noise decides would be another one tomorrow, the size is the same. Where a
difference lies just at the limit, what was published before stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FASTER = 1.1  # times as fast, in the middle of the rounds
_REPLACES = 1.3  # the same, for what was published before to give way
_ROUNDS = 0.8  # share of the rounds in which it is faster, too: one of five may be disturbed


@dataclass(frozen=True)
class Contender:
    """A form: its time for a frame in each round, and the size of its file."""

    name: str
    rounds_ms: tuple[float, ...]
    bytes: int


def choose(contenders: Sequence[Contender], before: str | None = None) -> str:
    """The smallest of those that none is faster than.

    before: what was published of the same model, measured on the same machine.
    """
    for one in contenders:
        if one.name == before and not _outrun(one, contenders, _REPLACES):
            return one.name
    left = [one for one in contenders if not _outrun(one, contenders, FASTER)]
    return min(left, key=lambda one: (one.bytes, one.name)).name


def is_faster(one: Contender, other: Contender, times: float = FASTER) -> bool:
    """Whether one form is so many times as fast as another, beyond what rounds vary by."""
    ratios = [theirs / mine for mine, theirs in zip(one.rounds_ms, other.rounds_ms, strict=True)]
    # The medians as well: by them forms have an order, so that one is always left.
    return (
        median(one.rounds_ms) * times < median(other.rounds_ms)
        and median(ratios) > times
        and sum(ratio > 1 for ratio in ratios) >= _ROUNDS * len(ratios)
    )


def _outrun(one: Contender, contenders: Sequence[Contender], times: float) -> bool:
    return any(is_faster(other, one, times) for other in contenders)

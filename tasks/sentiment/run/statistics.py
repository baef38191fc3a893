"""What the report of a run is built from, counted partition by partition.

Promises: the memory of one value does not grow with the rows counted; merging the partitions in any
order and any grouping gives exactly the value of the whole; each partition can keep its own as
JSON in its marker file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter

from services.reporting.excerpt import excerpt
from tasks.sentiment.run.groups import Groups
from tasks.sentiment.scoring.labels import NEUTRAL, POSITIVE, decide, split

HISTOGRAM_BINS = 20
EXAMPLES_KEPT = 10
EXCERPT_CHARS = 300
ID_CHARS = 120


class Example(NamedTuple):
    """A review to show. The text is an excerpt of at most 300 printable characters."""

    review_id: str
    positive_probability: float
    text: str
    neutral_probability: float = 0.0


@dataclass(frozen=True)
class ScoreStatistics:
    """Counts over scored reviews, and the ten most negative and most positive distinct texts.

    Of a model without a neutral label, a row is positive from a probability of 0.5 on.
    """

    rows: int = 0
    positive: int = 0
    histogram: Annotated[
        tuple[int, ...], Field(min_length=HISTOGRAM_BINS, max_length=HISTOGRAM_BINS)
    ] = (0,) * HISTOGRAM_BINS  # equal bins of [0, 1]
    groups: Groups = field(default_factory=Groups)
    # strongest first
    most_negative: tuple[Example, ...] = ()
    most_positive: tuple[Example, ...] = ()
    neutral: int | None = None  # None: the model has no such label, or there are no rows

    @classmethod
    def of(
        cls,
        review_ids: Sequence[str],
        probabilities: npt.NDArray[np.floating],
        texts: Sequence[str],
        group_values: Sequence[object] | None = None,
    ) -> "ScoreStatistics":
        """Count one partition; the arguments are parallel, probabilities as a scorer gives them.

        Raises:
            ValueError: the lengths differ, or a probability is outside [0, 1] or not a number.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        lengths = {len(review_ids), len(p), len(texts)}
        if group_values is not None:
            lengths.add(len(group_values))
        if len(lengths) != 1:
            raise ValueError(f"the columns have different lengths: {sorted(lengths)}")
        if not bool(np.all((p >= 0) & (p <= 1))):
            raise ValueError("a probability is outside [0, 1] or not a number")
        shares = split(p)
        labels, of_positive = decide(p), shares[POSITIVE]
        of_neutral = shares.get(NEUTRAL, np.zeros(len(p)))
        positive = labels == POSITIVE
        bins = np.minimum((of_positive * HISTOGRAM_BINS).astype(np.int64), HISTOGRAM_BINS - 1)
        return cls(
            rows=len(p),
            positive=int(positive.sum()),
            histogram=tuple(np.bincount(bins, minlength=HISTOGRAM_BINS).tolist()),
            groups=Groups() if group_values is None else Groups.of(group_values, positive.tolist()),
            most_negative=_extremes(review_ids, of_positive, of_neutral, texts, sign=1),
            most_positive=_extremes(review_ids, of_positive, of_neutral, texts, sign=-1),
            neutral=int((labels == NEUTRAL).sum()) if NEUTRAL in shares else None,
        )

    def merge(self, other: "ScoreStatistics") -> "ScoreStatistics":
        """The statistics of both sets of rows together."""
        return ScoreStatistics(
            rows=self.rows + other.rows,
            positive=self.positive + other.positive,
            histogram=tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True)),
            groups=self.groups.merge(other.groups),
            most_negative=_strongest((*self.most_negative, *other.most_negative), sign=1),
            most_positive=_strongest((*self.most_positive, *other.most_positive), sign=-1),
            neutral=_add(self.neutral, other.neutral),
        )

    @property
    def positive_share(self) -> float | None:
        """Share of positive rows; None when there are no rows."""
        return self.positive / self.rows if self.rows else None

    @property
    def neutral_share(self) -> float | None:
        """Share of neutral rows; None when there are no rows, or there is no such label."""
        return self.neutral / self.rows if self.rows and self.neutral is not None else None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ScoreStatistics":
        """Read what `asdict` gave. Raises: ValueError: the document is something else."""
        if not document.keys() >= {field.name for field in fields(cls)} - {"neutral"}:  # came later
            raise ValueError(f"not the statistics of a part: {document}")
        return _ANY.validate_python(document)


_ANY = TypeAdapter(ScoreStatistics)


def _add(one: int | None, other: int | None) -> int | None:
    return (one or 0) + (other or 0) if one is not None or other is not None else None


def _extremes(
    review_ids: Sequence[str],
    positive: npt.NDArray[np.float64],
    neutral: npt.NDArray[np.float64],
    texts: Sequence[str],
    sign: int,
) -> tuple[Example, ...]:
    """The strongest examples; all ties with the last are looked at before one is preferred."""
    found: dict[str, Example] = {}
    strengths = positive + neutral if sign > 0 else -positive
    last: float | None = None
    for row in np.argsort(strengths, kind="stable").tolist():
        strength = float(strengths[row])
        if last is not None and strength != last:
            break
        text = excerpt(texts[row], EXCERPT_CHARS)
        review_id = excerpt(str(review_ids[row]), ID_CHARS)
        example = Example(review_id, float(positive[row]), text, float(neutral[row]))
        known = found.get(text)
        if known is None or _order(example, sign) < _order(known, sign):
            found[text] = example
        if last is None and len(found) == EXAMPLES_KEPT:
            last = strength
    return _strongest(found.values(), sign)


def _strongest(examples: Iterable[Example], sign: int) -> tuple[Example, ...]:
    distinct: dict[str, Example] = {}
    for example in sorted(examples, key=lambda example: _order(example, sign)):
        distinct.setdefault(example.text, example)
    return tuple(distinct.values())[:EXAMPLES_KEPT]


def _order(example: Example, sign: int) -> tuple[float, str, str]:
    """Negative ones (sign 1) by what is not negative, positive ones (-1) by what is positive."""
    positive = example.positive_probability
    strength = positive + example.neutral_probability if sign > 0 else -positive
    return (strength, example.text, example.review_id)

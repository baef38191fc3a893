"""The card of a model: what whoever runs it has to know, in `card.json` beside it.

What the network reads, in which order and range; from which probability a transaction is called
fraud; how good it was on transactions it had not seen; and a few of these with the answers that
it must give again wherever it runs.

Its contract is the Handbook's, of the 15 features that the service can compute, or the model's own:
as many numbers as its features, which only the caller can compute. Cards of earlier versions name
no contract, and all are the Handbook's.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from services.fraud.errors import ModelError
from services.fraud.scoring.evaluation import Metrics
from services.fraud.transactions.features import FEATURES

FILE = "card.json"
BINS = 10

Contract = Literal["handbook", "own"]
HANDBOOK: Contract = "handbook"
OWN: Contract = "own"

Probability = Annotated[float, Field(ge=0, le=1)]
Row = Annotated[tuple[float, ...], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )


class FeatureRange(_Part):
    """A feature as the training rows had it; nothing is known of a model somebody else trained.

    `bins` are the edges between neighbouring bins, each upper edge inclusive, and `shares` how
    many of the rows lay in each bin: one more than edges. A feature with few distinct values has
    fewer bins than ten.
    """

    name: Annotated[str, Field(min_length=1)]
    minimum: float | None = None
    maximum: float | None = None
    typical: float | None = None  # the median of genuine transactions
    bins: tuple[float, ...] = ()
    shares: tuple[Probability, ...] = ()

    @field_validator("bins")
    @classmethod
    def _ascending(cls, bins: tuple[float, ...]) -> tuple[float, ...]:
        if any(left >= right for left, right in pairwise(bins)):
            raise ValueError("edges have to ascend")
        return bins


class GoldenAnswer(_Part):
    """A transaction's features, and the answer of the TFLite form to them."""

    features: Row
    probability: Probability


class Parity(_Part):
    """How far the TFLite form is from the Keras one, over so many rows."""

    rows: int = Field(ge=1)
    largest_difference: float = Field(ge=0)


class Card(_Part):
    """All that travels with a version of the model.

    In the file, the baseline's metrics are `floor_metrics` and the golden answers `canary`.
    """

    name: str = "fraud_detector"
    contract: Contract = HANDBOOK
    features: tuple[FeatureRange, ...]
    threshold: Probability
    alerts_per_day: float | None = None  # the budget the threshold came from
    metrics: Metrics | None = None
    baseline_metrics: Metrics | None = Field(  # a logistic regression on the same transactions
        None,
        validation_alias=AliasChoices("floor_metrics", "baseline_metrics"),
        serialization_alias="floor_metrics",
    )
    periods: dict[str, str] = Field(default_factory=dict)  # train and test, as dates
    recipe: dict[str, Any] = Field(default_factory=dict)
    data_digest: str | None = None
    code_version: str
    trained_at: datetime | None = None  # when registered, where somebody else trained it
    # In words: how a network from elsewhere is read (its input, names, scaling, output), and how a
    # file of transactions was that is not of our form.
    assumed: dict[str, str] = Field(default_factory=dict)
    parity: Parity
    golden: tuple[GoldenAnswer, ...] = Field(
        min_length=1,
        validation_alias=AliasChoices("canary", "golden"),
        serialization_alias="canary",
    )

    @field_validator("features")
    @classmethod
    def _in_order(
        cls, features: tuple[FeatureRange, ...], known: ValidationInfo
    ) -> tuple[FeatureRange, ...]:
        names = tuple(feature.name for feature in features)
        if known.data.get("contract") == HANDBOOK and names != FEATURES:
            raise ValueError("not the features of this service, or in another order")
        if not names or len(set(names)) < len(names):
            raise ValueError("there is none, or two have the same name")
        return features

    @field_validator("golden")
    @classmethod
    def _as_wide(
        cls, golden: tuple[GoldenAnswer, ...], known: ValidationInfo
    ) -> tuple[GoldenAnswer, ...]:
        width = len(known.data.get("features", ()))
        if width and any(len(answer.features) != width for answer in golden):
            raise ValueError(f"a row has not the {width} features")
        return golden

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order in which the network reads them."""
        return tuple(feature.name for feature in self.features)

    @property
    def width(self) -> int:
        """How many numbers the network reads for a transaction."""
        return len(self.features)

    @classmethod
    def read(cls, folder: Path) -> "Card":
        """Read the card of a model folder.

        Raises: ModelError: no card, or not one of ours; names the file and the field.
        """
        file = folder / FILE
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"]) or "the whole"
            raise ModelError(f"{file} is no card: {place}: {fault['msg']}") from error

    def write(self, folder: Path) -> None:
        """Write the card into a model folder."""
        (folder / FILE).write_text(
            self.model_dump_json(indent=1, by_alias=True) + "\n", encoding="utf-8"
        )


def contract_of(names: Sequence[str]) -> Contract:
    """The Handbook's where the features are, in their order; else the model's own."""
    return HANDBOOK if tuple(names) == FEATURES else OWN


def describe_features(
    rows: np.ndarray[Any, Any], is_fraud: Any, names: Sequence[str] = FEATURES
) -> tuple[FeatureRange, ...]:
    """The ranges of features in training rows, shape (n, features)."""
    genuine = rows[~np.asarray(is_fraud, dtype=bool)]
    return tuple(
        _describe(name, rows[:, place], genuine[:, place] if len(genuine) else rows[:, place])
        for place, name in enumerate(names)
    )


def _describe(
    name: str, values: np.ndarray[Any, Any], genuine: np.ndarray[Any, Any]
) -> FeatureRange:
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    edges = np.unique(quantiles)
    edges = edges[edges < values.max()]  # nothing would lie above it
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return FeatureRange(
        name=name,
        minimum=float(values.min()),
        maximum=float(values.max()),
        typical=float(np.median(genuine)),
        bins=tuple(edges.tolist()),
        shares=tuple((counts / len(values)).tolist()),
    )


def unknown_features(names: Sequence[str] = FEATURES) -> tuple[FeatureRange, ...]:
    """The features of a model whose training rows nobody has."""
    return tuple(FeatureRange(name=name) for name in names)


def numbered(width: int) -> tuple[str, ...]:
    """Names for features that have none: feature_1, feature_2, …"""
    return tuple(f"feature_{place}" for place in range(1, width + 1))

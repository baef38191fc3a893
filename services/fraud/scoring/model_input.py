"""What a model reads, and the requests that are checked by it: the one definition of both.

A request holds as many numbers as the model has features, in their order or by their names. It is
checked against the model that answers it: the next one may read others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, WithJsonSchema, create_model

from services.fraud.scoring.card import HANDBOOK, Card, Contract
from services.fraud.scoring.schema import LARGEST, MOST_JSON_ROWS, MOST_ROWS, RequestBody
from services.fraud.transactions.features import FEATURES

MOST_NUMBERS = MOST_ROWS * len(FEATURES)  # of a batch, however many each row has
MOST_NAMED, LONGEST_NAMED = 40, 100  # features that a message names, and characters of each
SHOWN = 3  # names of features, where a message has to be short
_USUAL = [57.16, 0, 0, 1, 57.16, 5, 48.9, 41, 54.1, 2, 0.0, 6, 0.0, 27, 0.0]


class WrongNames(ValueError):
    """Features by name lack some, or hold others; the message names all of them."""


class DetectRequest(RequestBody):
    """One transaction whose features the caller has computed."""

    transaction_data: list[float]
    reasons: Annotated[
        bool,
        Field(strict=True, description="whether to say which features moved the probability most"),
    ] = False


class BatchRequest(RequestBody):
    """Many transactions at once. A row that is wrong fails alone, so that any is taken."""

    transaction_data: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=MOST_JSON_ROWS,
            description="rows, each as in DetectRequest; what else a row is, is told in its result",
        ),
    ]


@dataclass(frozen=True, eq=False)
class ModelInput:
    """The features that a model reads. There is one of these for equal features in a process.

    Attributes:
        names: in the order in which the model reads them.
        request: what `/detect_fraud` takes.
        row: a list of numbers that the model can read.
        least: the least value; of the Handbook's features none is negative.
        sample: a row to try.
    """

    names: tuple[str, ...]
    contract: Contract
    request: type[DetectRequest]
    row: TypeAdapter[list[float]]
    least: float
    sample: Sequence[float]

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return len(self.names)

    @property
    def is_handbook(self) -> bool:
        """Whether the service can compute the features from a raw transaction."""
        return self.contract == HANDBOOK

    @property
    def range(self) -> str:
        """Which numbers a feature may be, in words."""
        return f"from {self.least:g} to {LARGEST:g}"

    def most_rows(self, limit: int) -> int:
        """How many rows of a batch fit into the memory that it may take; at most the limit."""
        return min(limit, MOST_NUMBERS // self.width)

    def in_order(self, given: Mapping[str, Any]) -> list[Any]:
        """The values of features that are given by name, whatever these are, in their order.

        Raises: WrongNames.
        """
        if len(given) == self.width and all(name in given for name in self.names):
            return [given[name] for name in self.names]
        known = frozenset(self.names)
        faults = [
            f"{what}: {_list(names)}"
            for what, names in (
                ("missing", [name for name in self.names if name not in given]),
                ("no features of this model", [name for name in given if name not in known]),
            )
            if names
        ]
        raise WrongNames("; ".join(faults))


@lru_cache(maxsize=16)
def model_input(contract: Contract, names: tuple[str, ...]) -> ModelInput:
    """What a model with these features reads."""
    least = 0.0 if contract == HANDBOOK else -LARGEST
    sample = _USUAL if contract == HANDBOOK else [0.0] * len(names)
    value = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=least, le=LARGEST)]
    row = Annotated[
        list[value],
        Field(min_length=len(names), max_length=len(names)),
        WithJsonSchema(_row_schema(names, least, sample)),
    ]
    request = create_model(
        "DetectRequest",
        __base__=DetectRequest,
        __doc__=DetectRequest.__doc__,
        transaction_data=(row, ...),
    )
    return ModelInput(names, contract, request, TypeAdapter(row), least, sample)


def _row_schema(names: Sequence[str], least: float, sample: Sequence[float]) -> dict[str, Any]:
    """A row in JSON Schema: the numbers in their order, or by name."""
    number = {"type": "number", "minimum": least, "maximum": LARGEST}
    return {
        "type": ["array", "object"],
        "description": f"The {len(names)} features, in this order or by name: {', '.join(names)}",
        "examples": [sample],
        "items": number,
        "minItems": len(names),
        "maxItems": len(names),
        "properties": dict.fromkeys(names, number),
        "required": list(names),
        "additionalProperties": False,
    }


def input_of(card: Card) -> ModelInput:
    """What the model of a card reads."""
    return model_input(card.contract, card.names)


def _list(names: Sequence[str]) -> str:
    """Names, of which callers may have made up any number of any length."""
    shown = ", ".join(name[:LONGEST_NAMED] for name in names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def describe(names: Sequence[str]) -> str:
    """How many features there are, and the first of their names."""
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} features ({', '.join(names[:SHOWN])}{more})"


HANDBOOK_INPUT = model_input(HANDBOOK, FEATURES)

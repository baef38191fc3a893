"""Requests and answers of the service: the one definition, also of its OpenAPI document.

No pydantic model here keeps a value that it refused: what callers send is never logged.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from services.fraud.state.completeness import REASONS
from services.fraud.transactions.fields import (
    AHEAD,
    LABEL_AHEAD,
    LARGEST_AMOUNT,
    LONGEST_ID,
    TIME_WANTED,
    as_cents,
    as_id,
    as_instant,
    as_label,
)

LARGEST = 1e12  # of a feature: float32 holds it, and sums of it, without overflow
MOST_ROWS = 1_000_000  # of a batch
MOST_JSON_ROWS = 100_000  # of a batch as JSON
MOST_LABELS = 100_000


def _in_whole_cents(amount: float) -> float:
    as_cents(amount)
    return amount


def _instant(time: object, *, day_will_do: bool = False, ahead: timedelta = AHEAD) -> datetime:
    if not isinstance(time, str):
        raise ValueError(TIME_WANTED)  # not seconds, or milliseconds
    instant = as_instant(time, day_will_do=day_will_do)
    if instant > datetime.now(UTC) + ahead:
        raise ValueError("lies in the future")
    return instant


def _moment(time: object) -> datetime | None:
    return None if time is None else _instant(time, day_will_do=True, ahead=LABEL_AHEAD)


Identifier = Annotated[
    str,
    AfterValidator(as_id),
    Field(
        description="1 to 64 characters, none of them invisible, without blanks at the ends",
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_ID},
    ),
]
Time = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(description="ISO 8601 with a time of day, past; without an offset it is UTC"),
]


class RequestBody(BaseModel):
    """Base of what callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class RawTransaction(RequestBody):
    """One transaction as it comes from the till; the service computes its features."""

    transaction_id: Identifier
    customer_id: Identifier
    terminal_id: Identifier
    amount: Annotated[
        float,
        Field(
            strict=True,
            allow_inf_nan=False,
            ge=0,
            le=LARGEST_AMOUNT,
            description="in the currency of the training data, with at most two decimals",
            examples=[57.16],
        ),
        AfterValidator(_in_whole_cents),
    ]
    time: Time


_TOLD = r"^ *([01](\.0)?|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]) *$"  # what `as_label` reads in text


class Label(RequestBody):
    """What a transaction has turned out to be."""

    transaction_id: Identifier
    is_fraud: Annotated[
        bool,
        BeforeValidator(as_label),
        Field(description="1 and 0 are taken as well, also as text"),
        WithJsonSchema(
            {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": _TOLD}]}
        ),
    ]
    labelled_at: Annotated[
        datetime | None,
        BeforeValidator(_moment),
        Field(description="ISO 8601, or a day; default: now"),
    ] = None


class GivenLabel(NamedTuple):
    """A label that has been checked, one of many: light, for the memory's sake and the collector's.

    labelled_at: None: now.
    """

    transaction_id: str
    is_fraud: bool
    labelled_at: datetime | None


class LabelsRequest(RequestBody):
    """Labels that have become known; the latest of a transaction counts."""

    labels: Annotated[list[Label], Field(min_length=1, max_length=MOST_LABELS)]


Probability = Annotated[float, Field(ge=0, le=1, description="of fraud")]
Threshold = Annotated[float, Field(ge=0, le=1, description="from which on it is called fraud")]
Model = Annotated[str, Field(description="tag of the model that answered")]
RequestId = Annotated[str, Field(description="of this answer, in the header X-Request-ID too")]


class Reason(_Answer):
    """A feature that moved the probability."""

    feature: str
    value: float
    typical: Annotated[
        float,
        Field(description="in the model's card: the median of genuine transactions in training"),
    ]
    effect: Annotated[
        float,
        Field(
            description="log-odds of fraud with this value less those with the typical one;"
            " above 0 it speaks for fraud"
        ),
    ]


class DetectAnswer(_Answer):
    """Whether a transaction is fraud."""

    is_fraud: bool
    probability: Probability
    threshold: Threshold
    model: Model
    request_id: RequestId
    reasons: Annotated[
        list[Reason] | None,
        Field(
            description="only if asked for: strongest first, at most three; null where the model's"
            " card knows no typical values"
        ),
    ] = None


class ScoreAnswer(DetectAnswer):
    """Whether a raw transaction is fraud, and why. A retry gets the same answer."""

    transaction_id: str
    reasons: Annotated[list[Reason], Field(description="strongest first, at most three")]
    state_age_s: Annotated[
        float | None,
        Field(description="from the history's last snapshot to the transaction; null without one"),
    ]
    degraded: Annotated[
        list[Literal[REASONS]],  # type: ignore[valid-type]  # they are its members
        Field(
            description="why the windows may be incomplete; empty if they are not. no_snapshot:"
            " no history has been loaded; old_snapshot: the last one is too old; old_labels:"
            " labels do not reach up to the terminal's windows; a window: it begins before the"
            " history does; not_recorded: later windows will miss this transaction"
        ),
    ]


class FieldError(_Answer):
    """One thing that is wrong with a request."""

    field: Annotated[str, Field(description="path to it, such as transaction_data.3")]
    message: str


class BatchResult(_Answer):
    """Of one row: a probability, or what is wrong with it."""

    is_fraud: bool | None
    probability: Probability | None
    error: FieldError | None


class BatchAnswer(_Answer):
    """Results in the order of the rows."""

    results: list[BatchResult]
    rows: int
    rejected: int
    threshold: Threshold
    model: Model
    request_id: RequestId


class LabelsAnswer(_Answer):
    """What became of the labels. All are kept, also those of unknown transactions."""

    accepted: int
    known: Annotated[int, Field(description="of transactions in the current windows")]
    request_id: RequestId


class Problem(_Answer):
    """Why a request was not answered."""

    code: Annotated[str, Field(description="stable, for programs", examples=["invalid_request"])]
    message: Annotated[str, Field(description="for people")]
    fields: Annotated[list[FieldError], Field(description="empty if no field is to blame")]
    request_id: RequestId


class ErrorAnswer(_Answer):
    """The shape of every error."""

    error: Problem


class Readiness(_Answer):
    """Whether the service can answer, and with what."""

    ready: bool
    model: Model | None
    registered: Annotated[
        str | None,
        Field(description="tag of the champion; if it is not model's, waiting_for says why"),
    ]
    threshold: Annotated[float | None, Field(description="of the model that answers")]
    contract: Annotated[
        Literal["handbook", "own"] | None,
        Field(description="own: it reads features that the service cannot compute"),
    ]
    features: Annotated[list[str] | None, Field(description="that it reads, in this order")]
    new_contract: Annotated[
        str | None, Field(description="how they differ from those that were read until the swap")
    ]
    shadow: str | None
    state_as_of: Annotated[datetime | None, Field(description="time of the last snapshot")]
    state_age_s: Annotated[float | None, Field(description="age of the last snapshot now")]
    waiting_for: Annotated[
        str | None,
        Field(description="what is missing, or why another model answers than the one registered"),
    ]

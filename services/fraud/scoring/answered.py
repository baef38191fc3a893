"""One answer while it is made: what was decided, for which features, and its row of the log."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.fraud.log.rows import Row
from services.fraud.scoring.scorer import FraudScorer
from services.fraud.state.state import Transaction


@dataclass(slots=True)
class Answered:
    """What is known of an answer; whoever decides anew writes over it.

    Attributes:
        began: `time.perf_counter()` when the request had arrived.
        degraded: why the windows may be incomplete.
    """

    endpoint: str
    scorer: FraudScorer
    request_id: str
    began: float
    transaction: Transaction | None = None
    features: Sequence[float] = ()
    probability: float = 0.0
    is_fraud: bool = False
    shadow: FraudScorer | None = None
    shadow_probability: float | None = None
    state_age_s: float | None = None
    degraded: list[str] = field(default_factory=list)

    def ask_shadow(self, shadow: FraudScorer | None) -> None:
        """Let the shadow score along, if it reads the same: else a swap is under way."""
        self.shadow = self.shadow_probability = None
        if shadow is not None and shadow.input is self.scorer.input:
            self.shadow, self.shadow_probability = shadow, shadow.probability(self.features)

    def row(self) -> Row:
        """The values of a `Prediction`."""
        scorer, given = self.scorer, self.transaction
        is_handbook = scorer.input.is_handbook
        amount = float(self.features[0]) if is_handbook else None
        own = None if is_handbook else dict(zip(scorer.input.names, self.features, strict=True))
        return (
            self.request_id,
            self.endpoint,
            given.transaction_id if given else None,
            given.customer_id if given else None,
            given.terminal_id if given else None,
            given.cents / 100 if given else amount,
            given.time if given else None,
            time.time(),
            scorer.tag,
            self.probability,
            scorer.threshold,
            self.is_fraud,
            self.shadow and self.shadow.tag,
            self.shadow_probability,
            self.state_age_s,
            ",".join(self.degraded) or None,
            ms_since(self.began),
            self.features if is_handbook else None,
            own,
        )


def ms_since(began: float) -> float:
    """Milliseconds since a moment of `time.perf_counter()`."""
    return round((time.perf_counter() - began) * 1e3, 4)

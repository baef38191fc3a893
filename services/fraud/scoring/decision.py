"""An answer to a raw transaction as it comes about."""

from dataclasses import dataclass, field

import orjson

from services.fraud.scoring.scorer import Cause


@dataclass
class Decision:
    """Its parts, some of which are known only after others; see `ScoreAnswer`."""

    model: str
    threshold: float
    request_id: str
    transaction_id: str
    state_age_s: float | None
    degraded: list[str] = field(default_factory=list)
    features: list[float] = field(default_factory=list)
    probability: float = 0.0
    is_fraud: bool = False
    reasons: list[Cause] = field(default_factory=list)

    def as_json(self) -> bytes:
        return orjson.dumps(
            {
                "is_fraud": self.is_fraud,
                "probability": self.probability,
                "threshold": self.threshold,
                "model": self.model,
                "request_id": self.request_id,
                "transaction_id": self.transaction_id,
                "reasons": self.reasons,
                "state_age_s": self.state_age_s,
                "degraded": self.degraded,
            }
        )

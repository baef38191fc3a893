"""The fraud detector behind the door: features, probability, decision, reasons, and its records.

Knows no HTTP. Every method but `score_rows` and `label` is called from the event loop's thread
alone, and keeps it for microseconds.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.fraud.errors import OtherContract, StateUnavailable
from services.fraud.log.log import AnswerLog
from services.fraud.log.rows import Row, as_document
from services.fraud.log.tables import Batch
from services.fraud.log.tables import Label as LabelRow
from services.fraud.metrics import Metrics
from services.fraud.scoring.answered import Answered, ms_since
from services.fraud.scoring.champion import Champion
from services.fraud.scoring.model_input import describe
from services.fraud.scoring.schema import GivenLabel, RawTransaction
from services.fraud.scoring.scorer import FraudScorer
from services.fraud.state.completeness import NO_SNAPSHOT, NOT_RECORDED, Coverage
from services.fraud.state.held_state import HeldState
from services.fraud.state.state import PATIENCE_S, Transaction
from services.fraud.transactions.features import Windows, assemble

IMPATIENT_S = 0.01  # of the one after a request that has waited in vain


class NotReady(Exception):
    """There is nothing to answer with yet; the message says what is missing."""


@dataclass(frozen=True)
class Rows:
    """Answers to a batch, in its order; those of rows that were refused mean nothing."""

    probabilities: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    threshold: float
    model: str


class Detector:
    """Answers with the champion of the moment, and leaves one row for each answer."""

    def __init__(
        self,
        champion: Champion,
        state: HeldState,
        log: AnswerLog,
        metrics: Metrics,
        *,
        max_state_age_s: float,
    ) -> None:
        self._champion, self._state, self._log = champion, state, log
        self._metrics, self._max_state_age_s = metrics, max_state_age_s
        self._patience_s = PATIENCE_S

    def scorer(self) -> FraudScorer:
        """The model that answers now: what is checked for it has to be answered by it.

        Raises: NotReady: there is no model.
        """
        scorer = self._champion.scorer
        if scorer is None:
            raise NotReady(f"waiting for {self._champion.lacking}")
        return scorer

    def detect(
        self,
        scorer: FraudScorer,
        features: Sequence[float],
        request_id: str,
        began: float,
        *,
        reasons: bool = False,
    ) -> bytes:
        """Answer for features that the caller has computed, as JSON.

        began: `time.perf_counter()` when the request had arrived. reasons: whether to give them.
        """
        answered = Answered("/detect_fraud", scorer, request_id, began, features=features)
        answered.probability, answered.is_fraud = self._decide(scorer, features)
        self._record(answered)
        answer = {
            "is_fraud": answered.is_fraud,
            "probability": answered.probability,
            **_of_model(scorer, request_id),
        }
        if reasons:
            answer["reasons"] = (
                scorer.causes(features, answered.probability) if scorer.knows_typical else None
            )
        return orjson.dumps(answer)

    async def score(self, raw: RawTransaction, request_id: str, began: float) -> bytes:
        """Answer for a raw transaction, as JSON; a retry gets the bytes of the first answer.

        Raises:
            NotReady: there is no model.
            OtherContract: the transaction is new, and the model reads features of its own.
            TransactionConflict: the transaction is known, with another content.
            StateBusy: others write the state just now; call it again in a moment.
            StateUnavailable: the windows cannot be read.
        """
        scorer, state = self.scorer(), self._state.get()
        keys, cents = (raw.transaction_id, raw.customer_id, raw.terminal_id), raw.amount * 100
        transaction = Transaction(*keys, round(cents), epoch_s(raw.time))
        answered = Answered("/score_transaction", scorer, request_id, began, transaction)
        decision: dict[str, Any] = {}  # a `ScoreAnswer`

        def decide(windows: Windows, covered: Coverage | None) -> bytes:
            self._decide_on(answered, transaction, windows, covered)
            decision.update(
                is_fraud=answered.is_fraud,
                probability=answered.probability,
                **_of_model(scorer, request_id),
                transaction_id=raw.transaction_id,
                reasons=scorer.causes(answered.features, answered.probability),
                state_age_s=answered.state_age_s,
                degraded=answered.degraded,
            )
            return orjson.dumps(decision)

        outcome = await state.once(
            transaction,
            decide,
            asks_again=time.perf_counter() - began < self._patience_s,
            log_row=lambda: as_document(self._row(answered)),
        )
        self._patience_s = PATIENCE_S if outcome.recorded else IMPATIENT_S
        if not outcome.new:
            self._metrics.retries.inc()
            return outcome.answer
        if not outcome.recorded:
            answered.degraded.append(NOT_RECORDED)
        for reason in answered.degraded:
            self._metrics.degraded.labels(reason).inc()
        self._record(answered, is_logged=outcome.logged)
        return outcome.answer if outcome.recorded else orjson.dumps(decision)

    def score_rows(
        self,
        scorer: FraudScorer,
        rows: NDArray[np.float32],
        refused: NDArray[np.bool_],
        body: bytes,
        request_id: str,
        began: float,
    ) -> Rows:
        """Answer for many rows of features at once; from any thread.

        rows: shape (n, width). refused: rows that are not to be answered, shape (n,).
        """
        probabilities = scorer.probabilities(rows).astype(float)
        is_fraud = (probabilities >= scorer.threshold) & ~refused
        self._log.add_batch(
            Batch(
                request_id,
                len(rows),
                int(refused.sum()),
                int(is_fraud.sum()),
                scorer.tag,
                time.time(),
                ms_since(began),
                hashlib.sha256(body).hexdigest(),
            )
        )
        return Rows(probabilities, is_fraud, scorer.threshold, scorer.tag)

    def label(self, labels: Sequence[GivenLabel]) -> int:
        """Take note of what transactions have turned out to be; how many the windows know."""
        now = time.time()
        rows = [
            LabelRow(
                label.transaction_id,
                label.is_fraud,
                epoch_s(label.labelled_at) if label.labelled_at else now,
                now,
            )
            for label in labels
        ]
        self._log.add_labels(rows)
        return self._state.get().label(row[:3] for row in rows)

    def readiness(self) -> dict[str, Any]:
        """What `Readiness` says."""
        scorer, shadow = self._champion.scorer, self._champion.shadow
        try:
            as_of, fault = self._state.get().as_of, None
        except StateUnavailable as error:
            as_of, fault = None, str(error)
        return {
            "ready": scorer is not None,
            "model": scorer and scorer.tag,
            "registered": self._champion.registered,
            "threshold": scorer and scorer.threshold,
            "contract": scorer and scorer.input.contract,
            "features": scorer and list(scorer.input.names),
            "new_contract": self._champion.new_contract,
            "shadow": shadow and shadow.tag,
            "state_as_of": None if as_of is None else datetime.fromtimestamp(as_of, UTC),
            "state_age_s": None if as_of is None else max(0.0, time.time() - as_of),
            "waiting_for": "; ".join(filter(None, (self._champion.lacking, fault))) or None,
        }

    def _decide_on(
        self,
        answered: Answered,
        transaction: Transaction,
        windows: Windows,
        covered: Coverage | None,
    ) -> None:
        """Decide by the windows, and say how old they are, and why they may be incomplete."""
        if covered is None:  # nothing is known to be complete
            answered.state_age_s, answered.degraded = None, [NO_SNAPSHOT]
        else:
            answered.state_age_s = max(0.0, float(transaction.time - covered.as_of))
            answered.degraded = covered.faults(transaction.time, self._max_state_age_s)
        found = self._features(answered.scorer, transaction, windows)
        answered.features = list(map(float, found))
        answered.probability, answered.is_fraud = self._decide(answered.scorer, answered.features)

    def _features(self, scorer: FraudScorer, given: Transaction, windows: Windows) -> list[Any]:
        """The features of a raw transaction. Raises: OtherContract: the model reads others."""
        if not scorer.input.is_handbook:
            raise OtherContract(
                f"{scorer.tag} reads {describe(scorer.input.names)} of its own, which are not"
                " computed from a raw transaction: send them to /detect_fraud"
            )
        return assemble(given.cents, given.time, windows)

    def _decide(self, scorer: FraudScorer, features: Sequence[float]) -> tuple[float, bool]:
        began = time.perf_counter()
        probability = scorer.probability(features)
        self._metrics.model_time.observe(time.perf_counter() - began)
        return probability, probability >= scorer.threshold

    def _row(self, answered: Answered) -> Row:
        """Its row of the log, with what the shadow says."""
        answered.ask_shadow(self._champion.shadow)
        return answered.row()

    def _record(self, answered: Answered, *, is_logged: bool = False) -> None:
        """Count an answer, and log it unless its row was written together with it."""
        if is_logged:
            self._log.count_written()
        else:
            self._log.add(self._row(answered))
        self._metrics.probability.observe(answered.probability)
        if answered.is_fraud:
            self._metrics.flagged.inc()
        if answered.shadow_probability is not None:
            difference = abs(answered.shadow_probability - answered.probability)
            self._metrics.shadow_difference.observe(difference)


def epoch_s(time: datetime) -> int:
    """Seconds since 1970; a time without an offset is UTC."""
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _of_model(scorer: FraudScorer, request_id: str) -> dict[str, object]:
    """What stands in each answer."""
    return {"threshold": scorer.threshold, "model": scorer.tag, "request_id": request_id}

"""The fraud model: rows of features, its night over Parquet, `/detect_fraud`, TFLite.

`/detect_fraud` is asked because it has no memory: `/score_transaction` would count each row into
the windows of the next one, and answer a known id from its record.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from services.fraud.scoring.card import Card
from tasks.comparison.errors import MeasuringError
from tasks.comparison.measuring.doors.fraud_home import ABOUT, MODEL, ROWS_FILE
from tasks.comparison.measuring.doors.server import environment
from tasks.comparison.measuring.doors.subject import Job, Night, Scores, Told
from tasks.orchestration.child import ended_with_us

WHERE_MODELS_ARE = ("BENTOML_HOME", "TRIPTYCH_FRAUD_STATE_URL")  # the user's
BOUND_MS = 10.0  # "within milliseconds", with the network and a queue
TOLERANCE = 1e-5  # as a card's golden answers are checked
TOLD = Told(
    doors={
        "night": "python -m services.fraud.night: a Parquet table of features, by the champion",
        "service": "POST /detect_fraud of services.fraud.service:FraudDetector",
        "device": "model.tflite in the device's TFLite runtime, one thread",
    },
    without_network={
        "night": "the night's file, if it lies on the machine; what it has scored stays readable",
        "service": "nothing: callers get no answer",
        "device": "everything, from features that the device computes itself",
    },
    notes={
        "device": (
            "a card terminal sees its own transactions alone: the windows over other terminals"
            " have to be sent to it",
        ),
    },
)


class FraudSubject:
    """See `Subject`."""

    name = "fraud"
    bound_ms = BOUND_MS
    tolerance = TOLERANCE
    service = "services.fraud.service:FraudDetector"
    path = "/detect_fraud"
    told = TOLD

    def __init__(self, home: Path) -> None:
        """home: as `fraud_home` makes it."""
        self.home = home
        self._features = np.load(home / ROWS_FILE)
        self.rows = len(self._features)
        about = json.loads((home / ABOUT).read_text("utf-8"))
        self.version, self.digest = about["version"], about["digest"]
        card = Card.read(home / MODEL)
        self._names, self._threshold = card.names, card.threshold
        self._nights = 0

    def environment(self) -> Mapping[str, str]:
        return {}

    def body(self, row: int) -> bytes:
        return json.dumps({"transaction_data": self._features[row].tolist()}).encode()

    def score(self, answer: Mapping[str, Any]) -> float:
        return float(answer["probability"])

    def label(self, scores: Scores) -> NDArray[np.bool_]:
        return scores >= self._threshold

    @contextmanager
    def night(self) -> Iterator[Night]:
        yield self

    def job(self, rows: Sequence[int]) -> Job:
        """See `Night`."""
        self._nights += 1
        source = self.home / f"night-{self._nights}.parquet"
        output = self.home / f"scored-{self._nights}.parquet"
        features = self._features[list(rows)]
        columns = {name: features[:, place] for place, name in enumerate(self._names)}
        pq.write_table(pa.table(columns), source)
        command = (
            *(sys.executable, "-m", "services.fraud.night"),
            *("--source", str(source), "--output", str(output)),
        )
        return Job(command, environment(self.home), lambda: _read(output, len(rows)))

    def device_files(self) -> tuple[Path, Path]:
        return self.home / MODEL, self.home / ROWS_FILE


def open_fraud(users_home: Path, scratch: Path, seed: int) -> FraudSubject:
    """The user's champion, or a small model of the same kind, in a home of its own.

    Raises: MeasuringError: it could not be made.
    """
    home = scratch / "fraud"
    home.mkdir()
    store = {name: os.environ[name] for name in WHERE_MODELS_ARE if name in os.environ}
    made = subprocess.run(
        [
            *(sys.executable, "-m", "tasks.comparison.measuring.doors.fraud_home"),
            *(str(users_home), str(home), str(seed)),
        ],
        env=environment(home, **store),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=ended_with_us(signal.SIGTERM),
    )
    if made.returncode:
        *_, reason = made.stderr.strip().splitlines() or ["no reason was given"]
        raise MeasuringError(f"no fraud model could be made to compare: {reason}")
    return FraudSubject(home)


def _read(output: Path, rows: int) -> Scores:
    scores: Scores = pq.read_table(output)["probability"].to_numpy().astype(np.float64)
    if len(scores) != rows or np.isnan(scores).any():
        raise MeasuringError(f"the night answered {np.isfinite(scores).sum()} of {rows} rows")
    return scores

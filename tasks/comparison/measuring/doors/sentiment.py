"""The sentiment model: reviews, the nightly flow, `/score`, ONNX Runtime on one thread.

A device would run ONNX Runtime and not TFLite: the graph is there already, for texts of any length
and with int8 products, and TFLite would need a graph of its own for each length. The precision is
chosen once on this machine, and is the same in all three ways.
"""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measuring.doors.server import environment
from tasks.comparison.measuring.doors.subject import Job, Night, Scores, Told
from tasks.sentiment.reading.source import open_source
from tasks.sentiment.scoring.machine import usable_cores
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.precision import choose_precision
from tasks.sentiment.text import clean

MODEL = "triptych-sentiment"
REVIEWS = Path(__file__).parents[3] / "sentiment" / "demo" / "reviews.csv"
ROWS = 4_096
SAMPLE = 256  # texts on which precisions are measured
BOUND_MS = 100.0  # what a reader takes as at once
TOLERANCE = 1e-4
DAY = "2026-01-01"  # of the nights that are measured
TOLD = Told(
    doors={
        "night": "triptych score_sentiment: the nightly flow, into Parquet and SQL",
        "service": "POST /score of tasks.sentiment.service.service:SentimentScorer",
        "device": "the graph in ONNX Runtime, one thread, as the device's loop runs a model",
    },
    without_network={
        "night": "the night's file, if it lies on the machine; what it has scored stays readable",
        "service": "nothing: callers get no answer",
        "device": "everything",
    },
    notes={
        "night": (
            "the Prefect server runs anyway, and is not counted",
            "equal texts are computed once in a night: here, all differ",
        ),
        "device": ("ONNX Runtime: TFLite would need a graph for each length of text",),
    },
)


class SentimentSubject:
    """See `Subject`."""

    name = "sentiment"
    bound_ms = BOUND_MS
    tolerance = TOLERANCE
    service = "tasks.sentiment.service.service:SentimentScorer"
    path = "/score"
    told = TOLD

    def __init__(self, home: Path, texts: Sequence[str], precision: str) -> None:
        """texts: as they were written, before any cleaning, all different."""
        self.home, self._texts, self._precision = home, texts, precision
        self.rows = len(texts)
        self._model = find_model(MODEL, cache=home / "cache")
        self.version, self.digest = f"{MODEL}, {precision}", self._model.digest
        self._file = home / "rows.json"
        self._file.write_text(
            json.dumps({"precision": precision, "texts": list(texts)}), encoding="utf-8"
        )
        self._nights = 0
        self._access: Mapping[str, str] = {}

    def environment(self) -> Mapping[str, str]:
        return {
            "TRIPTYCH_SENTIMENT_MODEL": MODEL,
            "TRIPTYCH_SENTIMENT_PRECISION": self._precision,
        }

    def body(self, row: int) -> bytes:
        return json.dumps({"text": self._texts[row]}).encode()

    def score(self, answer: Mapping[str, Any]) -> float:
        return float(answer["probabilities"]["POSITIVE"])

    def label(self, scores: Scores) -> NDArray[np.bool_]:
        return scores >= 0.5

    @contextmanager
    def night(self) -> Iterator[Night]:
        """With a Prefect server that runs already, as it does where nights are scheduled."""
        from tasks.orchestration.prefect_access import client_environment, password
        from tasks.orchestration.prefect_api import ApiError, own_server

        try:
            with own_server(self.home, password(self.home), lambda line: None) as server:
                self._access = client_environment(self.home, server.url)
                yield self
        except ApiError as error:
            raise MeasuringError(str(error)) from error

    def job(self, rows: Sequence[int]) -> Job:
        """See `Night`. A row that is there again carries a number, so that it is computed again."""
        self._nights += 1
        name = f"night{self._nights}"
        source = self.home / f"{name}.parquet"
        turns: Counter[int] = Counter()
        texts = []
        for row in rows:
            texts.append(f"{self._texts[row]} {turns[row]}" if turns[row] else self._texts[row])
            turns[row] += 1
        places = [str(place) for place in range(len(texts))]
        pq.write_table(pa.table({"place": places, "review": texts}), source)
        command = (
            *(sys.executable, "-m", "flows.score_sentiment", "--source", str(source)),
            *("--source-name", name, "--text-column", "review", "--id-column", "place"),
            *("--model", MODEL, "--precision", self._precision, "--run-date", DAY),
        )
        parts = self.home / "sentiment" / "scores" / f"run_date={DAY}"
        return Job(
            command,
            environment(self.home, **self._access),
            lambda: _read(parts.glob(f"part-{name}-*.parquet"), len(rows)),
        )

    def device_files(self) -> tuple[Path, Path]:
        return self._model.path, self._file


def open_sentiment(users_home: Path, scratch: Path) -> SentimentSubject:
    """The bundled model in the precision that is the fastest on this machine."""
    home = scratch / "sentiment"
    home.mkdir()
    texts = varied_texts(ROWS)
    model = find_model(MODEL, cache=users_home / "cache")

    def sample() -> list[str]:
        return [clean(text) for text in texts[:SAMPLE]]

    choice = choose_precision(model, sample, users_home / "cache", usable_cores())
    (home / "cache").mkdir()
    if (remembered := users_home / "cache" / "precision.json").is_file():
        shutil.copyfile(remembered, home / "cache" / "precision.json")
    # bfloat16 is torch's: no device of that kind runs it.
    precision = "float32" if choice.precision == "bfloat16" else choice.precision
    return SentimentSubject(home, texts, precision)


def varied_texts(count: int) -> list[str]:
    """Different reviews as they were written: the demo's, then the same with a number behind."""
    texts: dict[str, str] = {}
    for row in open_source(str(REVIEWS)).rows(["review"]):
        text = row.values["review"] if row.values else None
        if isinstance(text, str) and text.isprintable() and clean(text):
            texts.setdefault(clean(text), text)
    known = list(texts.values())
    turns = (divmod(place, len(known)) for place in range(count))
    return [f"{known[place]} {turn}" if turn else known[place] for turn, place in turns]


def _read(parts: Iterator[Path], rows: int) -> Scores:
    scores = np.full(rows, np.nan)
    for part in parts:
        table = pq.read_table(part, columns=["review_id", "positive_probability"])
        places = np.array(table["review_id"].to_pylist()).astype(np.int64)
        scores[places] = table["positive_probability"].to_numpy()
    if np.isnan(scores).any():
        raise MeasuringError(f"the night answered {np.isfinite(scores).sum()} of {rows} rows")
    return scores

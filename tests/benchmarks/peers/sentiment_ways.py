"""Ways to score reviews, and the limit of all: what `bench_sentiment` takes its turns of."""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.sentiment.scoring.encoder import read_encoder
from tasks.sentiment.scoring.machine import usable_cores
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.precision import choose_precision
from tasks.sentiment.scoring.scorer import Scorer
from tasks.sentiment.scoring.tokens import TokenReader
from tests.benchmarks.peers.matrix_product import MatrixProduct, operations

FLOW = "the whole flow"
SCORER = "our scorer"
LIMIT = "matrix product"
LOOP = "pipeline(text), one by one"
BATCHED = "pipeline(texts, batch_size=32)"
PRECISIONS = ("float32", "bfloat16", "int8")
Score = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Turn:
    """What a way did in one round; probability: of its texts, if it tells."""

    rate: float
    probability: np.ndarray | None = None


@dataclass(frozen=True)
class Way:
    """A way that is ready; `take` takes the number of the round."""

    name: str
    reviews: int
    take: Callable[[int], Turn]


@dataclass(frozen=True)
class Sizes:
    """How many reviews each peer gets in a round; slow ones get fewer."""

    loop: int
    pipeline: int
    scorer: int
    flow: int


def ways_of(
    model: ModelFolder, name: str, texts: Sequence[str], sizes: Sizes, scratch: Path
) -> Iterator[tuple[str, int, Callable[[], Way]]]:
    """Each way's name, how many reviews it gets, and what makes it ready."""

    def scoring(way: str, reviews: int, open_score: Callable[[], Score]) -> Way:
        score = open_score()
        score(texts[:32])  # warm
        return Way(way, reviews, lambda _: _timed(score, texts[:reviews]))

    for way, reviews, batch_size in ((LOOP, sizes.loop, None), (BATCHED, sizes.pipeline, 32)):
        open_score = partial(_pipeline, model, batch_size)
        yield way, reviews, partial(scoring, way, reviews, open_score)
    for precision in PRECISIONS:
        way = f"{SCORER}, {precision}"
        open_score = partial(_scorer, model, precision)
        yield way, sizes.scorer, partial(scoring, way, sizes.scorer, open_score)
        limit = partial(_limit, model, precision, texts[: sizes.scorer])
        yield f"{LIMIT}, {precision}", sizes.scorer, limit
    flow = partial(_flow, model, name, texts[: sizes.flow], scratch)
    yield FLOW, sizes.flow, flow


def _timed(score: Score, texts: Sequence[str]) -> Turn:
    started = time.perf_counter()
    probability = score(texts)
    return Turn(len(texts) / (time.perf_counter() - started), probability)


def _scorer(model: ModelFolder, precision: str) -> Score:
    scorer = Scorer(model, precision)
    if precision != "bfloat16":
        return scorer.score
    import torch

    def score(texts: Sequence[str]) -> np.ndarray:
        torch.set_num_threads(1)  # as it was opened; the pipelines have set it to all cores
        return scorer.score(texts)

    return score


def _limit(model: ModelFolder, precision: str, texts: Sequence[str]) -> Way:
    """What the scorer cannot surpass, in reviews like these per second."""
    encoder = read_encoder(model.path, model.config, model.inputs.first_position)
    if encoder is None:
        raise ValueError("the products of this architecture are not counted")
    reader = TokenReader(model.tokenizer, model.inputs.max_tokens, model.inputs.pad_id)
    per_review = operations(encoder, [len(ids) for ids in reader.read(texts)]) / len(texts)
    product = MatrixProduct(precision)
    return Way(
        f"{LIMIT}, {precision}",
        len(texts),
        lambda _: Turn(product.operations_per_second() / per_review),
    )


def _pipeline(model: ModelFolder, batch_size: int | None) -> Score:
    import torch
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=str(model.path))
    options = {"truncation": True, "max_length": model.inputs.max_tokens}

    def score(texts: Sequence[str]) -> np.ndarray:
        torch.set_num_threads(usable_cores())  # our scorer sets it to one
        if batch_size is None:
            answers = [classify(text, **options)[0] for text in texts]
        else:
            answers = classify(list(texts), batch_size=batch_size, **options)
        return np.array(
            [a["score"] if a["label"] == "POSITIVE" else 1 - a["score"] for a in answers]
        )

    return score


def _flow(model: ModelFolder, name: str, texts: Sequence[str], scratch: Path) -> Way:
    """The flow against a local Prefect server, from its call to its return.

    The precision is chosen beforehand, as it is in every run but the first.
    """
    for name_of_setting in [n for n in os.environ if n.startswith(("TRIPTYCH_", "PREFECT_API_"))]:
        del os.environ[name_of_setting]  # the user's database and server stay as they are
    os.environ["TRIPTYCH_HOME"] = str(scratch / "var")
    cache = scratch / "var" / "cache"
    choice = choose_precision(model, lambda: texts[:256], cache, usable_cores())

    def take(number: int) -> Turn:
        file = scratch / f"{name}-{number}.csv"  # a file of its own, else the work is done already
        pd.DataFrame({"id": range(len(texts)), "review": texts}).to_csv(file, index=False)
        return _timed_flow(model, file, scratch / "var")

    return Way(f"{FLOW}, {choice.precision}", len(texts), take)


def _timed_flow(model: ModelFolder, file: Path, home: Path) -> Turn:
    from flows.score_sentiment import ScoreSentiment, score_sentiment
    from tasks.orchestration.command_line import quieten_prefect
    from tasks.orchestration.prefect_api import prefect_api

    silence = contextlib.redirect_stdout(io.StringIO())
    with prefect_api(home, lambda _: None), silence:
        quieten_prefect()
        started = time.perf_counter()
        outcome = score_sentiment(
            ScoreSentiment(source=str(file), text_column="review", id_column="id", model=model.name)
        )
        seconds = time.perf_counter() - started
    return Turn(outcome.scored / seconds)

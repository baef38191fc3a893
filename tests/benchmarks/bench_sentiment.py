"""Reviews per second: the original script's loop, its batched form, our scorer, the whole flow.

    python -m tests.benchmarks.bench_sentiment [--source FILE --text-column NAME] [--quick]

All peers run one after another in one process on the same texts, with a model of DistilBERT's
shape and with the bundled one. The original script is `pipeline(text)` for one text after
another. Prints a table and writes var/benchmarks/sentiment.json.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from tasks.sentiment.model import ModelFolder, find_model
from tasks.sentiment.precision import choose_precision
from tasks.sentiment.scorer import Scorer
from tests.benchmarks.distilbert_shape import write_distilbert_shape
from tests.benchmarks.texts import DEMO, varied_texts

BUNDLED = "triptych-sentiment"


@dataclass(frozen=True)
class Result:
    """One way to score. agreement: share of labels that are float32's; None for the flow."""

    model: str
    way: str
    reviews: int
    reviews_per_second: float
    agreement: float | None
    largest_difference: float | None


@dataclass(frozen=True)
class Sizes:
    """How many reviews each peer gets; slow ones get fewer."""

    loop: int
    pipeline: int
    scorer: int
    flow: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=DEMO, help="reviews to score")
    parser.add_argument("--text-column", default="review")
    parser.add_argument("--quick", action="store_true", help="a tenth of the reviews")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/sentiment.json"))
    given = parser.parse_args()
    part = 10 if given.quick else 1
    texts = list(varied_texts(20_000, given.source, given.text_column))
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "var" / "cache"
        bundled = find_model(BUNDLED, cache=cache)
        folder = Path(scratch) / "distilbert-shape"
        write_distilbert_shape(folder, bundled, texts[:600])
        for model, sizes in (
            (find_model(str(folder), cache=cache), Sizes(100, 200, 1_000, 2_000)),
            (bundled, Sizes(500, 1_000, 20_000, 20_000)),
        ):
            name = Path(model.name).name
            sized = Sizes(*(max(32, size // part) for size in asdict(sizes).values()))
            results += bench(model, name, texts, sized, Path(scratch))
    Console().print(render(results))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "cpu": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "source": given.source.name,
        "results": [asdict(result) for result in results],
    }
    given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def bench(
    model: ModelFolder, name: str, texts: Sequence[str], sizes: Sizes, scratch: Path
) -> list[Result]:
    """All peers on one model."""
    results = []
    reference = Scorer(model, "float32").score(texts[: sizes.loop])
    for way, count, batch_size in (
        ("pipeline(text), one by one", sizes.loop, None),
        ("pipeline(texts, batch_size=32)", sizes.pipeline, 32),
    ):
        rate, probability = _timed(_pipeline(model, batch_size), texts[:count])
        results.append(_compared(name, way, count, rate, probability, reference))
    full = Scorer(model, "float32").score(texts[: sizes.scorer])
    for precision in ("float32", "bfloat16", "int8"):
        scorer = Scorer(model, precision)
        rate, probability = _timed(scorer.score, texts[: sizes.scorer])
        results.append(
            _compared(name, f"our scorer, {precision}", sizes.scorer, rate, probability, full)
        )
    results.append(_flow(model, name, texts[: sizes.flow], scratch))
    return results


def _pipeline(model: ModelFolder, batch_size: int | None) -> Callable[[Sequence[str]], np.ndarray]:
    import torch
    from transformers import logging, pipeline

    torch.set_num_threads(len(os.sched_getaffinity(0)))  # our scorer sets it to one
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    classify: Any = pipeline("text-classification", model=str(model.path))
    options = {"truncation": True, "max_length": model.max_tokens}

    def score(texts: Sequence[str]) -> np.ndarray:
        if batch_size is None:
            answers = [classify(text, **options)[0] for text in texts]
        else:
            answers = classify(list(texts), batch_size=batch_size, **options)
        return np.array(
            [a["score"] if a["label"] == "POSITIVE" else 1 - a["score"] for a in answers]
        )

    return score


def _timed(
    score: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]
) -> tuple[float, np.ndarray]:
    score(texts[:32])  # warm
    started = time.perf_counter()
    probability = score(texts)
    return len(texts) / (time.perf_counter() - started), probability


def _compared(
    name: str, way: str, count: int, rate: float, probability: np.ndarray, truth: np.ndarray
) -> Result:
    both = min(len(probability), len(truth))
    mine, theirs = probability[:both], truth[:both]
    return Result(
        model=name,
        way=way,
        reviews=count,
        reviews_per_second=rate,
        agreement=float(((mine >= 0.5) == (theirs >= 0.5)).mean()),
        largest_difference=float(np.abs(mine - theirs).max()),
    )


def _flow(model: ModelFolder, name: str, texts: Sequence[str], scratch: Path) -> Result:
    """The flow against a local Prefect server, from its call to its return.

    The precision is chosen beforehand, as it is on every night but the first.
    """
    os.environ["TRIPTYCH_HOME"] = str(scratch / "var")
    from flows.score_sentiment import ScoreSentiment, score_sentiment
    from tasks.prefect_api import prefect_api

    file = scratch / f"{name}.csv"
    pd.DataFrame({"id": range(len(texts)), "review": texts}).to_csv(file, index=False)
    cores = len(os.sched_getaffinity(0))
    choice = choose_precision(model, lambda: texts[:256], scratch / "var" / "cache", cores)
    with prefect_api(scratch / "var", lambda _: None):
        started = time.perf_counter()
        outcome = score_sentiment(
            ScoreSentiment(source=str(file), text_column="review", id_column="id", model=model.name)
        )
        seconds = time.perf_counter() - started
    way = f"the whole flow, {choice.precision}"
    return Result(name, way, outcome.scored, outcome.scored / seconds, None, None)


def render(results: Sequence[Result]) -> Table:
    """A table with each rate's ratio to the original loop on either model."""
    original = results[0].reviews_per_second
    table = Table(title="sentiment, reviews per second")
    for column in ("model", "way", "reviews", "rate"):
        table.add_column(column, no_wrap=True)
    for column in ("x its loop", "x original", "same labels", "largest difference"):
        table.add_column(column, justify="right")
    loops = {r.model: r.reviews_per_second for r in reversed(results) if "one by one" in r.way}
    for r in results:
        table.add_row(
            r.model,
            r.way,
            f"{r.reviews:,}",
            f"{r.reviews_per_second:,.1f}",
            f"{r.reviews_per_second / loops[r.model]:.1f}",
            f"{r.reviews_per_second / original:.1f}",
            "" if r.agreement is None else f"{r.agreement:.2%}",
            "" if r.largest_difference is None else f"{r.largest_difference:.1e}",
        )
    return table


if __name__ == "__main__":
    main()

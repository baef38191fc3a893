"""Reviews per second: the original script's loop, its batched form, our scorer, the whole flow.

    python -m tests.benchmarks.bench_sentiment [--source FILE --text-column NAME] [--quick]

All peers run one after another in one process on the same texts, with a model of DistilBERT's
shape and with the bundled one. The original script is `pipeline(text)` for one text after
another. Prints each result as it comes, a table in the end, and writes
var/benchmarks/sentiment.json, with the CPU and its features, after each. A way that fails is shown
as such, and the others are measured. Takes about ten minutes on two cores.
"""

import argparse
import contextlib
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

from tasks.sentiment.errors import first_line
from tasks.sentiment.scoring.model import ModelFolder, find_model
from tasks.sentiment.scoring.precision import choose_precision
from tasks.sentiment.scoring.scorer import Scorer
from tests.benchmarks.comparison import NO_ANSWER, NOTHING, format_metric, format_ratio, keep
from tests.benchmarks.distilbert_shape import write_distilbert_shape
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.texts import DEMO, varied_texts

BUNDLED = "triptych-sentiment"
FLOW = "the whole flow, "
Score = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Result:
    """One way to score. agreement and largest_difference: of labels and probabilities, from our
    float32 scorer's on those of the same texts that the model reads whole (of longer ones, the
    pipeline reads the head alone); None for the flow and for float32 itself. fault: why there are
    no figures."""

    model: str
    way: str
    reviews: int
    reviews_per_second: float | None
    agreement: float | None = None
    largest_difference: float | None = None
    fault: str | None = None


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
    random.Random(0).shuffle(texts)  # so that the first few are as long as all are
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        for result in bench_all(texts, part, Path(scratch)):
            results.append(result)
            rate = result.fault or f"{result.reviews_per_second:,.1f} reviews/s"
            print(f"{result.model}, {result.way}: {rate}", file=sys.stderr, flush=True)
            write(results, given.source.name, given.output)
    Console(width=140).print(render(results))  # also where it is written to a file
    for model in dict.fromkeys(result.model for result in results):
        share = format_metric(share_of_scorer(results, model), ".0%")
        print(f"{model}: the flow reaches {share} of the bare scorer")


def bench_all(texts: Sequence[str], part: int, scratch: Path) -> Iterator[Result]:
    """All peers on both models, with a `part`-th of the reviews."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    cache = scratch / "var" / "cache"
    bundled = find_model(BUNDLED, cache=cache)
    folder = scratch / "distilbert-shape"
    write_distilbert_shape(folder, bundled, texts[:600])
    for model, sizes in (
        (find_model(str(folder), cache=cache), Sizes(500, 200, 1_000, 2_000)),
        (bundled, Sizes(2_000, 1_000, 20_000, 20_000)),
    ):
        name = Path(model.name).name
        sized = Sizes(*(max(32, size // part) for size in asdict(sizes).values()))
        yield from bench(model, name, texts, sized, scratch)


def bench(
    model: ModelFolder, name: str, texts: Sequence[str], sizes: Sizes, scratch: Path
) -> Iterator[Result]:
    """All peers on one model; one that fails keeps none of the others from being measured."""
    float32 = Scorer(model, "float32")
    rate, truth = _timed(float32.score, texts[: sizes.scorer])
    whole = np.array([len(model.tokenizer.encode(t)) for t in texts[: sizes.scorer]])
    whole = whole <= model.inputs.max_tokens

    def compared(way: str, count: int, open_way: Callable[[], Score]) -> Result:
        def measure() -> Result:
            rate, probability = _timed(open_way(), texts[:count])
            return _compared(name, way, count, rate, probability, truth, whole)

        return attempted(name, way, count, measure)

    for way, count, batch_size in (
        ("pipeline(text), one by one", sizes.loop, None),
        ("pipeline(texts, batch_size=32)", sizes.pipeline, 32),
    ):
        yield compared(way, count, partial(_pipeline, model, batch_size))
    yield Result(name, "our scorer, float32", sizes.scorer, rate)
    for precision in ("bfloat16", "int8"):
        way = f"our scorer, {precision}"
        yield compared(way, sizes.scorer, partial(_scorer, model, precision))
    flow = partial(_flow, model, name, texts[: sizes.flow], scratch)
    yield attempted(name, FLOW.rstrip(", "), sizes.flow, flow)


def _scorer(model: ModelFolder, precision: str) -> Score:
    return Scorer(model, precision).score


def attempted(model: str, way: str, reviews: int, measure: Callable[[], Result]) -> Result:
    """What was measured, or why nothing was."""
    try:
        return measure()
    except Exception as error:  # a peer's, of any kind
        fault = f"{NO_ANSWER}: {type(error).__name__}: {first_line(error)[:200]}"
        return Result(model, way, reviews, None, fault=fault)


def _pipeline(model: ModelFolder, batch_size: int | None) -> Score:
    import torch
    from transformers import pipeline

    torch.set_num_threads(len(os.sched_getaffinity(0)))  # our scorer sets it to one
    classify: Any = pipeline("text-classification", model=str(model.path))
    options = {"truncation": True, "max_length": model.inputs.max_tokens}

    def score(texts: Sequence[str]) -> np.ndarray:
        if batch_size is None:
            answers = [classify(text, **options)[0] for text in texts]
        else:
            answers = classify(list(texts), batch_size=batch_size, **options)
        return np.array(
            [a["score"] if a["label"] == "POSITIVE" else 1 - a["score"] for a in answers]
        )

    return score


def _timed(score: Score, texts: Sequence[str]) -> tuple[float, np.ndarray]:
    score(texts[:32])  # warm
    started = time.perf_counter()
    probability = score(texts)
    return len(texts) / (time.perf_counter() - started), probability


def _compared(
    name: str,
    way: str,
    count: int,
    rate: float,
    probability: np.ndarray,
    truth: np.ndarray,
    whole: np.ndarray,
) -> Result:
    both = min(len(probability), len(truth))
    whole = whole[:both]
    probability, truth = probability[:both][whole], truth[:both][whole]
    return Result(
        model=name,
        way=way,
        reviews=count,
        reviews_per_second=rate,
        agreement=float(((probability >= 0.5) == (truth >= 0.5)).mean()),
        largest_difference=float(np.abs(probability - truth).max()),
    )


def _flow(model: ModelFolder, name: str, texts: Sequence[str], scratch: Path) -> Result:
    """The flow against a local Prefect server, from its call to its return.

    The precision is chosen beforehand, as it is in every run but the first.
    """
    for name_of_setting in [n for n in os.environ if n.startswith(("TRIPTYCH_", "PREFECT_API_"))]:
        del os.environ[name_of_setting]  # the user's database and server stay as they are
    os.environ["TRIPTYCH_HOME"] = str(scratch / "var")
    from flows.score_sentiment import ScoreSentiment, score_sentiment
    from tasks.orchestration.command_line import quieten_prefect
    from tasks.orchestration.prefect_api import prefect_api

    file = scratch / f"{name}.csv"
    pd.DataFrame({"id": range(len(texts)), "review": texts}).to_csv(file, index=False)
    cores = len(os.sched_getaffinity(0))
    choice = choose_precision(model, lambda: texts[:256], scratch / "var" / "cache", cores)
    silence = contextlib.redirect_stdout(io.StringIO())
    with prefect_api(scratch / "var", lambda _: None), silence:
        quieten_prefect()
        started = time.perf_counter()
        outcome = score_sentiment(
            ScoreSentiment(source=str(file), text_column="review", id_column="id", model=model.name)
        )
        seconds = time.perf_counter() - started
    way = f"{FLOW}{choice.precision}"
    return Result(name, way, outcome.scored, outcome.scored / seconds)


def write(results: Sequence[Result], source: str, output: Path) -> None:
    """Write what is known so far."""
    document = {**describe_machine(), "source": source}
    keep({**document, "results": [asdict(result) for result in results]}, output)


def share_of_scorer(results: Sequence[Result], model: str) -> float | None:
    """The flow's rate over that of our scorer in the same precision; None where one is missing."""
    rates = {result.way: result.reviews_per_second for result in results if result.model == model}
    for way, flow in rates.items():
        scorer = rates.get(f"our scorer, {way.removeprefix(FLOW)}")
        if way.startswith(FLOW) and flow and scorer:
            return flow / scorer
    return None


def render(results: Sequence[Result]) -> Table:
    """A table with each rate's ratio to the original loop on either model."""
    original = results[0].reviews_per_second if results else None
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
            NO_ANSWER if r.fault else format_metric(r.reviews_per_second, ",.1f"),
            format_ratio(r.reviews_per_second, loops.get(r.model)),
            format_ratio(r.reviews_per_second, original),
            NOTHING if r.agreement is None else f"{r.agreement:.2%}",
            NOTHING if r.largest_difference is None else f"{r.largest_difference:.1e}",
        )
    return table


if __name__ == "__main__":
    main()

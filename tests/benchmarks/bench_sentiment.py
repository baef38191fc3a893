"""Reviews per second: the original script's loop, its batched form, our scorer, the whole flow.

    python -m tests.benchmarks.bench_sentiment [--source FILE --text-column NAME] [--quick]

All peers take turns in one process on the same texts, round after round, with a model of
DistilBERT's shape and with the bundled one; the median of the rounds counts. The original script
is `pipeline(text)` for one text after another. The limit is the CPU's own matrix product in the
same type (`peers/matrix_product.py`). Prints each result as it comes, a table in the end, and
writes var/benchmarks/sentiment.json, with the CPU and its features, after each. A way that fails
is shown as such, and the others are measured. Takes about a quarter of an hour on two cores.
"""

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

from tasks.sentiment.errors import first_line
from tasks.sentiment.scoring.model import ModelFolder, find_model
from tasks.sentiment.scoring.scorer import Scorer
from tests.benchmarks.comparison import NO_ANSWER, NOTHING, format_metric, format_ratio, keep
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.peers.distilbert_shape import write_distilbert_shape
from tests.benchmarks.peers.sentiment_ways import FLOW, LOOP, SCORER, Sizes, Turn, Way, ways_of
from tests.benchmarks.texts import DEMO, varied_texts

BUNDLED = "triptych-sentiment"
DISTILBERT = "distilbert-shape"


@dataclass(frozen=True)
class Result:
    """One way to score.

    rounds: reviews per second of each. agreement and largest_difference: of labels and
    probabilities, from our float32 scorer's on those of the same texts that the model reads whole
    (of longer ones, the pipeline reads the head alone); None for the flow, the limit and float32
    itself. fault: why there are no figures.
    """

    model: str
    way: str
    reviews: int
    rounds: tuple[float, ...] = ()
    agreement: float | None = None
    largest_difference: float | None = None
    fault: str | None = None

    @property
    def reviews_per_second(self) -> float | None:
        """The median of the rounds; None without one."""
        return statistics.median(self.rounds) if self.rounds else None


@dataclass(frozen=True)
class Truth:
    """float32's probabilities of the texts, and which of these the model reads whole."""

    probability: np.ndarray
    whole: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=DEMO, help="reviews to score")
    parser.add_argument("--text-column", default="review")
    parser.add_argument("--quick", action="store_true", help="the bundled model, less of all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/sentiment.json"))
    given = parser.parse_args()
    texts = list(varied_texts(20_000, given.source, given.text_column))
    random.Random(0).shuffle(texts)  # so that the first few are as long as all are
    results: dict[tuple[str, str], Result] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for result in bench_all(texts, given.quick, given.rounds, Path(scratch)):
            results[result.model, result.way] = result
            rate = result.fault or f"{result.rounds[-1]:,.1f} reviews/s"
            print(f"{result.model}, {result.way}: {rate}", file=sys.stderr, flush=True)
            write(list(results.values()), given.source.name, given.output)
    show(list(results.values()))


def show(results: Sequence[Result]) -> None:
    """A table of all, and what the flow costs beside the scorer."""
    Console(width=140).print(render(results))  # also where it is written to a file
    for model in dict.fromkeys(result.model for result in results):
        share = format_metric(share_of_scorer(results, model), ".0%")
        print(f"{model}: the flow reaches {share} of the bare scorer")


def bench_all(texts: Sequence[str], quick: bool, rounds: int, scratch: Path) -> Iterator[Result]:
    """All peers on both models, or on the bundled one with fewer reviews; see `bench`."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    cache = scratch / "var" / "cache"
    bundled = find_model(BUNDLED, cache=cache)
    if quick:
        yield from bench(bundled, BUNDLED, texts, Sizes(100, 75, 1_000, 4_000), rounds, scratch)
        return
    folder = scratch / DISTILBERT
    write_distilbert_shape(folder, bundled, texts[:600])
    large = find_model(str(folder), cache=cache)
    yield from bench(large, DISTILBERT, texts, Sizes(100, 64, 250, 2_000), rounds, scratch)
    yield from bench(bundled, BUNDLED, texts, Sizes(400, 300, 4_000, 20_000), rounds, scratch)


def bench(
    model: ModelFolder,
    name: str,
    texts: Sequence[str],
    sizes: Sizes,
    rounds: int,
    scratch: Path,
) -> Iterator[Result]:
    """All peers on one model, in turns: after each turn, what is known of its way by then.

    One that fails takes no further turns, and keeps none of the others from being measured.
    """
    float32 = Scorer(model, "float32").score
    lengths = np.array([len(model.tokenizer.encode(text)) for text in texts[: sizes.scorer]])
    truth = Truth(float32(texts[: sizes.scorer]), lengths <= model.inputs.max_tokens)
    ways: list[Way] = []
    for called, reviews, open_way in ways_of(model, name, texts, sizes, scratch):
        try:
            ways.append(open_way())
        except Exception as error:  # a peer's, of any kind
            yield _failed(name, called, reviews, error)
    results = {way.name: Result(name, way.name, way.reviews) for way in ways}
    for number in range(rounds):
        for way in [way for way in ways if not results[way.name].fault]:
            try:
                found = _with_turn(results[way.name], way.take(number), truth)
            except Exception as error:
                found = _failed(name, way.name, way.reviews, error)
            results[way.name] = found
            yield found


def _failed(model: str, way: str, reviews: int, error: Exception) -> Result:
    fault = f"{NO_ANSWER}: {type(error).__name__}: {first_line(error)[:200]}"
    return Result(model, way, reviews, fault=fault)


def _with_turn(result: Result, turn: Turn, truth: Truth) -> Result:
    """With one round more; answers are compared in the first, for they are always the same."""
    more = replace(result, rounds=(*result.rounds, turn.rate))
    if turn.probability is None or result.rounds or result.way == f"{SCORER}, float32":
        return more
    both = min(len(turn.probability), len(truth.probability))
    whole = truth.whole[:both]
    ours, exact = turn.probability[:both][whole], truth.probability[:both][whole]
    return replace(
        more,
        agreement=float(((ours >= 0.5) == (exact >= 0.5)).mean()),
        largest_difference=float(np.abs(ours - exact).max()),
    )


def write(results: Sequence[Result], source: str, output: Path) -> None:
    """Write what is known so far."""
    document = {**describe_machine(), "source": source}
    found = [
        {**asdict(result), "reviews_per_second": result.reviews_per_second} for result in results
    ]
    keep({**document, "results": found}, output)


def share_of_scorer(results: Sequence[Result], model: str) -> float | None:
    """The flow's rate over that of our scorer in the same precision; None where one is missing."""
    rates = {result.way: result.reviews_per_second for result in results if result.model == model}
    for way, flow in rates.items():
        scorer = rates.get(f"{SCORER}, {way.removeprefix(f'{FLOW}, ')}")
        if way.startswith(FLOW) and flow and scorer:
            return flow / scorer
    return None


def render(results: Sequence[Result]) -> Table:
    """A table with each rate's ratio to the original loop on either model."""
    original = next((r.reviews_per_second for r in results if r.way == LOOP), None)
    table = Table(title="sentiment, reviews per second")
    for column in ("model", "way", "reviews", "rate"):
        table.add_column(column, no_wrap=True)
    for column in ("x its loop", "x original", "same labels", "largest difference"):
        table.add_column(column, justify="right")
    loops = {r.model: r.reviews_per_second for r in reversed(results) if r.way == LOOP}
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

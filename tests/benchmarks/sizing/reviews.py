"""Reviews an hour on one core, by the bundled model and by one of DistilBERT's shape.

    python -m tests.benchmarks.sizing.reviews

As a program it prints rates for the cores that it may use; `measure` calls it with one.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PRECISIONS = ("float32", "bfloat16", "int8")
SECONDS = 12.0  # of scoring, for each rate
AT_ONCE = {"bundled": 500, "distilbert-shape": 50}  # reviews; a round ends with them
Found = dict[str, Any]


def measure(scratch: Path) -> Found:
    """Reviews an hour by model and precision."""
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.sizing.reviews"],
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    rates: Found = json.loads(done.stdout.splitlines()[-1])
    return {
        "per_hour": {
            model: {precision: round(3_600 * rate) for precision, rate in found.items()}
            for model, found in rates.items()
        }
    }


def render(found: Found) -> list[str]:
    """A table in Markdown."""
    lines = ["| reviews an hour on one core | " + " | ".join(PRECISIONS) + " |"]
    lines.append("|---" * (len(PRECISIONS) + 1) + "|")
    for model, rates in found["per_hour"].items():
        cells = (f"{rates[precision]:,}" for precision in PRECISIONS)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Print reviews a second as JSON."""
    from transformers.utils import logging

    from tasks.sentiment.scoring.model import find_model
    from tests.benchmarks.peers.distilbert_shape import write_distilbert_shape
    from tests.benchmarks.texts import varied_texts

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    texts = list(varied_texts(5_000))
    random.Random(0).shuffle(texts)  # so that the first few are as long as all are
    with tempfile.TemporaryDirectory() as scratch:
        bundled = find_model("triptych-sentiment", cache=Path(scratch) / "cache")
        folder = Path(scratch) / "distilbert-shape"
        write_distilbert_shape(folder, bundled, texts[:600])
        large = find_model(str(folder), cache=Path(scratch) / "cache")
        found = {
            name: {
                precision: _rate(model, precision, texts[: AT_ONCE[name]])
                for precision in PRECISIONS
            }
            for name, model in (("bundled", bundled), ("distilbert-shape", large))
        }
    print(json.dumps(found))


def _rate(model: Any, precision: str, texts: list[str]) -> float:
    from tasks.sentiment.scoring.scorer import Scorer

    scorer = Scorer(model, precision)
    scorer.score(texts[:32])  # warm
    began, scored = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < SECONDS:
        scorer.score(texts)
        scored += len(texts)
    return scored / passed


if __name__ == "__main__":
    main()

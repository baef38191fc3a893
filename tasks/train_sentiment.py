"""The roster of `train_sentiment`."""

from pathlib import Path
from typing import Any

import prefect.runtime
from prefect import task
from prefect.artifacts import create_table_artifact
from rich.console import Console

from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.sentiment.errors import SentimentError
from tasks.sentiment.run.run_folder import locked
from tasks.settings import Settings

ERRORS = (SentimentError,)
NAME = "triptych-sentiment"


def name_run() -> str:
    """The run's name in the UI: flow and data folder."""
    given = dict(prefect.runtime.flow_run.parameters["params"])  # a dict if deployed
    return f"train-sentiment {Path(given['data']).name}"


@task(**PLAIN)
def train(*, data: Path, output: Path | None, report_only: tuple[str, ...], seed: int) -> Path:
    """Train, package, and show the figures; the model's folder."""
    from tasks.sentiment.training.card import check_output, package
    from tasks.sentiment.training.corpus import read_corpus
    from tasks.sentiment.training.trainer import Progress, Recipe, fingerprint, fit

    home, console = Settings().home, Console(stderr=True, highlight=False)
    folder = (output or home / "models" / NAME).resolve()
    check_output(folder)
    corpus, digest = read_corpus(data, report_only)
    recipe = Recipe(seed=seed)
    state = home / "training" / fingerprint(recipe, digest, report_only)
    console.print(f"{len(corpus):,} texts; checkpoints in {state}", soft_wrap=True)
    bars: list[RunProgress] = []

    def show(progress: Progress) -> None:
        if not bars:
            done = progress.step - 1
            bar = RunProgress("train-sentiment-progress", "training", "steps", progress.steps, done)
            bars.append(bar.__enter__())
        bars[0].advance(1)

    with locked(state / "training.lock", wait=False):
        try:
            model, tokenizer = fit(corpus, recipe, state, show, console.print)
        finally:
            for bar in bars:
                bar.__exit__(None, None, None)
        card = package(model, tokenizer, corpus, recipe, digest, folder, console.print)
    create_table_artifact(_table(card), key="train-sentiment", description=f"{folder}")
    Console().print(f"model: {folder}", soft_wrap=True, highlight=False)
    return folder


def _table(card: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"data set": name, **figures} for name, figures in card["metrics"].items()]

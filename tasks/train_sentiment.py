"""The task of the flow `train_sentiment`."""

from pathlib import Path

from prefect import task

from tasks.operations.lineage.made import remember_sentiment
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import resumed_progress
from tasks.orchestration.reporting import add_table, run_parameters
from tasks.orchestration.terminal import print_notice, print_result
from tasks.sentiment.errors import SentimentError
from tasks.sentiment.run.run_folder import locked
from tasks.settings import Settings

ERRORS = (SentimentError,)
NAME = "triptych-sentiment"


def name_run() -> str:
    """The run's name in the UI: flow and data folder."""
    return f"train-sentiment {Path(run_parameters()['data']).name}"


@task(**PLAIN)
def train(*, data: Path, output: Path | None, report_only: tuple[str, ...], seed: int) -> Path:
    """Train, package, and show the figures; the model's folder."""
    from tasks.sentiment.training.card import check_output, package
    from tasks.sentiment.training.corpus import read_corpus
    from tasks.sentiment.training.recipe import Recipe, fingerprint
    from tasks.sentiment.training.trainer import fit

    home = Settings().home
    folder = (output or home / "models" / NAME).resolve()
    check_output(folder)
    corpus, digest, blank = read_corpus(data, report_only)
    recipe = Recipe(seed=seed)
    state = home / "training" / fingerprint(recipe, digest, report_only)
    left_out = f", {blank:,} blank ones left out" if blank else ""
    print_notice(f"{len(corpus):,} texts{left_out}; checkpoints in {state}")
    with locked(state / "training.lock"):
        with resumed_progress("train-sentiment-progress", "training", "steps") as reach:
            model, tokenizer = fit(corpus, recipe, state, reach, print_notice)
        card = package(model, tokenizer, corpus, recipe, digest, folder, print_notice)
    remember_sentiment(home, folder, card, data)
    table = [{"data set": name, **figures} for name, figures in card["metrics"].items()]
    add_table("train-sentiment", table, description=f"{folder}")
    print_result(f"model: {folder}")
    return folder

"""The commands to start with, for each strategy: of this project, as they are typed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.measurement import Way

_PARTS = {Way.SERVICE: ("fraud",), Way.DEVICE: ("releases", "device")}  # of `triptych up`


@dataclass(frozen=True)
class Start:
    """A command, and what it does."""

    command: str
    does: str


_FIRST = {
    Way.NIGHT: Start(
        "triptych score-sentiment --source tasks/sentiment/demo/reviews.csv"
        " --text-column review --id-column review_id",
        "one night, on the demo's reviews: put your own file or query into --source",
    ),
    Way.SERVICE: Start(
        "triptych train-fraud",
        "trains and registers the service's first model, on simulated transactions",
    ),
    Way.DEVICE: Start(
        "triptych publish-detector --model bundled",
        "converts, proves and signs a model, and publishes it for devices",
    ),
}


_SENTIMENT_SERVICE = Start(
    "bentoml serve tasks.sentiment.service.service:SentimentScorer",
    "answers for the bundled sentiment model, by HTTP",
)


def first_commands(strategy: Strategy, model: str | None = None) -> Sequence[Start]:
    """What to type, in order; the last one starts all that the strategy needs, and no more.

    model: fraud or sentiment, which have a service each; None: one of your own, for which that of
    the fraud model is the pattern.
    """
    first = dict(_FIRST)
    running = strategy.ways
    if model == "sentiment":  # `triptych up` has the service of the other model
        first[Way.SERVICE] = _SENTIMENT_SERVICE
        running -= {Way.SERVICE}
    commands = [first[way] for way in Way if way in strategy.ways]
    if not running:
        return commands
    without = [part for way, parts in _PARTS.items() if way not in running for part in parts]
    words = f"triptych up --without {','.join(without)}" if without else "triptych up"
    return [*commands, Start(words, "runs it, with its schedules")]

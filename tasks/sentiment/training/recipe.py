"""What decides the weights of a training, and the name of its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tasks.sentiment.text import text_digest

SCHEME = 1  # of training; a higher number does not go on from what other code began


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data and the code, decides the weights."""

    seed: int = 20261122
    lengths: tuple[int, ...] = (128, 192, 256, 384)  # how many tokens of a text a pass reads
    repeats: Mapping[str, float] = field(  # how often a pass draws the rows of a data set
        default_factory=lambda: {
            "sst2_sentences": 3.0,
            "rt_polarity": 3.0,
            "customer_reviews_cr": 2.0,
            "yelp_sentences": 0.3,  # weak labels: the stars of the whole review
        }
    )
    other_repeats: float = 1.0  # of the data sets that `repeats` does not name
    batch_tokens: int = 8_192
    batch_texts: int = 256  # so that short texts get their share of the steps
    max_tokens: int = 384
    vocabulary: int = 16_000
    width: int = 256
    layers: int = 4
    heads: int = 4
    learning_rate: float = 3e-3  # of word vectors and inner matrices; a third for the rest
    warm_up_share: float = 0.03
    weight_decay: float = 0.05
    label_smoothing: float = 0.02
    mask_share: tuple[float, float] = (0.15, 0.05)  # at the first step and at the last
    teacher_share: float = 0.5  # of the target; the label is the rest
    token_weight: float = 2.0  # of the loss on what each token adds, falling to 0 at the end


def fingerprint(recipe: Recipe, data_digest: str, report_only: Sequence[str]) -> str:
    """Names a training: the same code and recipe on the same rows of the same data."""
    asked = json.dumps([SCHEME, asdict(recipe), sorted(set(report_only))], sort_keys=True)
    return text_digest(asked + data_digest)[:16]

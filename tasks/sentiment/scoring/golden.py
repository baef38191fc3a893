"""Texts whose sentiment nobody can doubt, scored before all others.

A model that gets one wrong has the wrong weights, the wrong tokenizer or its labels swapped; or it
does not read English. Such a model brings texts of its own, `known_texts.json` beside its weights:

    [{"text": "Ausgezeichnet, sehr zufrieden.", "label": "POSITIVE"}, ...]

They run through the same cleaning and cutting as reviews do: one has entities and mark-up, one
is longer than most models read and gives its verdict at the end.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.sentiment.errors import GoldenError, ModelError
from tasks.sentiment.scoring.labels import NEGATIVE, POSITIVE, decide, split
from tasks.sentiment.scoring.model import OWN_TEXTS
from tasks.sentiment.scoring.scorer import TextScorer
from tasks.sentiment.text import clean

_RETOLD = (
    "The story opens in a small town by the sea, where a young woman works at the harbour and "
    "counts the crates that come in from the islands. Her brother keeps the books of the "
    "company, and their father repairs nets in the shed behind the house. In the second "
    "chapter a ship arrives with a letter, and the three of them travel to the city to see a "
    "notary about a house that once belonged to their aunt. "
)


@dataclass(frozen=True)
class GoldenText:
    """A raw text and the label that it must get."""

    raw_text: str
    label: str


_POSITIVE = (
    "Excellent product. I love it, it works perfectly and I am very happy with it.",
    "A wonderful film: great acting, a beautiful story, and I enjoyed every minute.",
    "The best restaurant in town. Delicious food and amazing, friendly service!",
    "I&#39;m so pleased with this guitar &amp; its great sound.<br/>Highly recommended!",
    _RETOLD * 6 + "This is a wonderful book. It is beautifully written, I loved it from the "
    "first page to the last, and it is the best novel that I have read in years. Excellent, "
    "highly recommended!",
)
_NEGATIVE = (
    "Terrible. It broke after one day and it was a complete waste of money.",
    "The worst film I have ever seen: boring, stupid and badly acted. Awful.",
    "Horrible service and disgusting food. We were very disappointed.",
    "This is not good. It does not work at all and I do not recommend it to anyone.",
    "Very poor quality, useless and broken on arrival. I hate it and want a refund.",
)
GOLDEN_TEXTS = (
    *(GoldenText(text, "POSITIVE") for text in _POSITIVE),
    *(GoldenText(text, "NEGATIVE") for text in _NEGATIVE),
)


LEAST_OWN = 3  # of each label
_OPPOSITE = {POSITIVE: NEGATIVE, NEGATIVE: POSITIVE}


def golden_texts(folder: Path) -> Sequence[GoldenText]:
    """The texts that a model brings, or those of this module.

    Raises: ModelError: it brings something else, or too few of a label.
    """
    file = folder / OWN_TEXTS
    if not file.exists():
        return GOLDEN_TEXTS
    try:
        found = [GoldenText(row["text"], row["label"]) for row in json.loads(file.read_bytes())]
        counts = Counter(golden.label for golden in found if isinstance(golden.raw_text, str))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{file} is no list of objects with text and label") from error
    if min(counts[POSITIVE], counts[NEGATIVE]) < LEAST_OWN or counts.total() < len(found):
        raise ModelError(
            f"{file} must hold {LEAST_OWN} texts or more that are POSITIVE, and as many that are"
            " NEGATIVE: they are what tells a wrong model"
        )
    return found


def check_golden(scorer: TextScorer, texts: Sequence[GoldenText] = GOLDEN_TEXTS) -> None:
    """Score the known texts.

    Raises: GoldenError: one got the wrong label.
    """
    probabilities = scorer.score([clean(golden.raw_text) for golden in texts])
    wrong, opposite = [], 0
    answers = zip(texts, decide(probabilities), split(probabilities)[POSITIVE], strict=True)
    for golden, label, probability in answers:
        if label != golden.label:
            opposite += label == _OPPOSITE.get(golden.label)
            text = clean(golden.raw_text)
            quoted = text if len(text) <= 80 else f"{text[:30]} … {text[-45:]}"
            wrong.append(
                f'"{quoted}" should be {golden.label} and got {label} '
                f"(positive probability {probability:.3f})"
            )
    if not wrong:
        return
    if opposite == len(texts):
        why = "its labels are swapped (--positive-label)"
    else:
        why = "its weights or its tokenizer are not the right ones, or its labels are mistaken"
        if texts is GOLDEN_TEXTS:
            why += f"; for one that does not read English put {OWN_TEXTS} beside its weights"
    raise GoldenError(
        f"the model got {len(wrong)} of {len(texts)} known texts wrong, first: {wrong[0]}; {why}"
    )

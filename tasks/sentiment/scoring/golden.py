"""Texts whose sentiment nobody can doubt, scored before all others.

A model that gets one wrong has the wrong weights, the wrong tokenizer or its labels swapped.
They run through the same cleaning and cutting as reviews do: one has entities and mark-up, one
is longer than most models read and gives its verdict at the end.
"""

from dataclasses import dataclass

from tasks.sentiment.errors import GoldenError
from tasks.sentiment.scoring.labels import decide, split
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


def check_golden(scorer: TextScorer) -> None:
    """Score the known texts.

    Raises: GoldenError: one got the wrong label.
    """
    probabilities = scorer.score([clean(golden.raw_text) for golden in GOLDEN_TEXTS])
    wrong = []
    answers = zip(
        GOLDEN_TEXTS, decide(probabilities), split(probabilities)["POSITIVE"], strict=True
    )
    for golden, label, probability in answers:
        if label != golden.label:
            text = clean(golden.raw_text)
            quoted = text if len(text) <= 80 else f"{text[:30]} … {text[-45:]}"
            wrong.append(
                f'"{quoted}" should be {golden.label} and got {label} '
                f"(positive probability {probability:.3f})"
            )
    if wrong:
        raise GoldenError(
            f"the model got {len(wrong)} of {len(GOLDEN_TEXTS)} known texts wrong, first:"
            f" {wrong[0]}; its weights or its tokenizer are not the right ones, or its labels are"
            " swapped (--positive-label)"
        )

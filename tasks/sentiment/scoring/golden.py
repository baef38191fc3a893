"""Texts whose sentiment nobody can doubt, scored before all others.

A model that gets one wrong has the wrong weights, the wrong tokenizer or its labels swapped.
They run through the same cleaning and cutting as reviews do: one has entities and mark-up, one
is longer than most models read and gives its verdict at the end.
"""

from dataclasses import dataclass

from tasks.sentiment.errors import CanaryError
from tasks.sentiment.run.partitions import TextScorer
from tasks.sentiment.text import clean

_RETOLD = (
    "The story opens in a small town by the sea, where a young woman works at the harbour and "
    "counts the crates that come in from the islands. Her brother keeps the books of the "
    "company, and their father repairs nets in the shed behind the house. In the second "
    "chapter a ship arrives with a letter, and the three of them travel to the city to see a "
    "notary about a house that once belonged to their aunt. "
)


@dataclass(frozen=True)
class Canary:
    """A raw text and the label that it must get."""

    raw_text: str
    label: str


CANARIES = (
    Canary(
        "Excellent product. I love it, it works perfectly and I am very happy with it.", "POSITIVE"
    ),
    Canary(
        "A wonderful film: great acting, a beautiful story, and I enjoyed every minute.", "POSITIVE"
    ),
    Canary(
        "The best restaurant in town. Delicious food and amazing, friendly service!", "POSITIVE"
    ),
    Canary(
        "I&#39;m so pleased with this guitar &amp; its great sound.<br/>Highly recommended!",
        "POSITIVE",
    ),
    Canary(
        _RETOLD * 6 + "This is a wonderful book. It is beautifully written, I loved it from the "
        "first page to the last, and it is the best novel that I have read in years. Excellent, "
        "highly recommended!",
        "POSITIVE",
    ),
    Canary("Terrible. It broke after one day and it was a complete waste of money.", "NEGATIVE"),
    Canary("The worst film I have ever seen: boring, stupid and badly acted. Awful.", "NEGATIVE"),
    Canary("Horrible service and disgusting food. We were very disappointed.", "NEGATIVE"),
    Canary(
        "This is not good. It does not work at all and I do not recommend it to anyone.", "NEGATIVE"
    ),
    Canary(
        "Very poor quality, useless and broken on arrival. I hate it and want a refund.", "NEGATIVE"
    ),
)


def check_canaries(scorer: TextScorer) -> None:
    """Score the known texts.

    Raises: CanaryError: one got the wrong label.
    """
    probabilities = scorer.score([clean(canary.raw_text) for canary in CANARIES])
    wrong = []
    for canary, probability in zip(CANARIES, probabilities, strict=True):
        label = "POSITIVE" if probability >= 0.5 else "NEGATIVE"
        if label != canary.label:
            text = clean(canary.raw_text)
            shown = text if len(text) <= 80 else f"{text[:30]} … {text[-45:]}"
            wrong.append(
                f'"{shown}" should be {canary.label} and got {label} '
                f"(positive probability {probability:.3f})"
            )
    if wrong:
        raise CanaryError(
            f"the model got {len(wrong)} of {len(CANARIES)} known texts wrong, first: {wrong[0]}; "
            "its weights or its tokenizer are not the right ones, or its labels are swapped"
        )

"""What the classes of a model mean: NEGATIVE, POSITIVE, and NEUTRAL where it has such a class.

The names of the classes decide, where they say it: pairs (`neg`/`pos`, `bad`/`good`, `0`/`1`),
three with a neutral one, and five of stars or of `very negative` to `very positive`. Of five, one
and two stars are NEGATIVE, three are NEUTRAL, four and five POSITIVE. Names that leave a doubt are
refused, and `--positive-label` and `--neutral-label` say it. The known texts catch a wrong choice.

Probabilities are those of the softmax, added up over the classes of a label; of one logit, its
sigmoid is the probability of POSITIVE. They are float64, shape (texts,), the probability of
POSITIVE; a model with a NEUTRAL label gives shape (texts, 2), that of NEUTRAL behind it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.reporting.figures import counted
from tasks.sentiment.errors import ModelError

POSITIVE, NEUTRAL, NEGATIVE = LABELS = ("POSITIVE", "NEUTRAL", "NEGATIVE")

_WORDS = {
    **dict.fromkeys(("positive", "pos", "p", "good", "happy"), POSITIVE),
    **dict.fromkeys(("positiv", "positivo", "positiva", "positif"), POSITIVE),
    **dict.fromkeys(("neutral", "neu", "neutro", "neutra", "neutre", "notr", "nötr"), NEUTRAL),
    **dict.fromkeys(("negative", "neg", "n", "bad", "unhappy"), NEGATIVE),
    **dict.fromkeys(("negativ", "negativo", "negativa", "negatif", "négatif"), NEGATIVE),
}
_OF_TWO = {"0": NEGATIVE, "label 0": NEGATIVE, "1": POSITIVE, "label 1": POSITIVE}
_SIGNS = {"-1": NEGATIVE, "0": NEUTRAL, "1": POSITIVE}
_STARS = {"1": NEGATIVE, "2": NEGATIVE, "3": NEUTRAL, "4": POSITIVE, "5": POSITIVE}
_FILLERS = re.compile(
    r"\b(very|extremely|strongly|slightly|somewhat|sentiment|reviews?|comments?|comentario)\b"
)


@dataclass(frozen=True)
class AskedLabels:
    """Names of classes that the user says are POSITIVE, or NEUTRAL."""

    positive: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.positive or self.neutral)


@dataclass(frozen=True)
class ClassLabels:
    """The classes of a model in the order of its logits: their names, and the label of each."""

    names: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def has_neutral(self) -> bool:
        return NEUTRAL in self.labels

    @property
    def rule(self) -> str:
        """Which class counts as which label, in a line; empty if the names say just that."""
        if len(self.names) == 1:
            return f"the sigmoid of the one logit, {self.names[0]}, is the probability of POSITIVE"
        if all(name.upper() == label for name, label in zip(self.names, self.labels, strict=True)):
            return ""
        rules = []
        for label in reversed(LABELS):
            named = [n for n, found in zip(self.names, self.labels, strict=True) if found == label]
            if named:
                rules.append(f"{', '.join(named)} = {label}")
        return "; ".join(rules)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Of logits, shape (texts, classes), as the module says; not rounded."""
        logits = logits.astype(np.float64)
        if len(self.names) == 1:
            return _sigmoid(logits[:, 0])
        if len(self.names) == 2:
            positive, negative = self.labels.index(POSITIVE), self.labels.index(NEGATIVE)
            return _sigmoid(logits[:, positive] - logits[:, negative])
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        kinds = np.array(self.labels)
        kept = (POSITIVE, NEUTRAL) if self.has_neutral else (POSITIVE,)
        sums = np.stack([weights[:, kinds == kind].sum(axis=1) for kind in kept], axis=1)
        return sums if self.has_neutral else sums[:, 0]


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    probability: np.ndarray = 1 / (1 + np.exp(np.clip(-logit, -500, 500)))
    return probability


def split(probability: np.ndarray) -> dict[str, np.ndarray]:
    """The probability of each label, of those that there are."""
    if probability.ndim == 1:
        return {POSITIVE: probability, NEGATIVE: 1 - probability}
    positive, neutral = probability.T
    negative = np.round(1 - positive - neutral, 12)
    return {POSITIVE: positive, NEUTRAL: neutral, NEGATIVE: negative}


def decide(probability: np.ndarray) -> np.ndarray:
    """The label of each text: the likeliest one, and of equally likely ones the more positive."""
    shares = split(probability)
    likeliest = np.argmax(np.stack(list(shares.values())), axis=0)
    labels: np.ndarray = np.array(list(shares))[likeliest]
    return labels


def class_labels(
    config: Mapping[str, Any], classes: int | None, asked: AskedLabels, model: str
) -> ClassLabels:
    """The labels of a model's classes.

    classes: rows of its classifier, None if they could not be found.
    Raises: ModelError: the model's classes are no sentiment, or leave a doubt which they are.
    """
    names = _names(config, classes, model)
    kind, listed = config.get("problem_type"), _listed(names)
    if kind == "multi_label_classification" and len(names) > 1:
        raise ModelError(
            f"the model {model} is multi-label: a text may have several of {listed}, or none;"
            " needed is a model whose labels exclude one another (single_label_classification)"
        )
    if kind == "regression":
        raise ModelError(
            f"the model {model} is a regression: it answers a number and no probability; needed is"
            " a classifier"
        )
    unknown = [name for name in (*asked.positive, *asked.neutral) if _find(name, names) is None]
    if unknown:
        raise ModelError(f"the model {model} has no label {', '.join(unknown)}, but {listed}")
    both = [name for name in asked.positive if _find(name, names) in _places(asked.neutral, names)]
    if both:
        raise ModelError(f"{', '.join(both)} cannot be both POSITIVE and NEUTRAL")
    labels = _asked_labels(names, asked) if asked else _labels_of_names(names)
    if labels is None or POSITIVE not in labels or (len(names) > 1 and NEGATIVE not in labels):
        raise ModelError(f"the model {model} answers {listed}: {_what_to_say(names)}")
    return ClassLabels(names, labels)


def _what_to_say(names: Sequence[str]) -> str:
    if len(names) == 1:
        return (
            f"whether the sigmoid of this one logit is the probability of POSITIVE is not said;"
            f" --positive-label {names[0]} says it"
        )
    which = "which is POSITIVE" if len(names) == 2 else "which are POSITIVE, and which NEUTRAL,"
    options = "--positive-label NAME" + (" --neutral-label NAME" if len(names) > 2 else "")
    return f"{which} is not clear from the names; {options} says it, and the rest is NEGATIVE"


def _names(config: Mapping[str, Any], classes: int | None, model: str) -> tuple[str, ...]:
    """The names of the classes by their numbers, as many as the weights have classes."""
    given = config.get("id2label")
    if not given:
        count = classes or int(config.get("num_labels") or 2)
        return tuple(f"LABEL_{i}" for i in range(count))
    try:
        by_number = {int(number): str(name).strip() for number, name in given.items()}
    except (AttributeError, TypeError, ValueError):
        by_number = {}
    if sorted(by_number) != list(range(len(given))):
        raise ModelError(
            f"id2label in config.json of the model {model} does not give each class, from 0 on, a"
            " name"
        )
    names = tuple(by_number[i] for i in range(len(by_number)))
    if classes is not None and classes != len(names):
        raise ModelError(
            f"the weights of the model {model} have {counted(classes, 'class', 'classes')}, and its"
            f" config.json names {len(names)}: {_listed(names)}; they do not belong together"
        )
    return names


def _asked_labels(names: Sequence[str], asked: AskedLabels) -> tuple[str, ...] | None:
    """What is asked for, then what a name says, then NEGATIVE; None where that leaves a doubt."""
    positive, neutral = _places(asked.positive, names), _places(asked.neutral, names)
    rest = NEGATIVE if len(names) == 2 or asked.neutral else None
    labels = []
    for i, name in enumerate(names):
        said = None if len(names) == 2 and asked.positive else _WORDS.get(_plain(name))
        taken = (said == POSITIVE and positive) or (said == NEUTRAL and neutral)
        label = rest if taken or said is None else said
        label = POSITIVE if i in positive else NEUTRAL if i in neutral else label
        if label is None:
            return None
        labels.append(label)
    return tuple(labels)


def _labels_of_names(names: Sequence[str]) -> tuple[str, ...] | None:
    """What names say of which each says something; None for others."""
    plain = [_plain(name) for name in names]
    stars = [re.sub(r" stars?$", "", name) for name in plain]
    if set(plain) == set(_SIGNS):
        words: Mapping[str, str] = _SIGNS
    elif len(names) == 5 and set(stars) == set(_STARS):
        plain, words = stars, _STARS
    else:
        words = {**_WORDS, **_OF_TWO, "-1": NEGATIVE} if len(names) == 2 else _WORDS
    labels = tuple(words[name] for name in plain if name in words)
    is_clear = len(labels) == len(names) and (len(names) != 2 or len(set(labels)) == 2)
    return labels if is_clear else None


def _plain(name: str) -> str:
    """A name without case, marks between words, and words that do not matter."""
    if re.fullmatch(r"-?\d+", name):
        return name
    words = _FILLERS.sub(" ", re.sub(r"[\W_]+", " ", name.casefold()))
    return " ".join(words.split())


def _places(asked: Sequence[str], names: Sequence[str]) -> set[int | None]:
    return {_find(name, names) for name in asked}


def _find(name: str, names: Sequence[str]) -> int | None:
    folded = [known.casefold() for known in names]
    return folded.index(name.casefold()) if name.casefold() in folded else None


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown}, … ({len(names)} labels)"

"""A linear teacher: what a regression over token sequences makes of each training text.

Its features are the sequences of one to three tokens that the training texts have at least three
times, counted, divided by the root of the text's length and weighted by the log-count ratio of the
two labels (after Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic
Classification"). Within seconds it knows more sequences than a small network finds out in an
hour from one label per text, so the network is given two things to learn beside the labels: the
teacher's probability for each text, from a fit without that row, and what each token adds to it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from services.storage.files import written_aside
from tasks.sentiment.errors import CorpusError
from tasks.sentiment.training.corpus import TokenTable

ORDERS = (1, 2, 3)  # tokens in a sequence
SEEN_AT_LEAST = 3
FOLDS = 5
STRENGTH = 0.1  # inverse of the regularisation
SCALE = 6.0  # of the features, before regularisation
ROUNDS = 80  # of the solver; it need not converge


@dataclass(frozen=True)
class TeacherTargets:
    """What the teacher gives the network to learn beside the labels of a table of tokens.

    probability: of label 1, out of fold, float32, shape (texts,); shares: what each token, and the
    sequences that end with it, add to the logit, in units of their standard deviation, float32,
    shape (tokens,).
    """

    probability: np.ndarray
    shares: np.ndarray

    @classmethod
    def read_or_fit(
        cls, file: Path, table: TokenTable, weights: np.ndarray, vocabulary: int, seed: int
    ) -> "TeacherTargets":
        """The targets in `file`, which is written first if it is not there.

        Raises: CorpusError: the file holds the targets of another table.
        """
        if not file.exists():
            targets = fit_teacher(table, weights, vocabulary, seed)
            with written_aside(file) as handle:
                np.savez(handle, probability=targets.probability, shares=targets.shares)
        with np.load(file) as saved:
            targets = cls(saved["probability"], saved["shares"])
        if (len(targets.probability), len(targets.shares)) != (len(table), len(table.flat)):
            raise CorpusError(f"{file} is of other texts: delete its folder to begin anew")
        return targets


def fit_teacher(
    table: TokenTable, weights: np.ndarray, vocabulary: int, seed: int
) -> TeacherTargets:
    """Fit the teacher, once on all texts and once without each fold.

    weights: of the texts, shape (texts,).
    """
    sequences = list(_sequences(table, vocabulary))
    features = _features(table, sequences)
    labels = table.labels.astype(np.float64)
    weight_of, _ = _fit(features, labels, weights)
    shares = np.zeros(len(table.flat), dtype=np.float32)
    for last, column in sequences:
        shares[last] += weight_of[column]
    probability = np.zeros(len(labels), dtype=np.float32)
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(labels))
    for number in range(FOLDS):
        others, mine = fold != number, fold == number
        coefficients, intercept = _fit(features[others], labels[others], weights[others])
        probability[mine] = 1 / (1 + np.exp(-(features[mine] @ coefficients + intercept)))
    return TeacherTargets(probability, shares / max(float(shares.std()), 1e-6))


def _sequences(table: TokenTable, vocabulary: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Per order: the positions at which a kept sequence ends, and its column."""
    text = _text_of(table)
    key = table.flat.astype(np.int64)
    columns = 0
    for order in ORDERS:
        if order > 1:
            key = key[:-1] * vocabulary + table.flat[order - 1 :]
        within = np.flatnonzero(text[: len(key)] == text[order - 1 :])
        _, number, count = np.unique(key[within], return_inverse=True, return_counts=True)
        kept = count >= SEEN_AT_LEAST
        found = kept[number]
        column = columns + np.cumsum(kept) - 1
        yield within[found] + order - 1, column[number[found]]
        columns += int(kept.sum())


def _text_of(table: TokenTable) -> np.ndarray:
    return np.repeat(np.arange(len(table)), np.diff(table.offsets))


def _features(
    table: TokenTable, sequences: list[tuple[np.ndarray, np.ndarray]]
) -> sparse.csr_matrix:
    """Counts over the root of the text's length, shape (texts, sequences)."""
    text = _text_of(table)
    column = np.concatenate([column for _, column in sequences])
    row = np.concatenate([text[last] for last, _ in sequences])
    tokens = np.diff(table.offsets) + 2
    value = (1 / np.sqrt(tokens)).astype(np.float32)[row]
    shape = (len(table), int(column.max()) + 1)
    return sparse.csr_matrix((value, (row, column)), shape=shape)


def _fit(
    features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, float]:
    """Coefficients of the features, and the intercept."""
    seen = features.sign()
    positive = seen.T @ (weights * labels) + 1
    negative = seen.T @ (weights * (1 - labels)) + 1
    ratio = np.log((positive / positive.sum()) / (negative / negative.sum()))
    scale = (SCALE * ratio).astype(np.float32)
    model = LogisticRegression(C=STRENGTH, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features @ sparse.diags(scale), labels, sample_weight=weights)
    return (model.coef_[0] * scale).astype(np.float32), float(model.intercept_[0])

"""Labelled texts for training: which rows teach, which only report, and their token ids.

A corpus is a folder of Parquet files with the columns `text` and `label` (0 or 1) and,
optionally, `split`. The file's stem is the data set's name. A row has one of three roles:

- `report`: every row of a data set named in `report_only`, and, in a data set that has
  rows of split `train`, every row of another split;
- `validation`: one in 43 of the rest, chosen by the digest of the text;
- `train`: all others.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from tokenizers import Tokenizer

from tasks.sentiment.errors import CorpusError, first_line
from tasks.sentiment.reading.blank import is_blank
from tasks.sentiment.scoring.tokens import keep_head_and_tail
from tasks.sentiment.text import clean

VALIDATION_DIGESTS = 6  # of the 256 values that a digest's first byte has
LEAST_OF_EACH_LABEL = 20  # rows to learn from


@dataclass(frozen=True)
class Batch:
    """Token ids, shape (texts, longest), padded with zeros, and labels, shape (texts,)."""

    ids: np.ndarray
    mask: np.ndarray
    labels: np.ndarray


def read_corpus(folder: Path, report_only: Sequence[str]) -> tuple[pd.DataFrame, str, int]:
    """Read all data sets of `folder`.

    Returns: a frame with the columns text, label, dataset and role, the digest of the files'
        names and bytes, and how many rows were left out since their text is blank, as it is for
        the nightly run: nothing to be seen, or a word for "missing".
    Raises: CorpusError: no Parquet file or one that cannot be read, a missing column, a text
        that is no string, a label other than 0 and 1, or too few rows to learn from.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise CorpusError(f"no *.parquet file in {folder}")
    digest = hashlib.sha256()
    frames = []
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        try:
            frame = pd.read_parquet(file)
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(f"{file.name} cannot be read: {first_line(error)}") from error
        missing = {"text", "label"} - set(frame.columns)
        if missing:
            raise CorpusError(f"{file.name} has no column {', '.join(sorted(missing))}")
        if not frame["label"].isin([0, 1]).all():
            raise CorpusError(f"{file.name} has labels other than 0 and 1")
        if not frame["text"].map(lambda text: isinstance(text, str)).all():
            raise CorpusError(f"{file.name} has rows whose text is no string")
        frames.append(
            pd.DataFrame(
                {
                    "text": frame["text"].map(clean),
                    "label": frame["label"].astype("int8"),
                    "dataset": file.stem,
                    "role": _roles(frame, reports=file.stem in report_only),
                }
            )
        )
    corpus = pd.concat(frames, ignore_index=True)
    blank = corpus["text"].map(is_blank)
    corpus = corpus[~blank].reset_index(drop=True)
    labels = corpus.loc[corpus["role"] == "train", "label"]
    if (
        min((labels == 0).sum(), (labels == 1).sum()) < LEAST_OF_EACH_LABEL
        or not (corpus["role"] == "validation").any()
    ):
        raise CorpusError(
            f"{folder} has too few texts to learn from: at least {LEAST_OF_EACH_LABEL} of each"
            " label and some hundred in all"
        )
    return corpus, digest.hexdigest(), int(blank.sum())


def _roles(frame: pd.DataFrame, *, reports: bool) -> np.ndarray:
    if reports:
        return np.full(len(frame), "report", dtype=object)
    role = np.where(frame["text"].map(_is_validation), "validation", "train").astype(object)
    if "split" in frame and (frame["split"] == "train").any():
        role[(frame["split"] != "train").to_numpy()] = "report"
    return role


def _is_validation(text: str) -> bool:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] < VALIDATION_DIGESTS


@dataclass(frozen=True)
class TokenTable:
    """Token ids of many texts in one flat array, without [CLS] and [SEP].

    flat: shape (tokens,); offsets: shape (texts + 1,); labels: shape (texts,).
    """

    flat: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    @classmethod
    def encode(cls, tokenizer: Tokenizer, texts: Sequence[str], labels: np.ndarray) -> "TokenTable":
        flat, lengths = [], []
        for start in range(0, len(texts), 4096):
            for encoding in tokenizer.encode_batch_fast(
                list(texts[start : start + 4096]), add_special_tokens=False
            ):
                flat.append(np.asarray(encoding.ids, dtype=np.int32))
                lengths.append(len(encoding.ids))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.concatenate(flat), offsets, np.asarray(labels))

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self, max_tokens: int) -> np.ndarray:
        """Tokens per text as a model of `max_tokens` reads it, [CLS] and [SEP] included."""
        lengths: np.ndarray = np.minimum(np.diff(self.offsets) + 2, max_tokens)
        return lengths

    def batch(self, rows: np.ndarray, max_tokens: int, first_id: int, last_id: int) -> Batch:
        """One padded batch of the given rows, long texts cut to head and tail."""
        ids = self.aligned(self.flat, rows, max_tokens).astype(np.int64)
        lengths = self._lengths_of(rows, max_tokens)
        ids[:, 0] = first_id
        ids[np.arange(len(rows)), lengths - 1] = last_id
        mask = np.arange(ids.shape[1])[None, :] < lengths[:, None]
        return Batch(ids, mask, self.labels[rows])

    def aligned(self, values: np.ndarray, rows: np.ndarray, max_tokens: int) -> np.ndarray:
        """`values` of the tokens, shape (tokens,), as they stand in the batch of the same rows;
        zero at special tokens and padding."""
        width = int(self._lengths_of(rows, max_tokens).max())
        placed = np.zeros((len(rows), width), dtype=values.dtype)
        for i, row in enumerate(rows):
            kept = keep_head_and_tail(
                values[self.offsets[row] : self.offsets[row + 1]], max_tokens - 2
            )
            placed[i, 1 : len(kept) + 1] = kept
        return placed

    def _lengths_of(self, rows: np.ndarray, max_tokens: int) -> np.ndarray:
        lengths: np.ndarray = np.minimum(
            self.offsets[rows + 1] - self.offsets[rows] + 2, max_tokens
        )
        return lengths


def batches_by_length(
    lengths: np.ndarray,
    order: np.ndarray,
    token_budget: int,
    rng: np.random.Generator,
    most_texts: int = 8192,
) -> Iterator[np.ndarray]:
    """Cut a shuffled `order` of rows into batches of similar length within the token budget.

    A batch has at most `most_texts` rows.

    Rows are sorted by length within windows of 8,192, so that batches stay random between
    windows and little is spent on padding within them.
    """
    batches = []
    for start in range(0, len(order), 8192):
        window = order[start : start + 8192]
        window = window[np.argsort(lengths[window], kind="stable")[::-1]]
        at = 0
        while at < len(window):
            size = max(1, min(most_texts, token_budget // int(lengths[window[at]])))
            batches.append(window[at : at + size])
            at += size
    for i in rng.permutation(len(batches)):
        yield batches[i]


def draw_epoch(
    datasets: np.ndarray,
    repeats: Mapping[str, float],
    other_repeats: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Row numbers of one epoch, shuffled: each data set as often as `repeats` says, the others
    `other_repeats` times.

    A share such as 0.5 draws half of the rows, anew in each epoch.
    """
    drawn = []
    for name in sorted(set(datasets)):
        rows = np.flatnonzero(datasets == name)
        whole, share = divmod(repeats.get(name, other_repeats), 1)
        drawn.append(np.tile(rows, int(whole)))
        drawn.append(rng.permutation(rows)[: round(share * len(rows))])
    return rng.permutation(np.concatenate(drawn))

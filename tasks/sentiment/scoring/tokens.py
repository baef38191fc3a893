"""Token ids as a model reads them, and their order of work.

A text longer than the model reads keeps a quarter of the room for its head and the rest for
its tail. Batches hold texts of the same padded length, and that length follows from the text
alone: what a model answers does not depend on which texts happen to stand beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

PAD_TO = 8  # tokens; coarser means more padding, finer means smaller batches


def keep_head_and_tail(tokens: np.ndarray, room: int) -> np.ndarray:
    """Cut `tokens` to `room`: a quarter from the head, the rest from the tail.

    Head and tail beat either alone on long reviews (Sun et al. 2019, "How to Fine-Tune BERT
    for Text Classification?", table 2: 128 head and 382 tail tokens of 510).
    """
    if len(tokens) <= room:
        return tokens
    head = room // 4
    return np.concatenate([tokens[:head], tokens[len(tokens) - (room - head) :]])


@dataclass(frozen=True)
class Batch:
    """Texts of one padded length.

    rows: positions of the texts in the caller's list, shape (texts,); ids: int32, shape
    (texts, tokens), padded on the right; lengths: tokens per text, shape (texts,).
    """

    rows: np.ndarray
    ids: np.ndarray
    lengths: np.ndarray


class TokenReader:
    """Turns texts into batches for one model."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        pad_id: int,
        *,
        pad_to: int = PAD_TO,
        most_texts: int | None = None,
    ) -> None:
        """`tokenizer` is copied, with cutting and padding switched off.

        pad_to: lengths are multiples of it; 1: no padding. most_texts: of one batch.
        """
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._before, self._after = _special_tokens(self._tokenizer)
        self._room = max_tokens - len(self._before) - len(self._after)
        self._max_tokens, self._pad_id = max_tokens, pad_id
        self._pad_to, self._most_texts = pad_to, most_texts

    def read(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, int32, cut to what the model reads, special tokens included."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        tokens = (np.array(encoding.ids, dtype=np.int32) for encoding in encodings)
        kept = (keep_head_and_tail(one, self._room) for one in tokens)
        return [np.concatenate([self._before, one, self._after]) for one in kept]

    def batches(self, ids: Sequence[np.ndarray], token_budget: int) -> list[Batch]:
        """All texts once, longest first, at most `token_budget` tokens a batch (or one text)."""
        lengths = np.array([len(tokens) for tokens in ids])
        widths = np.minimum(-(-lengths // self._pad_to) * self._pad_to, self._max_tokens)
        order = np.argsort(-widths, kind="stable")
        batches = []
        for group in np.split(order, np.flatnonzero(np.diff(widths[order])) + 1):
            width = int(widths[group[0]])
            size = self._most_texts or max(1, token_budget // width)
            for at in range(0, len(group), size):
                rows = group[at : at + size]
                padded = np.full((len(rows), width), self._pad_id, dtype=np.int32)
                for i, row in enumerate(rows):
                    padded[i, : lengths[row]] = ids[row]
                batches.append(Batch(rows, padded, lengths[rows]))
        return batches


def _special_tokens(tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """The special tokens that the tokenizer puts before and after a text."""
    encoding = tokenizer.encode("a")
    inner = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    first, last = (inner[0], inner[-1] + 1) if inner else (1, 1)
    ids = np.array(encoding.ids, dtype=np.int32)
    return ids[:first], ids[last:]

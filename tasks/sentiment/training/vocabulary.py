"""The tokenizer of the bundled model (WordPiece) and its first word vectors."""

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CLS, SEP, MASK = (SPECIAL.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))


def train_tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    """Learn a lower-case WordPiece vocabulary of `size` entries, the same each time.

    "isn't", "is n't" and "is not" become the same tokens: negation decides sentiment, and
    sources differ in how they split it.
    """
    learner = _tokenizer({"[UNK]": 0})
    characters = sorted(set().union(*(learner.normalizer.normalize_str(t) for t in texts)))
    # The trainer breaks ties by the order in which it met a piece, which differs each time.
    # Pieces that are given beforehand keep their order.
    pieces = [f"##{character}" for character in characters if not character.isspace()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=3, special_tokens=[*SPECIAL, *pieces]
    )
    learner.train_from_iterator(texts, trainer)
    found = sorted(set(learner.get_vocab()) - set(SPECIAL))
    tokenizer = _tokenizer({token: i for i, token in enumerate([*SPECIAL, *found])})
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", SEP), ("[CLS]", CLS))
    return tokenizer


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=60)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(lowercase=True),
            normalizers.Replace(Regex(r"\bcan ?['’´`]t\b"), "can not"),
            normalizers.Replace(Regex(r" ?n ?['’´`]t\b"), " not"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def word_vectors(
    flat: np.ndarray, offsets: np.ndarray, size: int, width: int, window: int = 4
) -> torch.Tensor:
    """Word vectors from co-occurrence alone, shape (size, width), float32.

    The positive pointwise mutual information of tokens within `window` of each other, its
    context counts smoothed by the power 0.75, factored by a truncated singular value
    decomposition with the singular values' square roots (Levy, Goldberg and Dagan 2015,
    "Improving Distributional Similarity with Lessons Learned from Word Embeddings").
    """
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    counts = _sparse(torch.empty(2, 0, dtype=torch.int64), torch.empty(0), size)
    for distance in range(1, window + 1):
        near = text[distance:] == text[:-distance]
        pair = flat[:-distance][near].astype(np.int64) * size + flat[distance:][near]
        key, count = np.unique(pair, return_counts=True)
        index = torch.from_numpy(np.stack([key // size, key % size]))
        weight = torch.from_numpy(count).float() * (window + 1 - distance) / window
        one_way = _sparse(index, weight, size)
        counts = (counts + one_way + one_way.t()).coalesce()
    row, column = counts.indices()
    word = torch.sparse.sum(counts, 1).to_dense().clamp(min=1)
    context = word**0.75
    information = torch.log(counts.values() * context.sum() / (word[row] * context[column])).clamp(
        min=0
    )
    matrix = _sparse(counts.indices(), information, size).coalesce()
    left, singular, _ = torch.svd_lowrank(matrix, q=width + 32, niter=3)
    vectors: torch.Tensor = left[:, :width] * singular[:width].sqrt()
    unit: torch.Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return unit


def _sparse(index: torch.Tensor, values: torch.Tensor, size: int) -> torch.Tensor:
    """A square sparse matrix; unless told whether to check it, torch warns on the terminal."""
    return torch.sparse_coo_tensor(index, values, (size, size), check_invariants=False)

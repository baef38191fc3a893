"""Training of the bundled sentiment model: a small BERT from random weights.

The tokenizer and the first word vectors come from the training texts, and the network starts
as a bag of those words: position embeddings at zero, attention even, its value path a
rotation. So it has learnt most of what it ever will within the first minutes. Masked words are
the only regulariser; there is no dropout. What is kept is the exponential average of the
weights, its logits divided by a temperature fitted on the validation rows, so that
probabilities mean what they say.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from tasks.sentiment.corpus import TokenTable, batches_by_length, draw_epoch
from tasks.sentiment.text import text_digest
from tasks.sentiment.vocabulary import SPECIAL, train_tokenizer, word_vectors

CHECKPOINT_EVERY = 200  # steps
AVERAGE_DECAY = 0.999
GRADIENT_NORM = 1.0
SPECIAL_IDS = len(SPECIAL)


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data, decides the weights."""

    seed: int = 20261122
    epochs: int = 3
    long_epochs: int = 1  # how many of them, at the end, read `max_tokens`
    short_tokens: int = 192  # what the others read
    max_tokens: int = 384
    vocabulary: int = 16_000
    width: int = 256
    layers: int = 4
    heads: int = 4
    batch_tokens: int = 8_192
    learning_rate: float = 7e-4
    warm_up_share: float = 0.04
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    mask_share: tuple[float, float] = (0.15, 0.05)  # first step, last step
    repeats: Mapping[str, float] = field(
        default_factory=lambda: {
            "sst2_sentences": 2.0,
            "rt_polarity": 2.0,
            "customer_reviews_cr": 2.0,
            "yelp_sentences": 0.6,  # weak labels: the stars of the whole review
        }
    )


@dataclass(frozen=True)
class Progress:
    """Where a training stands."""

    step: int
    steps: int
    loss: float
    tokens: int  # since this process started


def fit(
    corpus: pd.DataFrame,
    recipe: Recipe,
    folder: Path,
    report: Callable[[Progress], None],
) -> tuple[BertForSequenceClassification, Tokenizer]:
    """Train on the corpus rows of role `train`; continue from `folder` where it has a checkpoint.

    Two calls with the same corpus and recipe give the same weights on the same machine,
    interrupted or not. A GPU is used where torch sees one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train = corpus[corpus["role"] == "train"]
    tokenizer = _tokenizer(train["text"], recipe, folder / "tokenizer.json")
    table = TokenTable.encode(tokenizer, train["text"].tolist(), train["label"].to_numpy())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    model = build(recipe)
    plan = _plan(table, train["dataset"].to_numpy(), recipe)
    state = _State(model, recipe, len(plan), folder / "checkpoint.pt", device)
    if not state.load():
        vectors = word_vectors(table.flat, table.offsets, recipe.vocabulary, recipe.width)
        start_as_bag_of_words(model, vectors)
    first, last, mask = (SPECIAL.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))
    tokens = 0
    while state.step < len(plan):
        rows, max_tokens = plan[state.step]
        batch = table.batch(rows, max_tokens, first, last)
        loss = state.learn(batch.ids, batch.mask, batch.labels, mask)
        tokens += batch.ids.size
        if state.step % CHECKPOINT_EVERY == 0 or state.step == len(plan):
            state.save()
        report(Progress(state.step, len(plan), loss, tokens))
    return state.averaged(), tokenizer


def build(recipe: Recipe) -> BertForSequenceClassification:
    """The network with random weights."""
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=recipe.vocabulary,
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.width,
            max_position_embeddings=recipe.max_tokens,
            type_vocab_size=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=0,
            id2label={0: "NEGATIVE", 1: "POSITIVE"},
            label2id={"NEGATIVE": 0, "POSITIVE": 1},
        )
    )
    model.set_attn_implementation("eager")  # on a CPU 1.5 times as fast to train as sdpa
    return model


@torch.no_grad()
def start_as_bag_of_words(model: Any, vectors: torch.Tensor) -> None:
    """Set the word vectors, shape (vocabulary, width), and let attention pass their mean on.

    Positions start at zero, so that those never seen in training do no harm.
    """
    embeddings = model.bert.embeddings
    centred = vectors.clone()
    centred[SPECIAL_IDS:] -= vectors[SPECIAL_IDS:].mean(0)  # the common part says nothing
    embeddings.word_embeddings.weight.copy_(centred)
    torch.nn.init.zeros_(embeddings.position_embeddings.weight)
    torch.nn.init.zeros_(embeddings.token_type_embeddings.weight)
    for layer in model.bert.encoder.layer:
        torch.nn.init.orthogonal_(layer.attention.self.value.weight, 1.4)
        torch.nn.init.orthogonal_(layer.attention.output.dense.weight, 1.4)
    torch.nn.init.orthogonal_(model.bert.pooler.dense.weight)


def _tokenizer(texts: pd.Series, recipe: Recipe, file: Path) -> Tokenizer:
    if not file.exists():
        aside = file.with_suffix(".tmp")
        train_tokenizer(texts.tolist(), recipe.vocabulary).save(str(aside))
        aside.replace(file)
    return Tokenizer.from_file(str(file))


def _plan(table: TokenTable, datasets: np.ndarray, recipe: Recipe) -> list[tuple[np.ndarray, int]]:
    """All steps of the training: the rows of each batch and how many tokens it reads."""
    steps: list[tuple[np.ndarray, int]] = []
    for epoch in range(recipe.epochs):
        rng = np.random.default_rng([recipe.seed, epoch])
        is_long = epoch >= recipe.epochs - recipe.long_epochs
        max_tokens = recipe.max_tokens if is_long else recipe.short_tokens
        order = draw_epoch(datasets, recipe.repeats, rng)
        lengths = table.lengths(max_tokens)
        batches = batches_by_length(lengths, order, recipe.batch_tokens, rng)
        steps.extend((rows, max_tokens) for rows in batches)
    return steps


class _State:
    """Weights, their average, the optimiser and the step: what a checkpoint holds."""

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        steps: int,
        file: Path,
        device: torch.device,
    ) -> None:
        self.model = model.to(device).train()
        self.recipe, self.steps, self.file, self.device = recipe, steps, file, device
        self.step = 0
        self.average = {k: v.detach().clone() for k, v in model.named_parameters()}
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )

    def learn(self, ids: np.ndarray, mask: np.ndarray, labels: np.ndarray, mask_id: int) -> float:
        recipe, done = self.recipe, self.step / self.steps
        torch.manual_seed(recipe.seed + self.step)  # the same masks after a resume
        words = torch.from_numpy(ids).to(self.device)
        seen = torch.from_numpy(mask).to(self.device)
        target = torch.from_numpy(labels).long().to(self.device)
        first, last = recipe.mask_share
        hidden = (torch.rand(words.shape) < first + (last - first) * done).to(self.device)
        hidden &= seen & (words > mask_id)  # never the special tokens, which come first
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.model(words.masked_fill(hidden, mask_id), seen.long()).logits
        loss = functional.cross_entropy(
            logits.float(), target, label_smoothing=recipe.label_smoothing
        )
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _rate(done, recipe.warm_up_share)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()
        return float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step / (self.step + 10))
        mine = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(list(self.average.values()), mine, 1 - decay)

    def averaged(self) -> BertForSequenceClassification:
        self.model.load_state_dict(self.average, strict=False)
        averaged: BertForSequenceClassification = self.model.eval()
        return averaged

    def save(self) -> None:
        aside = self.file.with_suffix(".tmp")
        torch.save(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
            },
            aside,
        )
        aside.replace(self.file)

    def load(self) -> bool:
        if not self.file.exists():
            return False
        saved: dict[str, Any] = torch.load(self.file, map_location=self.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.average, self.step = saved["average"], saved["step"]
        return True


def _rate(done: float, warm_up: float) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    if done < warm_up:
        return (done + 1e-4) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * (done - warm_up) / (1 - warm_up))))


@torch.no_grad()
def logits_of(
    model: BertForSequenceClassification, tokenizer: Tokenizer, texts: list[str], max_tokens: int
) -> torch.Tensor:
    """Logits, shape (texts, 2), float32, in the order of the texts."""
    table = TokenTable.encode(tokenizer, texts, np.zeros(len(texts)))
    first, last = SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")
    lengths = table.lengths(max_tokens)
    order = np.argsort(lengths, kind="stable")[::-1]
    device = next(model.parameters()).device
    logits = torch.empty(len(texts), 2)
    for rows in batches_by_length(lengths, order, 8_192, np.random.default_rng(0)):
        batch = table.batch(rows, max_tokens, first, last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            output = model(
                torch.from_numpy(batch.ids).to(device),
                torch.from_numpy(batch.mask).long().to(device),
            )
        logits[torch.from_numpy(rows.copy())] = output.logits.float().cpu()
    return logits


def fingerprint(recipe: Recipe, data_digest: str) -> str:
    """Names a training: the same recipe on the same data."""
    return text_digest(json.dumps(asdict(recipe), sort_keys=True) + data_digest)[:16]

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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification

from tasks.sentiment.corpus import Batch, TokenTable, batches_by_length, draw_epoch
from tasks.sentiment.text import text_digest
from tasks.sentiment.vocabulary import SPECIAL, train_tokenizer, word_vectors

CHECKPOINT_EVERY = 200  # steps
AVERAGE_DECAY = 0.999
GRADIENT_NORM = 1.0
SPECIAL_IDS = len(SPECIAL)


@dataclass(frozen=True)
class Stage:
    """Passes over the data under one learning-rate curve: a warm-up, then a cosine."""

    lengths: tuple[int, ...]  # how many tokens of a text each pass reads
    repeats: Mapping[str, float]  # how often a pass draws the rows of a data set
    other_repeats: float  # of the data sets that `repeats` does not name
    batch_tokens: int
    learning_rate: float
    mask_share: tuple[float, float]  # at the first step and at the last
    warm_up_share: float = 0.05


MAIN = Stage(
    lengths=(192, 192, 384),
    repeats={
        "sst2_sentences": 2.0,
        "rt_polarity": 2.0,
        "customer_reviews_cr": 2.0,
        "yelp_sentences": 0.6,  # weak labels: the stars of the whole review
    },
    other_repeats=1.0,
    batch_tokens=8_192,
    learning_rate=7e-4,
    mask_share=(0.15, 0.05),
    warm_up_share=0.04,
)


@dataclass(frozen=True)
class Recipe:
    """Everything that, with the data, decides the weights."""

    seed: int = 20261122
    stages: tuple[Stage, ...] = (MAIN,)
    max_tokens: int = 384
    vocabulary: int = 16_000
    width: int = 256
    layers: int = 4
    heads: int = 4
    weight_decay: float = 0.05
    label_smoothing: float = 0.05


@dataclass(frozen=True)
class Step:
    """A batch to learn from. done: share of its stage's steps that lie before it."""

    rows: np.ndarray
    max_tokens: int
    stage: Stage
    done: float

    @property
    def opens_stage(self) -> bool:
        return self.done == 0


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
    state = _State(model, recipe, folder / "checkpoint.pt", device)
    if not state.load():
        vectors = word_vectors(table.flat, table.offsets, recipe.vocabulary, recipe.width)
        start_as_bag_of_words(model, vectors)
    first, last, mask = (SPECIAL.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))
    tokens = 0
    while state.step < len(plan):
        step = plan[state.step]
        batch = table.batch(step.rows, step.max_tokens, first, last)
        loss = state.learn(step, batch, mask)
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


def _plan(table: TokenTable, datasets: np.ndarray, recipe: Recipe) -> list[Step]:
    """All steps of the training."""
    steps: list[Step] = []
    for number, stage in enumerate(recipe.stages):
        batches: list[tuple[np.ndarray, int]] = []
        for epoch, max_tokens in enumerate(stage.lengths):
            rng = np.random.default_rng([recipe.seed, number, epoch])
            order = draw_epoch(datasets, stage.repeats, stage.other_repeats, rng)
            rows = batches_by_length(table.lengths(max_tokens), order, stage.batch_tokens, rng)
            batches.extend((batch, max_tokens) for batch in rows)
        count = len(batches)
        steps.extend(Step(rows, n, stage, i / count) for i, (rows, n) in enumerate(batches))
    return steps


class _State:
    """Weights, their average, the optimiser and the step: what a checkpoint holds."""

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        file: Path,
        device: torch.device,
    ) -> None:
        self.model = model.to(device).train()
        self.recipe, self.file, self.device = recipe, file, device
        self.step = self.step_of_stage = 0
        self.average = {k: v.detach().clone() for k, v in model.named_parameters()}
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.AdamW:
        model = self.model
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim <= 1]
        return torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self.recipe.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
            fused=True,
        )

    def learn(self, step: Step, batch: Batch, mask_id: int) -> float:
        """Take one step; a new stage starts from the average, with a new optimiser."""
        if step.opens_stage and self.step:
            self.model.load_state_dict(self.average, strict=False)
            self.optimizer, self.step_of_stage = self._new_optimizer(), 0
        torch.manual_seed(self.recipe.seed + self.step)  # the same masks after a resume
        words = torch.from_numpy(batch.ids).to(self.device)
        seen = torch.from_numpy(batch.mask).to(self.device)
        target = torch.from_numpy(batch.labels).long().to(self.device)
        first, last = step.stage.mask_share
        hidden = torch.rand(words.shape) < first + (last - first) * step.done
        hidden = hidden.to(self.device) & seen
        hidden &= words > mask_id  # never the special tokens, which come first
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.model(words.masked_fill(hidden, mask_id), seen.long()).logits
        loss = functional.cross_entropy(
            logits.float(), target, label_smoothing=self.recipe.label_smoothing
        )
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = step.stage.learning_rate * _rate(step.done, step.stage.warm_up_share)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.step_of_stage += 1
        self._average()
        return float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step_of_stage / (self.step_of_stage + 10))
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
                "step_of_stage": self.step_of_stage,
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
        self.step_of_stage = saved["step_of_stage"]
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

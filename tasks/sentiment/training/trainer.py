"""Training of the bundled sentiment model: a small BERT from random weights.

The tokenizer and the first word vectors come from the training texts, and the network starts
as a bag of those words: position embeddings at zero, attention even, its value path a
rotation. Beside the labels it learns from a linear teacher (teacher.py) what each text and each
token amount to. Masked words regularise it; there is no dropout. What is kept is the exponential
average of the weights, its logits divided by a temperature fitted on the validation rows, so
that probabilities mean what they say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertForSequenceClassification

from services.storage.files import write_text, written_aside
from tasks.sentiment.training.corpus import Batch, TokenTable, batches_by_length, draw_epoch
from tasks.sentiment.training.network import build_network, start_as_bag_of_words
from tasks.sentiment.training.recipe import Recipe
from tasks.sentiment.training.teacher import TeacherTargets
from tasks.sentiment.training.vocabulary import CLS, MASK, SEP, train_tokenizer, word_vectors

CHECKPOINT_EVERY = 200  # steps
AVERAGE_DECAY = 0.999
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Step:
    """A batch to learn from. done: share of all steps that lie before it."""

    rows: np.ndarray
    max_tokens: int
    done: float


def fit(
    corpus: pd.DataFrame,
    recipe: Recipe,
    folder: Path,
    report: Callable[[int, int], None],
    announce: Callable[[str], None],
) -> tuple[BertForSequenceClassification, Tokenizer]:
    """Train on the corpus rows of role `train`; continue from `folder` where it has a checkpoint.

    Two calls with the same corpus and recipe give the same weights on the same machine,
    interrupted or not. A GPU is used where torch sees one. `report` gets the steps done and all
    steps after each one, `announce` what goes on before the first, which takes minutes on a large
    corpus.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train = corpus[corpus["role"] == "train"]
    announce("vocabulary and token ids")
    tokenizer = _tokenizer(train["text"], recipe, folder / "tokenizer.json")
    table = TokenTable.encode(tokenizer, train["text"].tolist(), train["label"].to_numpy())
    repeats = train["dataset"].map(lambda name: recipe.repeats.get(name, recipe.other_repeats))
    announce("linear teacher")
    targets = TeacherTargets.read_or_fit(
        folder / "lesson.npz", table, repeats.to_numpy(), recipe.vocabulary, recipe.seed
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    model = build_network(recipe)
    plan = _plan(table, train["dataset"].to_numpy(), recipe)
    state = _TrainingState(model, recipe, folder / "checkpoint.pt", device)
    if not state.load():
        announce("word vectors")
        vectors = word_vectors(table.flat, table.offsets, recipe.vocabulary, recipe.width)
        start_as_bag_of_words(model, vectors)
    while state.step < len(plan):
        step = plan[state.step]
        batch = table.batch(step.rows, step.max_tokens, CLS, SEP)
        shares = table.aligned(targets.shares, step.rows, step.max_tokens)
        state.learn(step, batch, targets.probability[step.rows], shares)
        if state.step % CHECKPOINT_EVERY == 0 or state.step == len(plan):
            state.save()
        report(state.step, len(plan))
    return state.averaged(), tokenizer


def _tokenizer(texts: pd.Series, recipe: Recipe, file: Path) -> Tokenizer:
    if not file.exists():
        write_text(file, train_tokenizer(texts.tolist(), recipe.vocabulary).to_str(pretty=True))
    return Tokenizer.from_file(str(file))


def _plan(table: TokenTable, datasets: np.ndarray, recipe: Recipe) -> list[Step]:
    """All steps of the training."""
    batches: list[tuple[np.ndarray, int]] = []
    for epoch, max_tokens in enumerate(recipe.lengths):
        rng = np.random.default_rng([recipe.seed, epoch])
        order = draw_epoch(datasets, recipe.repeats, recipe.other_repeats, rng)
        lengths = table.lengths(max_tokens)
        rows = batches_by_length(lengths, order, recipe.batch_tokens, rng, recipe.batch_texts)
        batches.extend((batch, max_tokens) for batch in rows)
    return [Step(rows, n, i / len(batches)) for i, (rows, n) in enumerate(batches)]


class _TrainingState:
    """Weights, their average, the optimisers and the step: what a checkpoint holds."""

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        file: Path,
        device: torch.device,
    ) -> None:
        self.model = model.to(device).train()
        # Reads off the last layer but one what each token adds, so that the last can add it up.
        self.token_head = torch.nn.Linear(recipe.width, 1).to(device)
        self.recipe, self.file, self.device = recipe, file, device
        self.step = 0
        self.average = {k: v.detach().clone() for k, v in model.named_parameters()}
        self.optimizers = self._optimizers()

    def _optimizers(self) -> tuple[torch.optim.Optimizer, ...]:
        """Muon for the inner matrices (Jordan et al. 2024), which stands learning rates at which
        AdamW alone diverges here, and AdamW for all else."""
        recipe = self.recipe
        words = self.model.bert.embeddings.word_embeddings.weight
        inner = [*self.model.bert.encoder.parameters(), *self.model.bert.pooler.parameters()]
        matrices = [p for p in inner if p.ndim == 2]
        known = {id(p) for p in (words, *matrices)}
        others = [p for p in self.model.parameters() if id(p) not in known]
        slow = recipe.learning_rate / 3
        muon = torch.optim.Muon(
            [{"params": matrices, "peak": recipe.learning_rate}],
            weight_decay=recipe.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        adamw = torch.optim.AdamW(
            [
                {"params": [words], "peak": recipe.learning_rate},
                {"params": others, "peak": slow, "weight_decay": 0.0},
                {"params": self.token_head.parameters(), "peak": slow},
            ],
            weight_decay=recipe.weight_decay,
            betas=(0.9, 0.98),
            fused=True,
        )
        return muon, adamw

    def learn(self, step: Step, batch: Batch, probability: np.ndarray, shares: np.ndarray) -> None:
        """Take one step. probability, shape (texts,), and shares, shape (texts, longest): the
        teacher's."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed + self.step)  # the same masks after a resume
        words = torch.from_numpy(batch.ids).to(self.device)
        seen = torch.from_numpy(batch.mask).to(self.device)
        positive = (1 - recipe.teacher_share) * batch.labels + recipe.teacher_share * probability
        positive += recipe.label_smoothing * (0.5 - positive)
        target = torch.from_numpy(np.stack([1 - positive, positive], 1)).float().to(self.device)
        first, last = recipe.mask_share
        hidden = torch.rand(words.shape) < first + (last - first) * step.done
        hidden = hidden.to(self.device) & seen
        hidden &= words > MASK  # never the special tokens, which come first
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            output = self.model(
                words.masked_fill(hidden, MASK), seen.long(), output_hidden_states=True
            )
            added = self.token_head(output.hidden_states[-2])[..., 0]
        loss = functional.cross_entropy(output.logits.float(), target)
        token_loss = functional.smooth_l1_loss(
            added.float()[seen], torch.from_numpy(shares).to(self.device)[seen]
        )
        torch.autograd.backward(loss + recipe.token_weight * (1 - step.done) * token_loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _rate(step.done, recipe.warm_up_share)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._average()

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
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "token_head": self.token_head.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        with written_aside(self.file) as handle:
            torch.save(state, handle)

    def load(self) -> bool:
        if not self.file.exists():
            return False
        saved: dict[str, Any] = torch.load(self.file, map_location=self.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.token_head.load_state_dict(saved["token_head"])
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.average, self.step = saved["average"], saved["step"]
        return True


def _rate(done: float, warm_up: float) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    if done < warm_up:
        return (done + 1e-4) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * (done - warm_up) / (1 - warm_up))))

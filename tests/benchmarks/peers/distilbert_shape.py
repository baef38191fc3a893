"""A model of DistilBERT's size and shape without its weights, for measuring speed.

Time does not depend on the weights; whether a lower precision keeps the labels does, since
random weights put every text next to the border. So three things are lent from a small trained
model, the teacher: its tokenizer, its opinion of each word alone, which is added to the random
word embeddings along one direction, and its labels of some texts, to which the last linear
layer is fitted. Attention's value path is made loud enough for words to reach the first token.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from tasks.sentiment.scoring.encoder import Encoder, Linear, read_encoder
from tasks.sentiment.scoring.golden import GOLDEN_TEXTS
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.runtime import OnnxForward
from tasks.sentiment.scoring.scorer import Scorer
from tasks.sentiment.scoring.tokens import TokenReader
from tasks.sentiment.text import clean

VALUE_GAIN = 2.0
OPINION_GAIN = 0.5  # of a word's log-odds, in lengths of a random word embedding
DECAY = 1e-2  # of the fitted layer, per squared weight


def write_distilbert_shape(folder: Path, teacher: ModelFolder, texts: Sequence[str]) -> None:
    """Write a model in Hugging Face format, 66 M weights, the same for the same arguments.

    texts: a few hundred cleaned reviews.
    """
    torch.manual_seed(0)
    labels = {0: "NEGATIVE", 1: "POSITIVE"}
    network = DistilBertForSequenceClassification(
        DistilBertConfig(id2label=labels, label2id={label: i for i, label in labels.items()})
    )
    scorer = Scorer(teacher)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("v_lin.weight", "out_lin.weight")):
                parameter.mul_(VALUE_GAIN)
        words = network.distilbert.embeddings.word_embeddings.weight
        opinions = _opinions(scorer)
        length = words.norm(dim=1).mean()
        direction = torch.nn.functional.normalize(torch.randn(words.shape[1]), dim=0)
        words[: len(opinions)] += OPINION_GAIN * length * opinions[:, None] * direction
    network.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(teacher.path / file, folder)
    encoder = read_encoder(folder, network.config.to_dict(), 0)
    assert encoder is not None
    # Every run asks a model for the known texts first: they count ten times.
    fitted = [*texts, *[clean(golden.raw_text) for golden in GOLDEN_TEXTS] * 10]
    features = _features(encoder, teacher, fitted)
    _fit(network.classifier, features, torch.from_numpy(scorer.score(fitted) >= 0.5).long())
    network.save_pretrained(folder)


def _opinions(scorer: Scorer) -> torch.Tensor:
    """Log-odds that the teacher gives to each entry of its vocabulary, shape (entries,)."""
    tokenizer = scorer.model.tokenizer
    entries = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    probability = torch.from_numpy(scorer.score([e.removeprefix("##") for e in entries]))
    return torch.logit(probability, eps=1e-3).float()


def _features(encoder: Encoder, teacher: ModelFolder, texts: Sequence[str]) -> torch.Tensor:
    """What the last layer sees of each text, shape (texts, width)."""
    width = encoder.words.shape[1]
    identity = Linear(np.eye(width, dtype=np.float32), np.zeros(width, np.float32))
    forward = OnnxForward(replace(encoder, classifier=identity), int8=False, threads=1)
    reader = TokenReader(
        teacher.tokenizer, min(teacher.inputs.max_tokens, len(encoder.positions)), 0
    )
    features = np.empty((len(texts), width), np.float32)
    for batch in reader.batches(reader.read(texts), forward.token_budget):
        features[batch.rows] = forward(batch.ids, batch.lengths)
    return torch.from_numpy(features)


def _fit(classifier: torch.nn.Linear, features: torch.Tensor, labels: torch.Tensor) -> None:
    """Logistic regression on standardised features, written back in their own scale."""
    centre, spread = features.mean(0), features.std()
    standard = (features - centre) / spread
    balance = len(labels) / (2 * torch.bincount(labels, minlength=2).clamp(min=1))
    weight = torch.zeros_like(classifier.weight, requires_grad=True)
    bias = torch.zeros_like(classifier.bias, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = standard @ weight.T + bias
        value = torch.nn.functional.cross_entropy(logits, labels, balance)
        value = value + DECAY * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        classifier.weight.copy_(weight / spread)
        classifier.bias.copy_(bias - (weight / spread) @ centre)

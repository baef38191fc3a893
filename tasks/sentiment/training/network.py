"""The network that is trained: built with random weights, started from word vectors, evaluated."""

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

from tasks.sentiment.training.corpus import TokenTable, batches_by_length
from tasks.sentiment.training.recipe import Recipe
from tasks.sentiment.training.vocabulary import CLS, SEP, SPECIAL


def build_network(recipe: Recipe) -> BertForSequenceClassification:
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
    centred[len(SPECIAL) :] -= vectors[len(SPECIAL) :].mean(0)  # the common part says nothing
    embeddings.word_embeddings.weight.copy_(centred)
    torch.nn.init.zeros_(embeddings.position_embeddings.weight)
    torch.nn.init.zeros_(embeddings.token_type_embeddings.weight)
    for layer in model.bert.encoder.layer:
        torch.nn.init.orthogonal_(layer.attention.self.value.weight, 1.4)
        torch.nn.init.orthogonal_(layer.attention.output.dense.weight, 1.4)
    torch.nn.init.orthogonal_(model.bert.pooler.dense.weight)


@torch.no_grad()
def predict_logits(
    model: BertForSequenceClassification, tokenizer: Tokenizer, texts: list[str], max_tokens: int
) -> torch.Tensor:
    """Logits, shape (texts, 2), float32, in the order of the texts."""
    table = TokenTable.encode(tokenizer, texts, np.zeros(len(texts)))
    lengths = table.lengths(max_tokens)
    order = np.argsort(lengths, kind="stable")[::-1]
    device = next(model.parameters()).device
    logits = torch.empty(len(texts), 2)
    for rows in batches_by_length(lengths, order, 8_192, np.random.default_rng(0)):
        batch = table.batch(rows, max_tokens, CLS, SEP)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            output = model(
                torch.from_numpy(batch.ids).to(device),
                torch.from_numpy(batch.mask).long().to(device),
            )
        logits[torch.from_numpy(rows.copy())] = output.logits.float().cpu()
    return logits

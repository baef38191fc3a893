"""Models of a few thousand weights, written in Hugging Face format within a second."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tasks.sentiment.scoring.golden import GOLDEN_TEXTS
from tasks.sentiment.scoring.tokens import TokenReader
from tasks.sentiment.text import clean

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_TOKENS = 48
LABELS: dict[str, Any] = {
    "id2label": {0: "NEGATIVE", 1: "POSITIVE"},
    "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
}


def tiny_tokenizer() -> Tokenizer:
    """One id per word of the golden texts."""
    splitter = pre_tokenizers.BertPreTokenizer()
    words = {
        word
        for golden in GOLDEN_TEXTS
        for word, _ in splitter.pre_tokenize_str(clean(golden.raw_text).lower())
    }
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def tiny_network(architecture: str = "bert", **changes: Any) -> Any:
    """Two layers of 32 with random weights, loud enough that texts get different answers."""
    torch.manual_seed(7)
    network: Any  # transformers wraps the methods of a PreTrainedModel beyond typing
    size = tiny_tokenizer().get_vocab_size()
    if architecture == "distilbert":
        distil = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": size}
        distil |= {"max_position_embeddings": MAX_TOKENS}
        network = DistilBertForSequenceClassification(
            DistilBertConfig(**{**distil, **LABELS, **changes})
        )
    else:
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        shape |= {"intermediate_size": 64, "vocab_size": size, "pad_token_id": 0}
        if architecture == "roberta":  # positions count from the padding id on
            shape |= {"max_position_embeddings": MAX_TOKENS + 1, "type_vocab_size": 1}
            network = RobertaForSequenceClassification(
                RobertaConfig(**{**shape, **LABELS, **changes})
            )
        else:
            shape |= {"max_position_embeddings": MAX_TOKENS}
            network = BertForSequenceClassification(BertConfig(**{**shape, **LABELS, **changes}))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    network.train(False)
    return network


def write_model(folder: Path, network: Any = None) -> Path:
    """Save a network and the tiny tokenizer; returns the folder."""
    (network or tiny_network()).save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {"model_max_length": 512, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_able_model(folder: Path) -> Path:
    """A model that has learnt the golden texts by heart."""
    network = tiny_network()
    reader = TokenReader(tiny_tokenizer(), MAX_TOKENS, 0)
    batches = reader.batches(reader.read([clean(c.raw_text) for c in GOLDEN_TEXTS]), 10_000)
    labels = torch.tensor([c.label == "POSITIVE" for c in GOLDEN_TEXTS]).long()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(25):
        for batch in batches:
            mask = torch.arange(batch.ids.shape[1]) < torch.from_numpy(batch.lengths)[:, None]
            logits = network(torch.from_numpy(batch.ids).long(), mask.long()).logits
            torch.nn.functional.cross_entropy(logits, labels[batch.rows]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return write_model(folder, network.train(False))


def write_graded_model(folder: Path, able: Path, slopes: Mapping[str, float]) -> Path:
    """The able model with other classes: the logit of each is its slope times what POSITIVE is
    ahead of NEGATIVE."""
    network: Any = BertForSequenceClassification.from_pretrained(able)
    turn = torch.tensor([[-float(slope), float(slope)] for slope in slopes.values()])
    old, new = network.classifier, torch.nn.Linear(network.config.hidden_size, len(slopes))
    with torch.no_grad():
        new.weight.copy_(turn @ old.weight)
        new.bias.copy_(turn @ old.bias)
    network.classifier = new
    network.config.id2label = dict(enumerate(slopes))
    network.config.label2id = {name: number for number, name in enumerate(slopes)}
    return write_model(folder, network)


def write_crude_model(folder: Path) -> Path:
    """A model that int8 is too coarse for: one weight dwarfs the others, and is never used."""
    network = tiny_network()
    bert = network.bert
    norms, products = [bert.embeddings.LayerNorm], []
    for layer in bert.encoder.layer:
        norms += [layer.attention.output.LayerNorm, layer.output.LayerNorm]
        products += [layer.attention.self.value, layer.intermediate.dense]
    with torch.no_grad():
        for norm in norms:
            norm.weight[0] = norm.bias[0] = 0.0
        for product in products:
            product.weight[:, 0] = 1e4
    return write_model(folder, network)


def rewrite_config(folder: Path, **changes: Any) -> Path:
    """Change entries of config.json; None removes one."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    for key, value in changes.items():
        config.pop(key, None) if value is None else config.__setitem__(key, value)
    file.write_text(json.dumps(config))
    return folder


def sample_texts(count: int) -> Sequence[str]:
    """Different texts of 1 to 90 words, of the golden texts' words, long and short mixed."""
    words = sorted(set(tiny_tokenizer().get_vocab()) - set(SPECIAL))
    generator = torch.Generator().manual_seed(3)
    texts = []
    for i in range(count):
        length = int(torch.randint(1, 91 if i % 5 == 0 else 30, (1,), generator=generator))
        chosen = torch.randint(0, len(words), (length,), generator=generator)
        texts.append(" ".join(words[int(j)] for j in chosen))
    return texts

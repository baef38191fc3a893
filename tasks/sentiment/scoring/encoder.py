"""The weights of a text classifier of the BERT family, under one set of names.

BERT, DistilBERT and RoBERTa (with XLM-RoBERTa and CamemBERT) compute the same function; their
files differ in names only. `read_encoder` takes such a folder's weights, `None` says that the
architecture is another one. Only safetensors files are read: they hold numbers and no code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from tasks.sentiment.errors import ModelError, first_line

SINGLE_FILE = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"

# What architectures call the last layer, for example BERT, RoBERTa and Funnel, BART, Llama, XLNet.
_CLASSIFIER = re.compile(
    r"(classifier(\.out_proj|\.linear_out)?|classification_head\.out_proj|score(\.out_proj)?"
    r"|logits_proj)\.weight"
)

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """y = x @ weight + bias; weight, shape (inputs, outputs); bias, shape (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Norm:
    """Layer normalisation; gain and bias, shape (width,)."""

    gain: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True)
class Layer:
    """One transformer block with normalisation after each residual sum."""

    query: Linear
    key: Linear
    value: Linear
    attention_out: Linear
    attention_norm: Norm
    wide: Linear
    narrow: Linear
    norm: Norm


@dataclass(frozen=True)
class Encoder:
    """A whole classifier.

    words: shape (vocabulary, width); positions: shape (max_tokens, width), the type embedding
    of a single text added in; the head is dense -> `head_activation` -> classifier on the
    first token.
    """

    words: Array
    positions: Array
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    dense: Linear
    head_activation: str  # ONNX operator: "Tanh" or "Relu"
    classifier: Linear


@dataclass(frozen=True)
class _Names:
    """Where one architecture keeps its weights, by default BERT's; `{}` stands for the layer's
    number."""

    root: str
    dense: str
    classifier: str = "classifier"
    layer: str = "encoder.layer.{}"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_out: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    wide: str = "intermediate.dense"
    narrow: str = "output.dense"
    norm: str = "output.LayerNorm"
    head_activation: str = "Tanh"
    layers_key: str = "num_hidden_layers"
    heads_key: str = "num_attention_heads"
    activation_key: str = "hidden_act"
    epsilon: float | None = None  # None: the config says it


_ROBERTA = _Names("roberta", "classifier.dense", "classifier.out_proj")
_NAMES = {
    "bert": _Names("bert", "bert.pooler.dense"),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": _Names(
        "distilbert",
        "pre_classifier",
        layer="transformer.layer.{}",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_out="attention.out_lin",
        attention_norm="sa_layer_norm",
        wide="ffn.lin1",
        narrow="ffn.lin2",
        norm="output_layer_norm",
        head_activation="Relu",
        layers_key="n_layers",
        heads_key="n_heads",
        activation_key="activation",
        epsilon=1e-12,
    ),
}


def is_known(config: Mapping[str, Any]) -> bool:
    """Whether `read_encoder` knows the architecture of this config.json."""
    names = _NAMES.get(str(config.get("model_type")))
    return (
        names is not None
        and config.get(names.activation_key) == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, sorted; empty where there are none."""
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    index = folder / SHARD_INDEX
    if not index.is_file():
        return []
    shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    return [folder / name for name in sorted(shards)]


def count_classes(folder: Path) -> int | None:
    """The rows of the classifier in the weights; None where no weight is called like one."""
    rows = set()
    for file in weight_files(folder):
        try:
            with safe_open(file, "numpy") as tensors:
                for name in filter(_CLASSIFIER.fullmatch, tensors.keys()):
                    rows.add(int(tensors.get_slice(name).get_shape()[0]))
        except (SafetensorError, OSError):  # whoever opens the weights says what is wrong with them
            return None
    return rows.pop() if len(rows) == 1 else None


def read_encoder(folder: Path, config: Mapping[str, Any], first_position: int) -> Encoder | None:
    """Read the weights of a folder as float32; None for an architecture of another kind.

    first_position: row of the position table that belongs to a text's first token.
    Raises: ModelError: a weight is missing.
    """
    if not is_known(config):
        return None
    names = _NAMES[config["model_type"]]
    tensors = {n: t for file in weight_files(folder) for n, t in _read_tensors(file).items()}

    def tensor(name: str) -> Array:
        if name not in tensors:
            raise ModelError(f"the model in {folder} lacks the weight {name}")
        return tensors[name]

    def linear(name: str) -> Linear:
        weight = np.ascontiguousarray(tensor(f"{name}.weight").T)
        return Linear(weight, tensor(f"{name}.bias"))

    def norm(name: str) -> Norm:
        epsilon = names.epsilon or float(config.get("layer_norm_eps", 1e-12))
        return Norm(tensor(f"{name}.weight"), tensor(f"{name}.bias"), epsilon)

    def layer(number: int) -> Layer:
        at = f"{names.root}.{names.layer.format(number)}"
        return Layer(
            query=linear(f"{at}.{names.query}"),
            key=linear(f"{at}.{names.key}"),
            value=linear(f"{at}.{names.value}"),
            attention_out=linear(f"{at}.{names.attention_out}"),
            attention_norm=norm(f"{at}.{names.attention_norm}"),
            wide=linear(f"{at}.{names.wide}"),
            narrow=linear(f"{at}.{names.narrow}"),
            norm=norm(f"{at}.{names.norm}"),
        )

    embeddings = f"{names.root}.embeddings"
    positions = tensor(f"{embeddings}.position_embeddings.weight")[first_position:]
    types = f"{embeddings}.token_type_embeddings.weight"
    return Encoder(
        words=tensor(f"{embeddings}.word_embeddings.weight"),
        positions=positions + tensors[types][0] if types in tensors else positions,
        norm=norm(f"{embeddings}.LayerNorm"),
        layers=tuple(layer(i) for i in range(config[names.layers_key])),
        heads=config[names.heads_key],
        dense=linear(names.dense),
        head_activation=names.head_activation,
        classifier=linear(names.classifier),
    )


def _read_tensors(file: Path) -> dict[str, Array]:
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    tensors = {}
    try:
        entries = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ModelError(f"{file} is damaged: {first_line(error)}") from error
    for name, entry in entries:
        if entry["dtype"] == "BF16":  # the upper half of a float32
            bits = np.frombuffer(entry["data"], "<u2").astype("<u4") << 16
            values = bits.view("<f4")
        elif entry["dtype"] in kinds:
            values = np.frombuffer(entry["data"], kinds[entry["dtype"]]).astype("<f4", copy=False)
        else:  # position_ids and the like
            continue
        # TensorFlow's names for the two parts of a normalisation live on in some files.
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
        tensors[name.replace("LayerNorm.beta", "LayerNorm.bias")] = values.reshape(entry["shape"])
    return tensors

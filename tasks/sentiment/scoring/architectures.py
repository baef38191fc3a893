"""How architectures want their input: how long it may be, and whether it may be padded.

What is not known of an architecture is done the safe way: its texts are not padded, but batched by
their exact length, since padding changes the answers of some (XLNet reads the last token, FNet
mixes all of them, MobileBERT and ConvBERT look at the neighbours of each). So every architecture
of AutoModelForSequenceClassification that takes token ids alone gives transformers' own answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# These number positions from the padding id on, so that their table has unused rows.
_OFFSET_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke"}
    | {"markuplm", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"}
    | {"xmod"}
)
# These attend to nothing that is padding. Encoders read the first token, or all that the mask
# leaves; decoders look for the last token that has not the padding id, and need one for that.
_PADDED_ENCODERS = frozenset(
    {"albert", "bart", "bert", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert"}
    | {"electra", "ernie", "eurobert", "flaubert", "mbart", "megatron-bert", "modernbert"}
    | {"mpnet", "rembert", "roberta", "roberta-prelayernorm", "roformer"}
    | {"squeezebert", "xlm", "xlm-roberta", "xlm-roberta-xl"}
)
_PADDED_DECODERS = frozenset({"bloom", "gemma", "llama", "mistral", "opt", "qwen2"})
_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")
_USUAL_TOKENS = 512


@dataclass(frozen=True)
class InputRules:
    """What a model reads.

    max_tokens: of a text, special tokens included; first_position: row of the position table
    that belongs to the first token; may_pad: without another answer; one_by_one: transformers
    refuses several texts at once where it knows no padding id.
    """

    max_tokens: int
    first_position: int
    pad_id: int
    may_pad: bool
    one_by_one: bool


def input_rules(config: Mapping[str, Any], tokenizer_config: Mapping[str, Any]) -> InputRules:
    """The rules of the architecture in a config.json; the tokenizer may read less of a text."""
    kind = config.get("model_type")
    pad_id = _value(config, "pad_token_id")
    first = int(pad_id or 0) + 1 if kind in _OFFSET_POSITIONS else 0
    longest = next((n for n in (_value(config, name) for name in _LENGTHS) if n), _USUAL_TOKENS)
    max_tokens = int(longest) - first
    given = tokenizer_config.get("model_max_length")
    return InputRules(
        max_tokens=min(max_tokens, int(given)) if given else max_tokens,
        first_position=first,
        pad_id=int(pad_id or 0),
        may_pad=kind in _PADDED_ENCODERS or (pad_id is not None and kind in _PADDED_DECODERS),
        one_by_one=pad_id is None and kind not in _PADDED_ENCODERS,
    )


def _value(config: Mapping[str, Any], name: str) -> Any:
    """An entry, which models of several parts keep with that of the text."""
    value = config.get(name)
    return config.get("text_config", {}).get(name) if value is None else value

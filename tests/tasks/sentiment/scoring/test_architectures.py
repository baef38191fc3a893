"""Every architecture answers as transformers alone does, one text after the other."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring.architectures import input_rules
from tasks.sentiment.scoring.labels import AskedLabels
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.runtime import OnnxForward, TorchForward
from tasks.sentiment.scoring.scorer import Scorer
from tests.tasks.sentiment.tiny_model import (
    rewrite_config,
    sample_texts,
    tiny_network,
    tiny_tokenizer,
    write_model,
)

SHAPE: dict[str, Any] = {
    "vocab_size": tiny_tokenizer().get_vocab_size(),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "id2label": {0: "NEGATIVE", 1: "POSITIVE"},
}
HALVES = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32}
HALVES |= {"decoder_ffn_dim": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
# One of each kind: what differs in what they read, where they look for the answer, and what
# padding does to them.
KINDS: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 16},
    "mpnet": {"pad_token_id": 1},
    "xmod": {"pad_token_id": 1, "languages": ["en_XX"], "default_language": "en_XX"},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 40, "pad_token_id": None},
    "llama": {"num_key_value_heads": 2},
    "bart": HALVES,
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    | {"decoder_start_token_id": 0},
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32},
    "fnet": {},
    "convbert": {"embedding_size": 16},
    "mobilebert": {"embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16},
}


def random_network(kind: str, **changes: Any) -> Any:
    shape = {**SHAPE, **KINDS.get(kind, {}), **changes}
    if kind in ("gpt2", "t5", "xlnet"):  # they have names of their own for these
        own = ("hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings")
        shape = {name: value for name, value in shape.items() if name not in own}
    torch.manual_seed(7)
    network: Any = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(kind, **shape)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_architecture_answers_as_transformers_alone(tmp_path, kind):
    """Whatever stands beside a text, however long it is."""
    network = random_network(kind)
    model = find_model(str(write_model(tmp_path / "m", network)), cache=tmp_path)
    scorer, texts = Scorer(model, threads=2), [*sample_texts(16), "good"]
    expected = []
    for ids in scorer._reader.read(texts):
        with torch.inference_mode():
            logits = network(torch.from_numpy(ids[None]).long()).logits
        expected.append(logits.double().softmax(1)[0, 1].item())
    assert isinstance(scorer._forward, TorchForward)
    assert np.ptp(expected) > 0.001
    np.testing.assert_allclose(scorer.score(texts), expected, atol=2e-6)


def test_reformer_hashes_the_same_way_every_time(tmp_path):
    """It draws its hashes at random where nobody stops it."""
    network = random_network(
        "reformer",
        axial_pos_shape=[8, 8],
        axial_pos_embds_dim=[8, 8],
        attn_layers=["lsh", "local"],
        attention_head_size=8,
        feed_forward_size=32,
        lsh_attn_chunk_length=8,
        local_attn_chunk_length=8,
        num_buckets=2,
        max_position_embeddings=64,
    )
    model = find_model(str(write_model(tmp_path / "m", network)), cache=tmp_path)
    scorer, texts = Scorer(model, threads=2), sample_texts(8)
    alone = np.concatenate([scorer.score([text]) for text in texts])
    np.testing.assert_array_equal(scorer.score(texts), alone)


def test_rules_follow_from_the_config():
    """What is not known is done the safe way."""
    unknown = input_rules({"model_type": "of-tomorrow", "pad_token_id": 3}, {})
    assert (unknown.max_tokens, unknown.may_pad, unknown.one_by_one) == (512, False, False)
    gpt2 = input_rules({"model_type": "gpt2", "n_positions": 40}, {"model_max_length": int(1e30)})
    assert (gpt2.max_tokens, gpt2.may_pad, gpt2.one_by_one) == (40, False, True)
    bert = input_rules({"model_type": "bert"}, {"model_max_length": 128})
    assert (bert.max_tokens, bert.may_pad, bert.one_by_one) == (128, True, False)
    parts = {"text_config": {"pad_token_id": 5, "max_position_embeddings": 99}}
    gemma = input_rules({"model_type": "gemma3", **parts}, {})
    assert (gemma.max_tokens, gemma.pad_id, gemma.one_by_one) == (99, 5, False)
    llama = {"model_type": "llama", "max_position_embeddings": 64}
    assert not input_rules(llama, {}).may_pad
    assert input_rules({**llama, "pad_token_id": 2}, {}).may_pad


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("names", [("neg", "neu", "pos"), ("1", "2", "3", "4", "5"), ("POSITIVE",)])
def test_fast_path_knows_any_number_of_classes(tmp_path, precision, kind, names):
    """The probabilities are those of transformers' logits."""
    network = tiny_network(kind, id2label=dict(enumerate(names)), label2id={})
    model = find_model(str(write_model(tmp_path / "m", network)), cache=tmp_path)
    scorer, texts = Scorer(model, precision), sample_texts(8)
    logits = []
    for ids in scorer._reader.read(texts):
        with torch.inference_mode():
            logits.append(network(torch.from_numpy(ids[None]).long()).logits.numpy()[0])
    assert isinstance(scorer._forward, OnnxForward)
    expected = model.labels.probabilities(np.array(logits))
    tolerance = 1e-5 if precision == "float32" else 0.15
    np.testing.assert_allclose(scorer.score(texts), expected, atol=tolerance)
    assert scorer.score([]).shape == (0, *expected.shape[1:])


def test_classes_of_the_weights_count_not_the_names(tmp_path):
    """A third class that the config does not name is not left unread."""
    network = tiny_network(id2label={0: "a", 1: "b", 2: "c"}, label2id={})
    folder = write_model(tmp_path / "m", network)
    rewrite_config(folder, id2label={"0": "NEGATIVE", "1": "POSITIVE"})
    with pytest.raises(ModelError, match="have 3 classes"):
        find_model(str(folder), cache=tmp_path)
    rewrite_config(folder, id2label=None)
    with pytest.raises(ModelError, match="LABEL_0, LABEL_1, LABEL_2"):
        find_model(str(folder), cache=tmp_path)


def test_error_of_a_forward_is_told_in_one_line(tmp_path):
    """This network computes on whole segments alone, and a network may fail in any way."""
    folder = write_model(tmp_path / "m", random_network("nystromformer", num_landmarks=4))
    scorer = Scorer(find_model(str(folder), cache=tmp_path))
    with pytest.raises(ModelError, match=r"cannot be computed on texts of \d+ tokens") as caught:
        scorer.score(["good " * 21])
    assert "\n" not in str(caught.value)


def test_architecture_that_brings_its_own_code_is_refused(tmp_path):
    """Nothing of a model's folder is run, and nobody is asked."""
    folder = write_model(tmp_path / "m")
    code = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    rewrite_config(folder, model_type="own", auto_map=code)
    (folder / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ModelError, match="cannot be opened"):
        Scorer(find_model(str(folder), cache=tmp_path))


def test_other_labels_are_another_digest(tmp_path):
    """So that no result of other labels is taken over."""
    folder = write_model(tmp_path / "m")
    plain = find_model(str(folder), cache=tmp_path)
    asked = find_model(str(folder), cache=tmp_path, asked=AskedLabels(("NEGATIVE",)))
    assert plain.digest != asked.digest
    texts = sample_texts(5)
    np.testing.assert_allclose(Scorer(asked).score(texts), 1 - Scorer(plain).score(texts))

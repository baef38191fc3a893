"""The scorer: as right as the plain way, and the same every time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring import runtime
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.runtime import OnnxForward, products_saturate
from tasks.sentiment.scoring.scorer import Scorer
from tasks.sentiment.scoring.tokens import keep_head_and_tail
from tests.tasks.sentiment.tiny_model import (
    MAX_TOKENS,
    sample_texts,
    tiny_network,
    tiny_tokenizer,
    write_model,
)

ARCHITECTURES = ("bert", "distilbert", "roberta")


@pytest.fixture(params=ARCHITECTURES)
def model(request, tmp_path):
    return find_model(
        str(write_model(tmp_path / "model", tiny_network(request.param))), cache=tmp_path
    )


@pytest.fixture
def bert(tmp_path):
    return find_model(str(write_model(tmp_path / "model")), cache=tmp_path)


def plain_probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """One text after the other, without padding, float32, by transformers."""
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, answers = tiny_tokenizer(), []
    for text in texts:
        ids = np.array(tokenizer.encode(text, add_special_tokens=False).ids)
        kept = [2, *keep_head_and_tail(ids, MAX_TOKENS - 2).tolist(), 3]
        with torch.inference_mode():
            answers.append(network(torch.tensor([kept])).logits.softmax(1)[0, 1].item())
    return np.array(answers)


def test_float32_equals_the_plain_way(model):
    """Batches, folded weights and a shorter last layer change nothing, for any architecture."""
    texts = [*sample_texts(60), ""]
    expected = plain_probabilities(model.path, texts)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(Scorer(model).score(texts), expected, atol=1e-5)


def test_float32_of_an_unknown_architecture_equals_the_plain_way(tmp_path):
    """What the graph does not know is left to torch."""
    network = tiny_network("bert", hidden_act="relu")
    model = find_model(str(write_model(tmp_path / "m", network)), cache=tmp_path)
    texts = sample_texts(20)
    expected = plain_probabilities(model.path, texts)
    np.testing.assert_allclose(Scorer(model).score(texts), expected, atol=1e-5)
    with pytest.raises(ModelError, match="int8 knows BERT"):
        Scorer(model, "int8")


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_lower_precision_stays_close_to_float32(model, precision):
    """Probabilities move little, and labels only where a text stands on the border."""
    texts = sample_texts(100)
    exact, close = Scorer(model).score(texts), Scorer(model, precision).score(texts)
    assert np.abs(exact - close).max() < 0.06
    clear = np.abs(exact - 0.5) > 0.06
    assert ((exact >= 0.5) == (close >= 0.5))[clear].all()


def test_int8_answers_do_not_depend_on_how_the_cpu_multiplies(model, monkeypatch):
    """Unsigned weights, for CPUs whose signed products saturate, give the products of signed ones:
    where the CPU gets both right, the answers are equal to the last bit."""
    texts = sample_texts(100)
    monkeypatch.setattr(runtime, "products_saturate", lambda: True)
    unsigned = Scorer(model, "int8").score(texts)
    assert np.abs(Scorer(model).score(texts) - unsigned).max() < 0.06
    if not products_saturate():
        monkeypatch.setattr(runtime, "products_saturate", lambda: False)
        np.testing.assert_array_equal(Scorer(model, "int8").score(texts), unsigned)


class FakeSession:
    """The product of `build_product`, on a CPU that adds pairs of products in so many bits."""

    def __init__(self, weight: np.ndarray, bits: int, min_rows: int) -> None:
        self._weight, self._min_rows = weight.astype(np.int64), min_rows
        self._limit = 2 ** (bits - 1)

    def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        rows = inputs["rows"].astype(np.int64)
        pairs = (rows[:, :, None] * self._weight).reshape(len(rows), -1, 2, self._weight.shape[1])
        sums = pairs.sum(axis=2)
        if len(rows) >= self._min_rows:
            sums = sums.clip(-self._limit, self._limit - 1)
        return [(sums.sum(axis=1) - 128 * self._weight.sum(axis=0)).astype(np.float32)]


@pytest.mark.parametrize(
    ("bits", "min_rows", "saturates"),
    [(32, 1, False), (16, 1, True), (16, 64, True), (17, 1, False), (8, 1, True)],
)
def test_saturating_products_are_found_by_trying(monkeypatch, bits, min_rows, saturates):
    """Whatever the CPU is called; also where only the kernel for many rows is the wrong one."""
    monkeypatch.setattr("tasks.sentiment.scoring.graph.build_product", lambda weight: weight)
    monkeypatch.setattr(
        runtime, "_open_session", lambda weight: FakeSession(weight, bits, min_rows)
    )
    assert products_saturate.__wrapped__() is saturates


COMPARE = """
import sys
from pathlib import Path
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.runtime import products_saturate
from tasks.sentiment.scoring.scorer import Scorer
model = find_model(sys.argv[1], cache=Path(sys.argv[1]))
exact, close = (Scorer(model, p, threads=1).score(sys.argv[2:]) for p in ("float32", "int8"))
print(products_saturate(), abs(exact - close).max())
"""


@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="needs qemu-x86_64 (qemu-user)")
def test_int8_stays_close_to_float32_on_a_cpu_with_avx2_alone(bert):
    """The real kernels of such a CPU, emulated."""
    emulated = ["qemu-x86_64", "-cpu", "Haswell-v4", sys.executable, "-c", COMPARE]
    done = subprocess.run(
        [*emulated, str(bert.path), *sample_texts(2)], capture_output=True, text=True, check=True
    )
    saturates, difference = done.stdout.split()
    assert saturates == "True"
    assert float(difference) < 0.06


def test_float16_weights_are_read_as_they_are(tmp_path):
    """A folder in half precision gives the answers of the same weights in float32."""
    network = tiny_network().to(torch.float16)
    model = find_model(str(write_model(tmp_path / "half", network)), cache=tmp_path)
    whole = find_model(
        str(write_model(tmp_path / "whole", network.to(torch.float32))), cache=tmp_path
    )
    texts = sample_texts(20)
    np.testing.assert_array_equal(Scorer(model).score(texts), Scorer(whole).score(texts))


def test_bfloat16_weights_are_read_as_they_are(tmp_path):
    """numpy has no bfloat16; the weights are read nevertheless."""
    network = tiny_network().to(torch.bfloat16)
    model = find_model(str(write_model(tmp_path / "half", network)), cache=tmp_path)
    whole = find_model(
        str(write_model(tmp_path / "whole", network.to(torch.float32))), cache=tmp_path
    )
    texts = sample_texts(20)
    np.testing.assert_array_equal(Scorer(model).score(texts), Scorer(whole).score(texts))


def test_sharded_weights_equal_a_single_file(tmp_path):
    """Large models come in several files."""
    whole = find_model(str(write_model(tmp_path / "whole")), cache=tmp_path)
    folder = write_model(tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    tiny_network().save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    sharded = find_model(str(folder), cache=tmp_path)
    texts = sample_texts(10)
    np.testing.assert_array_equal(Scorer(sharded).score(texts), Scorer(whole).score(texts))


def test_order_is_kept(bert):
    """A text's probability stands where the text stood."""
    texts = sample_texts(50)
    scorer = Scorer(bert)
    forward, backward = scorer.score(texts), scorer.score(texts[::-1])
    np.testing.assert_array_equal(forward, backward[::-1])


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_probability_does_not_depend_on_the_neighbours(model, precision):
    """A text alone gets what it gets among others, so that a rerun of half a list agrees."""
    texts = sample_texts(40)
    scorer = Scorer(model, precision)
    together = scorer.score(texts)
    alone = np.concatenate([scorer.score([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=2e-6)


def test_equal_texts_are_computed_once(bert, monkeypatch):
    """Duplicates cost nothing and share their answer."""
    computed: list[int] = []
    forward = OnnxForward.__call__

    def counted(self, ids, lengths):
        computed.append(len(ids))
        return forward(self, ids, lengths)

    monkeypatch.setattr(OnnxForward, "__call__", counted)
    scorer = Scorer(bert)
    texts = sample_texts(5)
    answers = scorer.score([*texts, *texts, texts[0]])
    assert sum(computed) == 5
    np.testing.assert_array_equal(answers[:5], answers[5:10])
    assert answers[10] == answers[0]


def test_no_text_gives_no_probability(bert):
    """An empty list is not an error."""
    assert Scorer(bert).score([]).shape == (0,)


def test_swapped_classes_are_told_apart_by_their_names(tmp_path):
    """Which logit is the positive one is read from the model."""
    swapped: dict[str, Any] = {"id2label": {0: "pos", 1: "neg"}, "label2id": {"pos": 0, "neg": 1}}
    folders = [
        write_model(tmp_path / "a"),
        write_model(tmp_path / "b", tiny_network(**swapped)),
    ]
    texts = sample_texts(10)
    one, other = (Scorer(find_model(str(f), cache=tmp_path)).score(texts) for f in folders)
    np.testing.assert_allclose(one, 1 - other, atol=2e-6)


def test_missing_weight_is_named(tmp_path):
    """A model whose file lacks a weight is refused."""
    from safetensors.torch import load_file, save_file

    folder = write_model(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = find_model(str(folder), cache=tmp_path)
    for precision in ("float32", "bfloat16"):
        with pytest.raises(ModelError, match=r"lacks.*classifier\.weight"):
            Scorer(model, precision)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_threads_share_a_scorer(bert, precision):
    """Concurrent callers get what they would get alone."""
    scorer = Scorer(bert, precision, threads=2)
    lists = [sample_texts(60)[i::4] for i in range(4)]
    expected = [scorer.score(texts) for texts in lists]
    with ThreadPoolExecutor(4) as callers:
        for got, alone in zip(callers.map(scorer.score, lists), expected, strict=True):
            np.testing.assert_array_equal(got, alone)


SCORE = """
import json, sys
from pathlib import Path
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.scorer import Scorer
model = find_model(sys.argv[1], cache=Path(sys.argv[1]))
scorer = Scorer(model, sys.argv[2], threads=3)
print(scorer.score(json.load(sys.stdin)).tobytes().hex(), "torch" in sys.modules)
"""


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_processes_agree_bit_by_bit_and_leave_the_terminal_alone(bert, precision):
    """This process with one thread and another with three give the same bytes, and the other
    prints nothing else.

    Only bfloat16 loads torch, which takes seconds.
    """
    texts = sample_texts(40)
    here = Scorer(bert, precision, threads=1).score(texts).tobytes().hex()
    command = [sys.executable, "-c", SCORE, str(bert.path), precision]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split() == [here, str(precision == "bfloat16")]

"""Finding a model: what is accepted, and what is refused with a reason."""

import json
import re
from typing import Any

import pytest

from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring import model as module
from tasks.sentiment.scoring.model import find_model, find_same_model, folder_digest
from tasks.sentiment.scoring.scorer import Scorer
from tests.tasks.sentiment.tiny_model import (
    MAX_TOKENS,
    rewrite_config,
    tiny_network,
    tiny_tokenizer,
    write_model,
)


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


def test_folder_is_a_model(folder, tmp_path):
    """What scoring needs is read from config and tokenizer."""
    model = find_model(str(folder), cache=tmp_path)
    assert (model.labels.labels, model.inputs.pad_id) == (("NEGATIVE", "POSITIVE"), 0)
    assert (model.inputs.max_tokens, model.inputs.first_position) == (MAX_TOKENS, 0)
    assert model.name == str(folder)
    assert re.fullmatch("[0-9a-f]{64}", model.digest)


def test_bundled_name_is_found_without_network_or_folder(folder, tmp_path, monkeypatch):
    """The bundled models lie beside the code."""
    monkeypatch.setattr(module, "BUNDLED", tmp_path)
    assert module.bundled_models() == ["model"]
    assert find_model("model", cache=tmp_path).path == folder


def test_roberta_positions_start_behind_the_padding_id(tmp_path):
    """Its table has unused rows, which are not counted as readable tokens."""
    folder = write_model(tmp_path / "model", tiny_network("roberta"))
    model = find_model(str(folder), cache=tmp_path)
    assert (model.inputs.max_tokens, model.inputs.first_position) == (MAX_TOKENS, 1)


def test_tokenizer_may_read_less_than_the_positions_allow(folder, tmp_path):
    """The smaller of the two limits counts."""
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 20}))
    assert find_model(str(folder), cache=tmp_path).inputs.max_tokens == 20


def test_digest_is_of_the_content_not_of_the_place(folder, tmp_path):
    """A copy elsewhere has the same digest; a changed tokenizer has another."""
    copy = write_model(tmp_path / "copy")
    assert folder_digest(copy) == folder_digest(folder)
    before = find_model(str(copy), cache=tmp_path).digest
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    tokenizer["normalizer"] = None
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert find_model(str(copy), cache=tmp_path).digest != before


def test_digest_is_computed_once_while_the_folder_stays_as_it_is(folder, tmp_path, monkeypatch):
    """Every part of a run opens the model anew; hashing it each time would take long."""
    first = find_model(str(folder), cache=tmp_path)
    monkeypatch.setattr(module, "folder_digest", lambda folder: pytest.fail("hashed again"))
    assert find_model(str(folder), cache=tmp_path) is first


def test_old_vocabulary_file_is_converted(folder, tmp_path):
    """A model without tokenizer.json but with a vocabulary that transformers knows."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    words = sorted(tiny_tokenizer().get_vocab().items(), key=lambda entry: entry[1])
    (folder / "vocab.txt").write_text("\n".join(word for word, _ in words) + "\n")
    model = find_model(str(folder), cache=tmp_path)
    assert model.tokenizer.encode("Excellent product").ids == (
        tiny_tokenizer().encode("Excellent product").ids
    )


@pytest.mark.parametrize("kind", ["CTRLTokenizer", "FlaubertTokenizer"])
def test_tokenizer_of_python_code_is_refused_with_the_way_out(folder, tmp_path, kind):
    """Whether the packages that it needs are there or not: they would help nobody."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    (folder / "vocab.json").write_text(json.dumps({"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3}))
    (folder / "merges.txt").write_text("#version: 0.2\n")

    with pytest.raises(ModelError, match=r"code in Python .* choose a model that has a tokenizer"):
        find_model(str(folder), cache=tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "negative", "1": "neutral", "2": "positive"},
        {"0": "toxic", "1": "fine"},
        {"0": "positive", "1": "pos"},
    ],
)
def test_other_classes_are_refused_by_name(folder, tmp_path, labels):
    """The message names the model's labels."""
    rewrite_config(folder, id2label=labels)
    with pytest.raises(ModelError, match=", ".join(labels.values())):
        find_model(str(folder), cache=tmp_path)


@pytest.mark.parametrize(
    "labels", [None, {"0": "neg", "1": "Pos"}, {"1": "LABEL_1", "0": "LABEL_0"}]
)
def test_usual_names_of_the_two_classes_are_understood(folder, tmp_path, labels):
    """Case does not matter, and no names mean the usual order."""
    model = find_model(str(rewrite_config(folder, id2label=labels)), cache=tmp_path)
    assert model.labels.labels == ("NEGATIVE", "POSITIVE")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights as safetensors"),
        ("tokenizer.json", "no tokenizer.json"),
    ],
)
def test_missing_file_is_named(folder, tmp_path, missing, said):
    """One line says what the folder lacks."""
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=said):
        find_model(str(folder), cache=tmp_path)


def test_pickled_weights_are_never_read(folder, tmp_path):
    """A folder with pytorch_model.bin only is refused, with the reason."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled"):
        find_model(str(folder), cache=tmp_path)


def test_encoder_without_classes_is_refused(folder, tmp_path):
    """A language model has no sentiment head, and must not get a random one."""
    rewrite_config(folder, architectures=["BertForMaskedLM"])
    with pytest.raises(ModelError, match="BertForMaskedLM"):
        find_model(str(folder), cache=tmp_path)


def test_broken_config_is_named(folder, tmp_path):
    """Half a file is not a traceback."""
    (folder / "config.json").write_text('{"architectures"')
    with pytest.raises(ModelError, match="not JSON"):
        find_model(str(folder), cache=tmp_path)


@pytest.mark.parametrize("reference", ["no-such-model", "nobody/no-such-model"])
def test_unknown_name_offline_says_what_would_be_right(tmp_path, monkeypatch, reference):
    """One line names the bundled models and the other forms."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="Hugging Face format") as caught:
        find_model(reference, cache=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reference", ["./missing/folder", "/missing", ""])
def test_missing_folder_is_not_looked_up_on_the_hub(tmp_path, reference):
    """What cannot be a hub id gets its own message."""
    with pytest.raises(ModelError, match="no model folder"):
        find_model(reference, cache=tmp_path)


def test_revision_of_a_folder_is_refused(folder, tmp_path):
    """A pin that would be ignored is an error."""
    with pytest.raises(ModelError, match="no revisions"):
        find_model(str(folder), "main", cache=tmp_path)


def test_hub_download_asks_for_the_needed_files_only(folder, tmp_path, monkeypatch):
    """Neither pickles nor other frameworks' weights are fetched, and the revision is passed on."""
    asked: dict[str, Any] = {}

    def snapshot_download(reference, **arguments):
        asked.update(arguments, reference=reference)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model = find_model("somebody/some-model", "abc123", cache=tmp_path)
    assert (model.path, model.name) == (folder, "somebody/some-model")
    assert (asked["reference"], asked["revision"]) == ("somebody/some-model", "abc123")
    assert not any("bin" in pattern or "h5" in pattern for pattern in asked["allow_patterns"])
    assert "known_texts.json" in asked["allow_patterns"]


def test_model_that_changes_during_a_run_is_refused(folder, tmp_path):
    """A row never bears the digest of a model that did not score it."""
    digest = find_model(str(folder), cache=tmp_path).digest
    assert find_same_model(str(folder), None, digest, cache=tmp_path).digest == digest

    rewrite_config(folder, id2label={"0": "POSITIVE", "1": "NEGATIVE"})

    with pytest.raises(ModelError, match="has changed since the run began"):
        find_same_model(str(folder), None, digest, cache=tmp_path)


def test_tokenizer_of_more_tokens_than_the_weights_have_is_refused(folder, tmp_path):
    """It comes from another model."""
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    rewrite_config(folder, vocab_size=size - 1)

    with pytest.raises(ModelError, match="they do not belong together"):
        find_model(str(folder), cache=tmp_path)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_damaged_weights_are_refused_in_one_line(folder, tmp_path, precision):
    """A download that broke off says so."""
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(ModelError) as caught:
        Scorer(find_model(str(folder), cache=tmp_path), precision)
    assert "\n" not in str(caught.value)

"""Training: seeded, resumable, and honest about what it was trained on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.sentiment.errors import CorpusError
from tasks.sentiment.training import trainer
from tasks.sentiment.training.card import calibration_error, fit_temperature, package
from tasks.sentiment.training.corpus import TokenTable, batches_by_length, draw_epoch, read_corpus
from tasks.sentiment.training.network import predict_logits
from tasks.sentiment.training.recipe import Recipe, fingerprint
from tasks.sentiment.training.trainer import fit
from tasks.sentiment.training.vocabulary import train_tokenizer

pytestmark = pytest.mark.slow

TINY = Recipe(
    seed=1,
    lengths=(16, 24),
    repeats={"shop": 1.0},
    other_repeats=2.0,
    batch_tokens=256,
    batch_texts=16,
    learning_rate=3e-3,
    mask_share=(0.1, 0.0),
    max_tokens=24,
    vocabulary=160,
    width=32,
    layers=2,
    heads=2,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for one another take a hundred times as long on matrices this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    good, bad = ["great", "lovely", "perfect", "happy"], ["awful", "broken", "poor", "sad"]
    things = ["phone", "kettle", "film", "hotel", "book", "chair"]

    def sentence(label: int) -> str:
        word = rng.choice(good if label else bad)
        return f"the {rng.choice(things)} was {word} and item {rng.integers(1000)}"

    for name, count in {"shop": 600, "gold": 60}.items():
        labels = rng.integers(0, 2, count)
        frame = pd.DataFrame({"text": [sentence(y) for y in labels], "label": labels})
        frame.to_parquet(folder / f"{name}.parquet")
    labels = rng.integers(0, 2, 200)
    frame = pd.DataFrame({"text": [sentence(y) for y in labels], "label": labels})
    frame["split"] = ["train"] * 120 + ["test"] * 80
    frame.to_parquet(folder / "split.parquet")
    return folder


@pytest.fixture(scope="module")
def corpus(corpus_folder: Path) -> pd.DataFrame:
    return read_corpus(corpus_folder, ["gold"])[0]


def ignore(*_: object) -> None:
    """Reports nothing."""


def test_corpus_gives_each_row_its_role(corpus):
    """Report-only data sets and test splits are never trained on."""
    roles = corpus.groupby("dataset")["role"].agg(set)

    assert roles["gold"] == {"report"}
    assert roles["split"] >= {"train", "report"}
    assert (corpus[corpus["dataset"] == "split"]["role"] == "report").sum() == 80
    assert "report" not in roles["shop"] and "validation" in roles["shop"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"text": ["a"]}), "no column label"),
        (pd.DataFrame({"text": ["a"], "label": [2]}), "labels other than 0 and 1"),
        (pd.DataFrame({"text": ["a", None], "label": [0, 1]}), "text is no string"),
        (pd.DataFrame({"text": ["good", "bad"] * 100, "label": [1] * 200}), "too few texts"),
        (pd.DataFrame({"text": ["a", "b"] * 15, "label": [0, 1] * 15}), "too few texts"),
        (None, "no \\*.parquet file"),
    ],
)
def test_corpus_says_what_is_wrong_with_the_data(tmp_path, frame, message):
    """Bad training data is refused in one line."""
    if frame is not None:
        frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(CorpusError, match=message):
        read_corpus(tmp_path, [])


def test_blank_texts_teach_nothing_and_are_counted(tmp_path):
    """What the nightly run rejects as blank has no opinion either when it is labelled."""
    good = [f"{word} number {i}" for i in range(400) for word in ("good", "bad")]
    blank = ["N/A", "nan", "NULL", "\u200b", "   ", "-", ""]
    texts = [*good, *blank]
    frame = pd.DataFrame({"text": texts, "label": [i % 2 for i in range(len(texts))]})
    frame.to_parquet(tmp_path / "x.parquet")

    corpus, _, left_out = read_corpus(tmp_path, [])

    assert left_out == len(blank) and corpus["text"].tolist() == good


def test_file_that_is_no_parquet_is_named(tmp_path):
    """One line, not a traceback of the reader."""
    (tmp_path / "x.parquet").write_text("text,label")
    with pytest.raises(CorpusError, match=r"x\.parquet cannot be read"):
        read_corpus(tmp_path, [])


def test_training_is_named_by_what_it_learns_from():
    """Another recipe, other data, or other rows kept for reporting: another training."""
    names = {
        fingerprint(TINY, "data", ["gold"]),
        fingerprint(TINY, "data", ["gold", "split"]),
        fingerprint(TINY, "other data", ["gold"]),
        fingerprint(replace(TINY, seed=2), "data", ["gold"]),
    }
    assert len(names) == 4
    assert fingerprint(TINY, "data", ["gold", "gold"]) in names


def test_epoch_draws_each_data_set_as_often_as_asked():
    """Whole repeats are complete; a share is drawn anew."""
    names = np.array(["a"] * 10 + ["b"] * 10)

    drawn = draw_epoch(names, {"a": 2.0}, 0.5, np.random.default_rng(0))

    assert np.bincount(drawn[drawn < 10], minlength=10).tolist() == [2] * 10
    assert len(drawn) == 25 and len(set(drawn[drawn >= 10])) == 5


def test_batches_hold_every_row_once_within_the_budget():
    """Nothing is lost between batches, and none is larger than the budget allows."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 40, 1_000)

    batches = list(batches_by_length(lengths, rng.permutation(1_000), 256, rng, 20))

    assert sorted(np.concatenate(batches)) == list(range(1_000))
    assert max(len(batch) * lengths[batch].max() for batch in batches) <= 256
    assert max(map(len, batches)) == 20


def test_negation_is_spelt_alike_from_any_source():
    """Split or not, "isn't" becomes the same tokens."""
    tokenizer = train_tokenizer(["it is not good", "do not buy", "can not say"] * 50, 90)

    forms = [
        "it is not good",
        "it isn't good",
        "it is n't good",
        "it is n 't good",
        "IT ISN’T good",
    ]
    assert len({tuple(tokenizer.encode(form).ids) for form in forms}) == 1
    assert tokenizer.encode("can't say").ids == tokenizer.encode("can not say").ids


def test_vocabulary_is_the_same_each_time():
    """Two trainings on the same texts, full of ties, find the same tokens in the same order."""
    texts = [f"item {i} was {word}" for i in range(300) for word in ("good", "bad", "fine")]

    first, second = train_tokenizer(texts, 120), train_tokenizer(texts, 120)

    assert first.get_vocab() == second.get_vocab()
    assert first.token_to_id("[PAD]") == 0


def test_long_texts_are_read_from_both_ends():
    """A quarter of what fits comes from the head, the rest from the tail."""
    table = TokenTable(np.arange(10, 110), np.array([0, 100]), np.array([1]))

    batch = table.batch(np.array([0]), 42, 2, 3)

    assert batch.ids[0].tolist() == [2, *range(10, 20), *range(80, 110), 3]
    shares = table.aligned(table.flat * 2, np.array([0]), 42)
    assert shares[0].tolist() == [0, *range(20, 40, 2), *range(160, 220, 2), 0]


def test_training_interrupted_and_resumed_equals_training_in_one_go(corpus, tmp_path):
    """Killed between two checkpoints, the run ends with the very same weights."""
    whole, _ = fit(corpus, TINY, tmp_path / "whole", ignore, ignore)

    class Interrupted(Exception):
        pass

    def interrupt(step: int, _steps: int) -> None:
        if step == 31:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_EVERY", 10)
        with pytest.raises(Interrupted):
            fit(corpus, TINY, tmp_path / "resumed", interrupt, ignore)
        steps: list[int] = []
        resumed, _ = fit(
            corpus, TINY, tmp_path / "resumed", lambda step, _: steps.append(step), ignore
        )

    assert steps[0] == 31
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name


def test_trained_model_is_packaged_with_a_card_that_tells_the_truth(corpus, tmp_path):
    """The saved folder, opened by the library, gives the accuracy that the card claims."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = fit(
        corpus,
        replace(TINY, lengths=(24,) * 6),
        tmp_path / "state",
        ignore,
        ignore,
    )
    folder = tmp_path / "model"
    card = package(model, tokenizer, corpus, TINY, "d" * 64, folder, lambda _: None)

    assert json.loads((folder / "card.json").read_text()) == json.loads(json.dumps(card))
    gold = corpus[corpus["dataset"] == "gold"]
    opened = AutoModelForSequenceClassification.from_pretrained(folder).float()
    encode = AutoTokenizer.from_pretrained(folder)
    batch = encode(gold["text"].tolist(), padding=True, return_tensors="pt")
    with torch.no_grad():
        labels = opened(batch["input_ids"], batch["attention_mask"]).logits.argmax(1).numpy()
    accuracy = (labels == gold["label"].to_numpy()).mean()
    assert accuracy == pytest.approx(card["metrics"]["gold"]["accuracy"], abs=1e-3)
    assert accuracy > 0.9
    assert opened.config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    assert card["metrics"]["gold"]["rows"] == 60


def test_temperature_mends_overconfidence():
    """Logits that are three times too large are found out, and the calibration error falls."""
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 1.5, 4_000)
    labels = (rng.random(4_000) < 1 / (1 + np.exp(-logit))).astype(int)
    logits = torch.tensor(np.stack([np.zeros_like(logit), 3 * logit], 1))

    temperature = fit_temperature(logits, torch.tensor(labels))

    def error(t: float) -> float:
        return calibration_error((logits / t).softmax(1)[:, 1].numpy(), labels)

    assert temperature == pytest.approx(3, rel=0.1)
    assert error(temperature) < 0.03 < 0.1 < error(1.0)


def test_calibration_error_is_zero_for_honest_and_large_for_boastful_probabilities():
    """Eight of ten right at 0.8 is honest; half right at 1.0 is off by a half."""
    assert calibration_error(np.full(10, 0.8), np.array([1] * 8 + [0] * 2)) == pytest.approx(0)
    assert calibration_error(np.ones(10), np.array([1, 0] * 5)) == pytest.approx(0.5)


def test_logits_do_not_depend_on_the_order_of_texts(corpus, tmp_path):
    """Sorting by length is undone."""
    model, tokenizer = fit(corpus, replace(TINY, lengths=(24,)), tmp_path, ignore, ignore)
    texts = [*corpus["text"].tolist()[:40], "a longer text " * 9]

    forward = predict_logits(model, tokenizer, texts, 24)
    backward = predict_logits(model, tokenizer, texts[::-1], 24)

    assert torch.allclose(forward, backward.flip(0), atol=0.05)  # bfloat16

"""The choice of precision: measured once, remembered, and right."""

import json
from collections.abc import Mapping

import numpy as np
import pytest

from tasks.sentiment.errors import GoldenError, ModelError, PrecisionError
from tasks.sentiment.scoring import precision as module
from tasks.sentiment.scoring.benchmark import ROUNDS, Candidate, compare
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.precision import Choice, choose_precision, measure, open_scorer
from tests.tasks.sentiment.tiny_model import sample_texts, write_able_model, write_model


@pytest.fixture
def model(tmp_path):
    return find_model(str(write_model(tmp_path / "model")), cache=tmp_path)


@pytest.fixture(scope="module")
def able(tmp_path_factory):
    folder = write_able_model(tmp_path_factory.mktemp("able") / "model")
    return find_model(str(folder), cache=folder)


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch):
    monkeypatch.setattr(module, "_opened", {})


@pytest.fixture
def measured(monkeypatch):
    """Measuring is replaced by a fixed outcome, and counted."""
    calls = []

    def fake(model, texts, threads):
        calls.append(list(texts))
        return Choice("int8", {"float32": 1.0, "int8": 3.0}, {"float32": 1.0, "int8": 1.0})

    monkeypatch.setattr(module, "measure", fake)
    return calls


def timings(
    monkeypatch: pytest.MonkeyPatch,
    outcomes: Mapping[str, tuple[float, int]],
    cpu: str = "some avx512_bf16",
) -> list[str]:
    """Let each precision take the given rate and flip the given number of 200 labels."""
    monkeypatch.setattr(module, "describe_cpu", lambda: cpu)
    monkeypatch.setattr(module, "find_gpu", lambda: None)
    asked: list[str] = []

    def opened(model, precision, texts, threads):
        asked.append(precision)
        rate, flipped = outcomes[precision]
        probability = np.where(np.arange(200) < flipped, 0.1, 0.9)
        return Candidate(None, probability, rate)  # type: ignore[arg-type]  # it scores nothing

    def timed(candidates, texts):
        for candidate in candidates.values():
            candidate.rounds = [candidate.rate] * ROUNDS

    monkeypatch.setattr(module, "open_candidate", opened)
    monkeypatch.setattr(module, "time_in_turns", timed)
    return asked


@pytest.mark.parametrize(
    ("outcomes", "chosen"),
    [
        ({"float32": (10, 0), "int8": (40, 2), "bfloat16": (20, 0)}, "int8"),
        ({"float32": (10, 0), "int8": (40, 3), "bfloat16": (20, 0)}, "bfloat16"),
        ({"float32": (10, 0), "int8": (14, 0), "bfloat16": (20, 2)}, "bfloat16"),
        ({"float32": (10, 0), "int8": (40, 9), "bfloat16": (5, 0)}, "float32"),
    ],
)
def test_fastest_with_99_of_100_labels_is_chosen(model, monkeypatch, outcomes, chosen):
    """Two of 200 labels may differ, three may not."""
    timings(monkeypatch, outcomes)
    assert measure(model, sample_texts(200), 1).precision == chosen


def test_bfloat16_is_measured_only_where_it_can_win(model, monkeypatch):
    """Not where the CPU lacks it, and not where int8 is fast enough."""
    outcomes = {"float32": (10, 0), "int8": (14, 0), "bfloat16": (20, 0)}
    asked = timings(monkeypatch, outcomes, cpu="some avx2")
    assert measure(model, sample_texts(200), 1).precision == "int8"
    assert asked == ["float32", "int8"]
    asked = timings(monkeypatch, {**outcomes, "int8": (15, 0)})
    assert measure(model, sample_texts(200), 1).precision == "int8"
    assert asked == ["float32", "int8"]


def test_measuring_gives_rates_and_agreement(able):
    """The real thing on a tiny model."""
    choice = measure(able, sample_texts(64), 1)
    assert choice.agreement["float32"] == 1.0
    assert choice.precision in choice.rates
    assert all(rate > 0 for rate in choice.rates.values())
    assert all(0 < slow <= choice.rates[p] <= fast for p, (slow, fast) in choice.spread.items())
    assert choice.spread.keys() == choice.rates.keys() == choice.largest_difference.keys()
    assert choice.texts == 64
    assert choice.agreement[choice.precision] >= 0.99


def hundred() -> list[str]:
    return [f"text {i}" for i in range(100)]


def test_choice_is_remembered(model, tmp_path, measured):
    """The second time nothing is measured, nor is the sample read."""
    first = choose_precision(model, hundred, tmp_path, 2)
    again = choose_precision(model, lambda: pytest.fail("sample was read"), tmp_path, 2)
    assert first == again
    assert measured == [hundred()]


@pytest.mark.parametrize("sample", [list, lambda: ["a"] * 200, lambda: hundred()[1:]])
def test_what_few_texts_show_is_not_remembered(model, tmp_path, measured, sample):
    """A measurement on five rows does not decide for all runs."""
    for _ in range(2):
        choose_precision(model, sample, tmp_path, 2)
    assert len(measured) == 2


def test_choice_belongs_to_model_machine_and_threads(model, able, tmp_path, measured, monkeypatch):
    """Another model, number of threads or CPU is measured anew, and forgets nothing."""
    for _ in range(2):
        choose_precision(model, hundred, tmp_path, 2)
        choose_precision(able, hundred, tmp_path, 2)
        choose_precision(model, hundred, tmp_path, 4)
    assert len(measured) == 3
    monkeypatch.setattr(module, "describe_cpu", lambda: "another")
    choose_precision(model, hundred, tmp_path, 2)
    assert len(measured) == 4


def test_remembered_choice_keeps_spread_and_differences(model, tmp_path, monkeypatch):
    """What is told on the second run is what was measured on the first."""
    timings(monkeypatch, {"float32": (10, 0), "int8": (40, 1), "bfloat16": (20, 0)})
    first = choose_precision(model, lambda: sample_texts(200), tmp_path, 2)
    assert first.spread == {"float32": (10.0, 10.0), "int8": (40.0, 40.0)}
    assert first.largest_difference == {"float32": 0.0, "int8": 0.8}
    assert choose_precision(model, list, tmp_path, 2) == first


def test_memory_of_the_last_version_is_kept_beside_the_new(model, tmp_path, measured):
    """Its entries have no spread; they are left as they are."""
    old = {"precision": "int8", "rates": {"int8": 2.0}, "agreement": {"int8": 1.0}}
    (tmp_path / "precision.json").write_text(json.dumps({"old": old}))
    choose_precision(model, hundred, tmp_path, 2)
    content = json.loads((tmp_path / "precision.json").read_text())
    assert len(content) == 2
    assert content["old"].items() >= old.items()


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_precision_by_name_with_99_of_100_labels_is_taken(model, tmp_path, monkeypatch, precision):
    """Nobody is asked whether it is faster; what it changes is known."""
    timings(monkeypatch, {"float32": (10, 0), precision: (5, 2)})
    choice = choose_precision(model, lambda: sample_texts(200), tmp_path, 2, precision)
    assert choice.precision == precision
    assert choice.agreement[precision] == 0.99
    assert choice.largest_difference[precision] == 0.8
    assert choice.texts == 200


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_precision_by_name_with_fewer_labels_is_refused(model, tmp_path, monkeypatch, precision):
    """One line tells the difference and the way out; the second time nothing is measured."""
    asked = timings(monkeypatch, {"float32": (10, 0), precision: (50, 3)})
    for _ in range(2):
        with pytest.raises(PrecisionError) as refused:
            choose_precision(model, lambda: sample_texts(200), tmp_path, 2, precision)
        assert str(refused.value) == (
            f"{precision} gives 1.5 % of 200 texts another label than float32 (probabilities"
            " differ by up to 0.800), and at most 1 % may: use --precision float32, or auto"
        )
    assert asked == ["float32", precision]


def test_precision_by_name_uses_what_auto_has_measured(model, tmp_path, monkeypatch):
    """The figures are the same, so they are not measured twice."""
    asked = timings(monkeypatch, {"float32": (10, 0), "int8": (11, 9), "bfloat16": (9, 0)})
    auto = choose_precision(model, lambda: sample_texts(200), tmp_path, 2)
    assert auto.precision == "float32"
    measured_once = list(asked)
    with pytest.raises(PrecisionError):
        choose_precision(model, lambda: sample_texts(200), tmp_path, 2, "int8")
    assert choose_precision(model, list, tmp_path, 2, "bfloat16").precision == "bfloat16"
    assert asked == measured_once


def test_check_by_name_decides_nothing_for_auto(model, tmp_path, monkeypatch):
    """It has timed nothing."""
    asked = timings(monkeypatch, {"float32": (10, 0), "int8": (40, 0)}, cpu="some avx2")
    choose_precision(model, lambda: sample_texts(200), tmp_path, 2, "int8")
    assert choose_precision(model, lambda: sample_texts(200), tmp_path, 2).spread
    assert asked == ["float32", "int8"] * 2


def test_float32_by_name_is_compared_with_nothing(model, tmp_path, monkeypatch):
    """It is what the others are compared with."""
    asked = timings(monkeypatch, {})
    assert choose_precision(model, hundred, tmp_path, 2, "float32").precision == "float32"
    assert asked == []


def test_check_on_few_texts_is_not_remembered(model, tmp_path, monkeypatch):
    """As auto's choice on few is not."""
    asked = timings(monkeypatch, {"float32": (10, 0), "int8": (40, 0)})
    for _ in range(2):
        choose_precision(model, lambda: hundred()[1:], tmp_path, 2, "int8")
    assert asked == ["float32", "int8"] * 2


def test_difference_is_of_the_texts_that_both_have_answered():
    """A slow candidate answers fewer."""
    difference = compare(np.array([0.4, 0.9]), np.array([0.51, 0.8, 0.1]))
    assert (difference.texts, difference.agreement, difference.largest) == (2, 0.5, 0.11)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": {"precision": "int8"}}'])
def test_broken_memory_is_measured_anew(model, tmp_path, measured, content):
    """A file that cannot be read counts as none, and is replaced."""
    (tmp_path / "precision.json").write_text(content)
    choose_precision(model, hundred, tmp_path, 2)
    choose_precision(model, hundred, tmp_path, 2)
    assert len(measured) == 1
    assert len(json.loads((tmp_path / "precision.json").read_text())) == 1


def test_known_texts_serve_where_there_is_no_sample(model, tmp_path, measured):
    """auto needs no input."""
    choose_precision(model, list, tmp_path, 2)
    assert len(measured[0]) == 10


def test_scorer_is_opened_once_per_process(able):
    """Partitions share one scorer; another precision is another one."""
    first = open_scorer(able, "int8", threads=1)
    assert open_scorer(able, "int8", threads=1) is first
    assert open_scorer(able, "float32", threads=1) is not first


def test_open_scorer_asks_the_known_texts(model):
    """A model that fails them is not handed out."""
    with pytest.raises(GoldenError):
        open_scorer(model, "float32", threads=1)


def test_unknown_precision_is_refused(model):
    """The message names the four."""
    with pytest.raises(ModelError, match="auto, float32, bfloat16, int8"):
        open_scorer(model, "float16")

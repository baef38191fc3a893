"""The decision between precisions, on invented timings."""

import numpy as np
import pytest

from tasks.sentiment.scoring.benchmark import ROUNDS, spread
from tasks.sentiment.scoring.precision import Choice, choose, describe_choice, is_faster

SAME = {"float32": 1.0, "bfloat16": 1.0, "int8": 1.0}


def rounds_of(**rates: float) -> dict[str, list[float]]:
    return {precision: [rate] * ROUNDS for precision, rate in rates.items()}


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({"float32": 100}, "float32"),
        ({"float32": 100, "int8": 100}, "float32"),
        ({"float32": 100, "int8": 104}, "float32"),  # a gain that is worth no exactness
        ({"float32": 100, "int8": 106}, "int8"),
        ({"float32": 100, "int8": 60}, "float32"),
        ({"float32": 100, "bfloat16": 150, "int8": 152}, "bfloat16"),
        ({"float32": 100, "bfloat16": 150, "int8": 200}, "int8"),
        ({"float32": 100, "bfloat16": 103, "int8": 107}, "bfloat16"),  # int8 beats float32 alone
        ({"float32": 100, "bfloat16": 50, "int8": 200}, "int8"),
    ],
)
def test_more_exact_is_taken_unless_another_is_faster(rates, chosen):
    """float32 before bfloat16 before int8, whatever the order they were measured in."""
    assert choose(rounds_of(**rates), SAME) == chosen
    assert choose(dict(reversed(rounds_of(**rates).items())), SAME) == chosen


def test_precision_with_other_labels_neither_wins_nor_keeps_another_from_winning():
    """It does not count, however fast it is."""
    rounds = rounds_of(float32=100, bfloat16=150, int8=400)
    assert choose(rounds, {**SAME, "int8": 0.989}) == "bfloat16"
    assert choose(rounds, {**SAME, "int8": 0.989, "bfloat16": 0.5}) == "float32"
    assert choose(rounds, {**SAME, "int8": 0.99}) == "int8"


@pytest.mark.parametrize("busy", range(ROUNDS))
def test_one_disturbed_round_changes_nothing(busy):
    """Whichever candidate and round it hits, and however hard."""
    clear, equal = rounds_of(float32=100, int8=150), rounds_of(float32=100, int8=100)
    for precision in ("float32", "int8"):
        disturbed = {p: [*rates] for p, rates in clear.items()}
        disturbed[precision][busy] /= 10
        assert choose(disturbed, SAME) == "int8"
        disturbed = {p: [*rates] for p, rates in equal.items()}
        disturbed[precision][busy] /= 10
        assert choose(disturbed, SAME) == "float32"


def test_machine_that_slows_down_meanwhile_changes_nothing():
    """Rounds are compared with their own: the rates of the two overlap, the difference is clear."""
    load = np.array([1, 1, 0.9, 0.5, 0.4, 0.4, 0.5])
    rounds = {"float32": list(100 * load), "int8": list(130 * load)}
    assert min(rounds["int8"]) < max(rounds["float32"])
    assert choose(rounds, SAME) == "int8"


@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_measuring_twice_gives_the_same_choice(noise):
    """Of equals the more exact, of different ones the faster, a thousand times."""
    rng = np.random.default_rng(0)
    for int8, expected in ((100, "float32"), (200, "int8")):
        chosen = []
        for _ in range(1000):
            jitter = rng.normal(1, noise, (2, ROUNDS)).clip(0.5, 1.5)
            rounds = {"float32": list(100 * jitter[0]), "int8": list(int8 * jitter[1])}
            chosen.append(choose(rounds, SAME))
        assert chosen.count(expected) >= 985, (int8, noise)


def test_nothing_is_faster_than_itself():
    """So one is always left to be chosen."""
    assert not is_faster([3.0, 5.0, 4.0], [3.0, 5.0, 4.0])


def test_spread_leaves_out_an_outlier_at_either_end():
    """Where enough rounds are left."""
    assert spread([9, 1, 5, 4, 6, 5, 5]) == (4, 6)
    assert spread([9, 1, 5]) == (1, 9)
    assert spread([7]) == (7, 7)


def test_choice_is_told_with_difference_and_spread():
    """One line."""
    choice = Choice(
        "int8",
        rates={"float32": 95.25, "int8": 1414.3},
        agreement={"float32": 1.0, "int8": 0.9961},
        spread={"float32": (90.0, 99.9), "int8": (1380.0, 1450.2)},
        largest_difference={"float32": 0.0, "int8": 0.0149},
        texts=256,
    )
    assert describe_choice(choice) == (
        "labels of float32 on 99.6 % of 256 texts, probabilities within 0.0149;"
        " texts per second: float32 95.2 (90.0 to 99.9), int8 1,414 (1,380 to 1,450)"
    )


def test_loser_with_other_labels_is_told():
    """Who wonders why the fastest was not taken finds the reason."""
    choice = Choice(
        "float32",
        rates={"float32": 100.0, "int8": 300.0},
        agreement={"float32": 1.0, "int8": 0.91},
        spread={"float32": (99.0, 101.0), "int8": (290.0, 310.0)},
        largest_difference={"float32": 0.0, "int8": 0.6},
        texts=256,
    )
    assert describe_choice(choice) == (
        "texts per second: float32 100 (99.0 to 101),"
        " int8 300 (290 to 310, but 91.0 % of the labels)"
    )


def test_choice_by_name_tells_its_difference_alone():
    """Nothing was timed."""
    choice = Choice(
        "int8", {}, {"float32": 1.0, "int8": 1.0}, {}, {"float32": 0.0, "int8": 0.01}, 20
    )
    assert describe_choice(choice) == (
        "labels of float32 on 100.0 % of 20 texts, probabilities within 0.0100"
    )
    assert describe_choice(Choice("float32", {}, {"float32": 1.0})) == ""

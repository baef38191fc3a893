"""Noise does not decide which variant is published."""

import numpy as np
import pytest

from edge.release.validation.gate import Contender, choose, is_faster

SIZES = {"float32": 4_000_000, "float16": 2_000_000, "dynamic": 1_000_000, "int8": 1_010_000}


def contenders(**rounds_ms: list[float]) -> list[Contender]:
    return [Contender(name, tuple(rounds), SIZES[name]) for name, rounds in rounds_ms.items()]


def test_machine_that_swings_leaves_the_smallest():
    """Each is the faster one at some hour: as was measured, twice within two hours."""
    swinging = contenders(
        float16=[16.4, 28.9, 16.9, 27.3, 16.1], dynamic=[23.3, 16.7, 22.8, 17.1, 23.0]
    )

    assert choose(swinging) == "dynamic"
    assert choose(swinging[::-1]) == "dynamic"


def test_faster_one_wins_beyond_the_spread():
    """Although it is larger."""
    assert choose(contenders(float16=[16.4, 16.9, 16.1], dynamic=[23.3, 22.8, 23.0])) == "float16"


def test_as_fast_within_a_tenth_the_smallest_wins():
    """Steady as it may be: so little is not worth twice the size."""
    assert choose(contenders(float16=[10.0] * 7, dynamic=[10.5] * 7)) == "dynamic"


def test_drifting_machine_drifts_for_all():
    """A round is compared with the same round: the machine gets warm, the order stays."""
    drift = np.array([1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2])

    chosen = choose(contenders(float32=list(13.0 * drift), float16=list(10.0 * drift)))
    also = choose(contenders(float16=list(13.0 * drift), float32=list(10.0 * drift)))

    assert (chosen, also) == ("float16", "float32")


@pytest.mark.parametrize("place", range(5))
def test_one_disturbed_round_changes_nothing(place):
    """Neither for who is faster nor for who is not."""
    fast, slow, alike = [5.0] * 5, [8.0] * 5, [5.1] * 5
    fast[place] = 60.0
    alike[place] = 0.5

    assert choose(contenders(float16=fast, dynamic=slow)) == "float16"
    assert choose(contenders(float32=alike, float16=[5.0] * 5)) == "float16"


def test_chance_never_brings_forth_another_one():
    """The same forms, measured a thousand times on a noisy machine, are one release."""
    random = np.random.default_rng(0)
    true_ms = {"float32": 20.0, "float16": 20.0, "dynamic": 12.2, "int8": 12.0}

    chosen = set()
    for _ in range(1_000):
        common = random.gamma(4.0, 0.25, 7)  # the machine's own ups and downs
        chosen.add(
            choose(
                contenders(
                    **{
                        name: list(ms * (1 + common) * random.normal(1, 0.05, 7))
                        for name, ms in true_ms.items()
                    }
                )
            )
        )

    assert chosen == {"dynamic"}


def test_difference_at_the_limit_leaves_what_was_published():
    """On both sides of it, whichever it was; a clear difference does not."""
    under = contenders(int8=[10.0] * 7, dynamic=[10.9] * 7)
    over = contenders(int8=[10.0] * 7, dynamic=[11.2] * 7)
    clear = contenders(int8=[10.0] * 7, dynamic=[14.0] * 7)

    for before in ("int8", "dynamic"):
        assert choose(under, before) == choose(over, before) == before
        assert choose(clear, before) == "int8"
    assert (choose(under), choose(over)) == ("dynamic", "int8")
    assert choose(over, "float32") == "int8"  # it is none of them any more


def test_comparison_has_an_order():
    """Who is faster is not slower, so that one is always left."""
    random = np.random.default_rng(1)
    for _ in range(200):
        tried = [
            Contender(name, tuple(random.uniform(1, 3, 5)), size) for name, size in SIZES.items()
        ]

        assert choose(tried) in SIZES
        for one in tried:
            for other in tried:
                assert not (is_faster(one, other) and is_faster(other, one))

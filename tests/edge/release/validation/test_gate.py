"""The gate: decided from metrics alone, with reasons that name them."""

from dataclasses import replace

import pytest

from edge.release.validation.gate import Limits, decide, judge
from edge.release.validation.metrics import Accuracy, Agreement, Metrics, Parity, Timing

LIMITS = Limits()


def accuracy(map_50: float = 0.9, map_50_95: float = 0.6, **more) -> Accuracy:
    return Accuracy(map_50, map_50_95, {"red": map_50}, images=10, objects=100, **more)


def metrics(variant: str = "float32", p50_ms: float = 5.0, **changes) -> Metrics:
    good = Metrics(
        variant=variant,
        bytes=1_000_000,
        accuracy=accuracy(),
        source_accuracy=accuracy(),
        parity=Parity(1e-6, Agreement(20, 20)),
        constant=None,
        found=20,
        golden=4,
        timings=(
            Timing("litert", 2, p50_ms / 2, p50_ms, p50_ms / 2, 80_000_000),
            Timing("litert", 1, p50_ms, p50_ms * 2, p50_ms, 80_000_000),
        ),
    )
    return replace(good, **changes)


def reasons(limits: Limits = LIMITS, **changes) -> str:
    return "; ".join(judge(metrics(**changes), limits).reasons)


def test_good_figures_pass():
    """Nothing speaks against it."""
    assert judge(metrics(), LIMITS).passed


def test_what_was_not_measured_refuses_nothing():
    """A ready file without labelled images has neither a source nor an accuracy."""
    assert judge(metrics("as-is", accuracy=None, source_accuracy=None, parity=None), LIMITS).passed


def test_what_was_chosen_can_be_taken_back():
    """Nothing takes its place; the reason is told of it alone."""
    decision = decide([metrics("int8", 1.0), metrics("float32")], "auto", LIMITS)
    assert decision.chosen == "int8"

    refused = decision.refuse("for phones: no")

    assert (refused.chosen, refused.reasons) == (None, ("int8: for phones: no",))


def test_constant_answer_is_the_one_reason():
    """All else about such a model is noise."""
    found = reasons(constant="the same 10 boxes at 0.50", accuracy=accuracy(0.0), found=0)

    assert found == "it answers the same to every picture: the same 10 boxes at 0.50"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"found": 0}, "it finds nothing on any of 4 golden pictures"),
        ({"self_test": "no nut"}, "it fails the device's own test: no nut"),
        (
            {"accuracy": accuracy(0.15), "source_accuracy": None},
            "mAP@0.5 is 0.150, below 0.2",
        ),
        (
            {"accuracy": accuracy(0.87)},
            "it loses 3.3% of the source's mAP@0.5 (0.900 to 0.870), more than 2.0%",
        ),
        (
            {"accuracy": accuracy(0.9, 0.5)},
            "it loses 16.7% of the source's mAP@[.5:.95] (0.600 to 0.500), more than 5.0%",
        ),
        (
            {"parity": Parity(1e-6, Agreement(17, 20))},
            "it agrees with the source on 17 of 20 objects on the golden pictures (85%), fewer"
            " than 90%",
        ),
        (
            {"parity": Parity(0.01, Agreement(20, 20))},
            "its outputs differ from the source's by 0.01 of the largest value, more than 0.001",
        ),
        (
            {"parity": Parity(float("nan"), Agreement(20, 20))},
            "its outputs differ from the source's by nan of the largest value, more than 0.001",
        ),
    ],
)
def test_each_fault_is_named_with_its_figures(changes, reason):
    """And with the limit."""
    assert reasons(**changes) == reason


def test_latency_and_size_count_where_they_are_limited():
    """The first runtime with one thread is what counts."""
    limits = Limits(max_latency_ms=4, max_bytes=500_000)

    found = judge(metrics(), limits).reasons

    assert found == (
        "it takes 5.0 ms a frame (litert, 1 thread), more than 4 ms",
        "it has 1.0 MB, more than 0.5 MB",
    )


def test_integer_forms_may_differ_in_their_outputs():
    """They are judged by what they find."""
    parity = Parity(0.2, Agreement(20, 20))

    assert judge(metrics("int8", parity=parity), LIMITS).passed
    assert judge(metrics("dynamic", parity=parity), LIMITS).passed
    assert not judge(metrics("float16", parity=parity), LIMITS).passed


def test_wrong_names_are_a_hint():
    """Where accuracy is low, the reason may be the labels file."""
    found = reasons(accuracy=accuracy(0.0, misnamed=("clock for vase",)), source_accuracy=None)

    assert found.endswith("below 0.2; it says clock for vase")


def test_gain_is_no_loss():
    """A variant may be better than its source."""
    assert judge(metrics(accuracy=accuracy(0.95, 0.7)), LIMITS).passed


def test_auto_takes_the_fastest_that_passes():
    """The very fastest one fails here."""
    tried = [
        metrics("float32", 9.0),
        metrics("dynamic", 5.0),
        metrics("int8", 2.0, accuracy=accuracy(0.5)),
    ]

    decision = decide(tried, "auto", LIMITS)

    assert decision.chosen == "dynamic"
    assert decision.reasons == ()
    assert [verdict.passed for verdict in decision.verdicts] == [True, True, False]


def test_of_those_as_fast_the_smallest_is_taken():
    """float16 runs as float32 and is half as large."""
    tried = [metrics("float32", 5.0, bytes=4_000_000), metrics("float16", 5.3, bytes=2_000_000)]

    assert decide(tried, "auto", LIMITS).chosen == "float16"


def test_close_call_leaves_what_was_published_before():
    """Published again with nothing changed, the same variant is taken."""
    tried = [metrics("float32", 5.0, bytes=4_000_000), metrics("float16", 5.6, bytes=2_000_000)]

    assert decide(tried, "auto", LIMITS).chosen == "float32"
    assert decide(tried, "auto", LIMITS, before="float16").chosen == "float16"


def test_rounds_decide_where_there_are_some():
    """A median from a busy minute is no advantage."""
    steady = Timing("litert", 1, 9.0, 9.9, 9.0, 80_000_000, (9.0, 9.1, 9.0, 8.9, 9.0))
    lucky = replace(steady, p50_ms=7.0, rounds_ms=(7.0, 12.0, 6.9, 11.0, 6.8))
    tried = [
        metrics("float16", bytes=2_000_000, timings=(lucky,)),
        metrics("dynamic", timings=(steady,)),
    ]

    assert lucky.spread_ms == (6.8, 12.0)
    assert decide(tried, "auto", LIMITS).chosen == "dynamic"


def test_variant_that_fails_is_not_kept():
    """Whatever was published before."""
    tried = [metrics("float32", 9.0), metrics("int8", 5.0, found=0)]

    assert decide(tried, "auto", LIMITS, before="int8").chosen == "float32"


def test_named_variant_is_taken_or_nothing_is():
    """However good the others are."""
    tried = [metrics("float32"), metrics("int8", found=0)]

    assert decide(tried, "float32", LIMITS).chosen == "float32"
    assert decide(tried, "int8", LIMITS).chosen is None


def test_refusal_says_why_for_each():
    """All reasons of all variants."""
    tried = [metrics("float32", found=0), metrics("int8", constant="nothing")]

    assert decide(tried, "auto", LIMITS).reasons == (
        "float32: it finds nothing on any of 4 golden pictures",
        "int8: it answers the same to every picture: nothing",
    )

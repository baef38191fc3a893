"""What prices and rules reckon with: as measured, or assumed where it was not."""

import pytest

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.figures import assumed, of_model
from tests.tasks.comparison.measured import device, latency, model, night, service


def test_figures_of_a_model_are_those_that_were_measured():
    found = of_model(model(), cores=4, origin="here")
    assert found and found.measured and found.origin == "here"
    served, slow, alone = (found.ways[way] for way in (Way.SERVICE, Way.NIGHT, Way.DEVICE))
    assert served.per_s == 900  # within the bound, not the highest at all
    assert served.cpu_s == pytest.approx(0.0015)
    assert served.p99_s == pytest.approx(latency(2.0).p99_ms / 1e3)
    assert (slow.per_s, slow.p99_s) == (20_000, None)
    assert (served.cores, slow.cores, alone.cores) == (4, 4, 1)
    assert alone.memory_gib == pytest.approx(70 / 1024)


def test_way_without_a_highest_rate_is_reckoned_by_its_rows():
    found = of_model(model(), cores=2, origin="")
    assert found and found.ways[Way.DEVICE].per_s == device().rows_per_s


def test_service_that_kept_the_bound_at_no_rate_is_reckoned_by_one_request_after_the_other():
    """Its rows a second, from many connections at once, were too late."""
    slow = service().model_copy(update={"highest_rate": None})
    found = of_model(
        model().model_copy(update={"ways": (night(), slow, device())}), cores=2, origin=""
    )
    assert found and found.ways[Way.SERVICE].per_s == 400 < slow.rows_per_s


def test_model_that_lacks_a_way_has_no_figures():
    part = model().model_copy(update={"ways": (night(), service())})
    assert of_model(part, cores=2, origin="") is None


def test_assumed_figures_follow_from_the_cpu_time_of_an_answer():
    quick, slow = assumed(0.005, 100), assumed(0.05, 100)
    assert not quick.measured and "rules" in quick.origin
    for way in Way:
        assert quick.ways[way].per_s > slow.ways[way].per_s
        assert quick.ways[way].cpu_s < slow.ways[way].cpu_s
    assert quick.ways[Way.DEVICE].cpu_s > quick.ways[Way.NIGHT].cpu_s  # a small board is slower
    assert quick.ways[Way.SERVICE].bytes_per_answer == 100

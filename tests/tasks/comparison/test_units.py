"""Quantities as people write them, and as they read them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.comparison.units import Bytes, Seconds, money, short, size, span


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("200 ms", 0.2), ("5 s", 5), ("10min", 600), ("1 hour", 3_600), ("1.5 days", 129_600)],
)
def test_duration_is_read_with_its_unit(written, seconds):
    assert TypeAdapter(Seconds).validate_python(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["200", 200, True, "0 s", "-1 s", "5 parsecs", "", "1e3 s"])
def test_duration_without_a_unit_is_refused_with_an_example(written):
    """A bare number could be seconds or milliseconds."""
    with pytest.raises(ValidationError, match="such as 200 ms, 5 s"):
        TypeAdapter(Seconds).validate_python(written)


def test_size_is_read_with_its_unit():
    assert TypeAdapter(Bytes).validate_python("1.5 MB") == 1_500_000
    with pytest.raises(ValidationError, match="such as 200 B, 4 kB"):
        TypeAdapter(Bytes).validate_python("1.5 megs")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0042, "4.2 ms"),
        (5, "5 s"),
        (90, "1.5 min"),
        (3_600, "1 hour"),
        (86_400, "1 day"),
        (172_800, "2 days"),
    ],
)
def test_span_is_told_in_the_unit_that_fits(seconds, words):
    assert span(seconds) == words


def test_figures_have_three_digits():
    found = [short(value) for value in (0, 12_345.6, 0.012345, 99.96, 1_000)]
    assert found == ["0", "12,300", "0.0123", "100", "1,000"]
    assert (size(1_500), size(12)) == ("1.5 kB", "12 B")
    assert (money(1_234.5, "USD"), money(0.1234, "EUR")) == ("1,230 USD", "0.12 EUR")

"""Promises of how figures are written."""

import pytest

from services.reporting.figures import counted, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.34, "0.3 s"),
        (45.2, "45 s"),
        (59.7, "1 min 0 s"),
        (725, "12 min 5 s"),
        (7384, "2 h 3 min"),
    ],
)
def test_duration_is_in_words_of_its_size(seconds, words):
    """Nobody wants 7384.0 seconds."""
    assert duration(seconds) == words


def test_what_is_counted_is_one_or_many():
    """1 rows would be read as a fault of the figure."""
    assert counted(1, "row") == "1 row"
    assert counted(0, "row") == "0 rows"
    assert counted(1_200, "class", "classes") == "1,200 classes"

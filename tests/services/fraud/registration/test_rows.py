"""Known rows from CSV: which number is what, and which answers are the known ones."""

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.registration.rows import as_known, read_known

GENUINE = 0.000647


@pytest.mark.parametrize("found", [GENUINE + 1e-5, GENUINE * 1.01])
def test_answer_is_the_known_one_but_for_its_rounding(found):
    """Where it is large, a thousandth is no other one."""
    assert as_known(np.array([found, 0.9009]), np.array([GENUINE, 0.9])).all()


@pytest.mark.parametrize("found", [GENUINE * 1.5, GENUINE / 2, 0.0, np.nan])
def test_small_answer_is_told_from_another_small_one(found):
    """As genuine transactions get them, all of which are less than a thousandth apart."""
    same = as_known(np.array([found, 0.902]), np.array([GENUINE, 0.9]))
    assert same.tolist() == [False, False]


def test_answers_are_found_in_any_case(tmp_path):
    (tmp_path / "k.csv").write_text("b, Probability ,a\n2,0.5,1\n")
    known = read_known(tmp_path / "k.csv", ("a", "b"))
    assert known.rows.tolist() == [[1, 2]]
    assert known.probabilities is not None and known.probabilities.tolist() == [0.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", "row 2 has more cells than the header, 2"),
        ("1,2\n1,2,3\n", "row 2 has more cells than the first, 2"),
        ("a,b,note\n1,2,x\n1,2\n", "row 2 has fewer cells than the header, 3"),
        ("a,b,a\n1,2,3\n", "more than one column a: leave one"),
        ("a,b,probability,PROBABILITY\n1,2,0,1\n", "more than one column probability"),
        ("0,1\n5,6\n", "begins with 0, 1, as if its columns were numbered"),
        ("0,1,2\n5,6,0.5\n", "begins with 0, 1, 2, as if .* leave the header out"),
    ],
)
def test_rows_that_could_be_read_in_two_ways_are_refused(tmp_path, content, message):
    """Whichever was meant, the other would be silent."""
    (tmp_path / "k.csv").write_text(content)
    with pytest.raises(ModelError, match=message):
        read_known(tmp_path / "k.csv", ("a", "b"))

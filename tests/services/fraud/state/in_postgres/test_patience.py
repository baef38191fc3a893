"""How long is waited for a database that is away, and for one that is busy."""

from services.fraud.state.in_postgres.patience import TRY_AFTER, Patience

USUAL_S, SHORT_S = 0.5, 0.25


def test_while_it_is_away_one_now_and_then_waits_as_long_as_ever_and_the_others_hardly():
    patience = Patience(USUAL_S, SHORT_S)
    assert patience.until(1.0) == 1.0 + USUAL_S
    assert patience.fail("away", 1.0, 1.5)
    assert not patience.fail("away", 1.0, 1.5)  # it is told once
    assert patience.until(2.0) == 2.0 + SHORT_S
    again = 1.5 + TRY_AFTER * USUAL_S
    assert [patience.until(again), patience.until(again)] == [again + USUAL_S, again + SHORT_S]
    patience.succeed(again)
    assert patience.until(again) == again + USUAL_S


def test_one_that_is_late_while_others_succeed_shortens_nobodys_time():
    """Many at once make one another late, and would all be late with less."""
    patience = Patience(USUAL_S, SHORT_S)
    patience.succeed(1.25)
    assert not patience.fail("late", 1.0, 1.5)
    assert patience.fault is None
    assert patience.until(1.5) == 1.5 + USUAL_S
    assert patience.fail("late", 1.5, 2.0)  # nothing has gone well since it began

"""What is told of requests that are not answered."""

from services.fraud.errors import StateUnavailable
from services.fraud.http import problem


def test_state_that_is_away_is_logged_now_and_then_for_all_requests(caplog, monkeypatch):
    """Each fault, however many there are."""
    monkeypatch.setattr(problem, "_told", {})
    for number in range(5):
        answer = problem.problem_of(StateUnavailable("away"))
        assert isinstance(answer, problem.HttpProblem) and answer.code == "state_unavailable"
        problem.problem_of(StateUnavailable(f"fault {number}"))
    told = [record.getMessage() for record in caplog.records if record.name == problem.__name__]
    assert told.count("away") == 1
    assert len(told) == 6

    monkeypatch.setattr(problem, "_told", dict.fromkeys(problem._told, -problem.TELL_EVERY_S))
    problem.problem_of(StateUnavailable("away"))
    assert caplog.messages.count("away") == 2

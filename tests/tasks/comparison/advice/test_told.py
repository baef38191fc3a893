"""The advice in words: everything is said, and words of the file cannot style anything."""

from tasks.comparison.advice import told
from tasks.comparison.advice.advise import advise
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.pricing.sheet import default_sheet
from tests.tasks.comparison.advice.case import need

SHEET = default_sheet()


def test_terminal_tells_answer_reason_ranking_changes_and_commands():
    text = told.terminal(advise(need(waiting="machine", latency=0.1), SHEET))
    assert text.startswith("a need: answer by a service\n")
    assert "decided by: waiting: nobody instead of machine would make it score at night" in text
    assert "based on: rules and rules of thumb alone (no measurements are in the home yet" in text
    assert all(f". {mark} " in text for mark in "+-")
    assert all(strategy.label in text for strategy in Strategy)
    assert "triptych train-fraud" in text
    assert "[rule]" in text and "[measured]" not in text


def test_where_nothing_meets_the_need_the_nearest_is_told_and_what_it_misses():
    asked = need(waiting="person", connectivity="never", rests_on="data-of-others", devices=5)
    found = advise(asked, SHEET)
    text = told.terminal(found)
    assert found.answer is None
    assert "nothing meets all of it; nearest: " in text and "  missed: " in text
    assert found.nearest.failed[0].key in text.splitlines()[0]


def test_words_of_the_file_are_escaped_in_the_ui():
    text = told.markdown(advise(need(name="<b>a|b</b> [x](http://y)"), SHEET))
    assert "<b>" not in text and "http://y" not in text
    assert "&lt;b&gt;a\\|b" in text

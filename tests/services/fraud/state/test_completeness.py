"""Which windows the history suffices for, at both of their ends, and that answers say so."""

import json
from dataclasses import replace

import pytest

from services.fraud.state.completeness import KEPT_S, REASONS, WINDOW_REASONS, Coverage
from services.fraud.state.snapshot import POINTER, folder, read_pointer, write_snapshot
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, HOUR_S
from tests.services.fraud.streams import START, snapshot, stream

DAY_60 = START + 60 * DAY_S
TOLERANCE_S = 36 * HOUR_S
FULL = Coverage(DAY_60 - KEPT_S + 1, DAY_60, DAY_60)
OLD_NAMES = ("file", "as_of", "rows", "digest")
C1, C7, C30, T1, T7, T30 = WINDOW_REASONS


def faults(covered: Coverage | None, time: int) -> list[str]:
    assert covered is not None
    return covered.faults(time, TOLERANCE_S)


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [
        (0, []),
        (TOLERANCE_S, []),
        (TOLERANCE_S + 1, ["old_snapshot"]),
        (7 * DAY_S + TOLERANCE_S, ["old_snapshot"]),
        (7 * DAY_S + TOLERANCE_S + 1, ["old_snapshot", "old_labels"]),
        (-DAY_S, []),  # the snapshot holds one day more than windows reach back
        (-DAY_S - 1, [T30]),
        (-8 * DAY_S, [T30]),
        (-8 * DAY_S - 1, [C30, T30]),
        (-24 * DAY_S, [C30, T30]),
        (-24 * DAY_S - 1, [C30, T7, T30]),
        (-30 * DAY_S, [C30, T7, T30]),
        (-30 * DAY_S - 1, [C30, T1, T7, T30]),
        (-31 * DAY_S - 1, [C7, C30, T1, T7, T30]),
        (-37 * DAY_S - 1, list(WINDOW_REASONS)),
        (-900 * DAY_S, list(WINDOW_REASONS)),
    ],
)
def test_each_window_is_told_that_begins_before_the_history(after_s, expected):
    """To the second, seen from a full snapshot: late arrivals and replays at any age."""
    assert faults(FULL, DAY_60 + after_s) == expected


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1, [C7, C30, T1, T7, T30]),
        (8, [C30, T7, T30]),
        (10, [C30, T7, T30]),
        (14, [C30, T30]),
        (30, [T30]),
        (37, []),
    ],
)
def test_history_that_began_lately_is_told_per_window(days, expected):
    """A snapshot that begins some days ago suffices for the windows that begin later."""
    began = replace(FULL, since=DAY_60 - days * DAY_S + 1)
    assert faults(began, DAY_60) == expected
    grown = replace(began, as_of=DAY_60 + 37 * DAY_S, labelled_until=DAY_60 + 37 * DAY_S)
    assert faults(grown, DAY_60 + 37 * DAY_S) == []


def test_labels_have_to_reach_up_to_the_terminals_windows():
    """These end a week before the transaction, so labels may be as late, and no later."""
    since = replace(FULL, labelled_until=DAY_60 - 7 * DAY_S - TOLERANCE_S)
    assert (faults(since, DAY_60), faults(since, DAY_60 + 1)) == ([], ["old_labels"])
    assert faults(replace(FULL, labelled_until=None), DAY_60) == ["old_labels"]


def test_what_follows_one_another_covers_both():
    """In whatever order it comes, and no longer than it is kept."""
    early = Coverage(DAY_60 - 30 * DAY_S, DAY_60 - 10 * DAY_S, DAY_60 - 20 * DAY_S)
    late = Coverage(DAY_60 - 10 * DAY_S + 1, DAY_60, None)
    both = Coverage(DAY_60 - 30 * DAY_S, DAY_60, DAY_60 - 20 * DAY_S)
    assert early.then(late) == late.then(early) == both
    older = Coverage(DAY_60 - 90 * DAY_S, DAY_60 - DAY_S, None)
    assert older.then(late).since == DAY_60 - KEPT_S + 1


def test_what_has_a_gap_begins_anew_after_it():
    """A second is missing between the two."""
    early = Coverage(DAY_60 - 30 * DAY_S, DAY_60 - 10 * DAY_S, DAY_60 - 20 * DAY_S)
    late = Coverage(DAY_60 - 10 * DAY_S + 2, DAY_60, None)
    assert early.then(late).since == late.then(early).since == late.since


def test_every_reason_is_in_the_answers_type():
    """What a client may get is what it was told."""
    from services.fraud.scoring.schema import ScoreAnswer

    found = ScoreAnswer.model_json_schema()["properties"]["degraded"]["items"]["enum"]
    assert tuple(found) == REASONS


def test_state_without_a_snapshot_covers_nothing(state):
    """Whatever has been recorded: nobody says that it is all."""
    state.once(Transaction("new", "ann", "till", 100, DAY_60), lambda _windows: b"")
    state.label([("new", True, 1.0)])
    assert state.coverage is None


def test_state_knows_what_its_snapshots_cover(state, tmp_path):
    """From the first row, or from where windows begin."""
    table = stream(500, days=10)
    as_of = START + 10 * DAY_S
    state.load(snapshot(table, as_of, tmp_path))
    first = int(table["time"].min())
    assert state.coverage == Coverage(first, as_of, as_of)
    state.load(snapshot(stream(500), DAY_60, tmp_path))
    assert state.coverage == FULL


def test_snapshot_after_a_gap_makes_the_state_begin_anew(state, tmp_path):
    """Days are missing between what was there and what has come."""
    state.load(snapshot(stream(100, days=5), START + 5 * DAY_S, tmp_path))
    table = stream(100, days=30)
    late = table[table["time"] > START + 20 * DAY_S]
    state.load(snapshot(late, START + 30 * DAY_S, tmp_path))
    assert state.coverage is not None and state.coverage.since == late["time"].min()
    assert C30 in faults(state.coverage, START + 30 * DAY_S)


def test_older_snapshot_adds_what_joins(state, tmp_path):
    """It was written before, and loaded after."""
    table = stream(500, days=30)
    recent = table[table["time"] > START + 20 * DAY_S]
    state.load(snapshot(recent, START + 30 * DAY_S, tmp_path))
    state.load(snapshot(table, START + 25 * DAY_S, tmp_path))
    covered = Coverage(int(table["time"].min()), START + 30 * DAY_S, START + 30 * DAY_S)
    assert state.coverage == covered


def test_pruned_history_begins_later(state, tmp_path):
    """What was removed is not claimed."""
    state.load(snapshot(stream(500), DAY_60, tmp_path))
    state.prune(DAY_60 - 5 * DAY_S)
    assert state.coverage == replace(FULL, since=DAY_60 - 5 * DAY_S)
    state.prune(DAY_60 - 9 * DAY_S)
    assert state.coverage == replace(FULL, since=DAY_60 - 5 * DAY_S)


def test_labels_reach_as_far_as_the_newest_transaction_that_has_one(state, tmp_path):
    """Whether they come before their transaction, after it, or with a snapshot."""
    sale = Transaction("late", "ann", "till", 100, DAY_60 + DAY_S)
    covered = replace(FULL, labelled_until=DAY_60 - 30 * DAY_S)
    write_snapshot(stream(500), DAY_60, tmp_path, covered)
    pointer = read_pointer(tmp_path)
    assert pointer is not None
    state.load(pointer)
    assert state.coverage == covered
    state.label([("499", True, 1.0), ("late", False, 1.0)])
    newest = int(stream(500)["time"].iloc[-1])
    assert state.coverage == replace(FULL, labelled_until=newest)
    state.once(sale, lambda _windows: b"")
    state.label([("300", True, 1.0)])
    assert state.coverage == replace(FULL, labelled_until=DAY_60 + DAY_S)


def test_late_arrival_does_not_stretch_the_history(state, tmp_path):
    """That one old transaction is known says nothing of the others of its time."""
    state.load(snapshot(stream(500), DAY_60, tmp_path))
    state.once(Transaction("old", "ann", "till", 100, START), lambda _windows: b"")
    assert state.coverage == FULL


def test_snapshot_of_the_version_before_tells_by_its_first_row(state, tmp_path):
    """Its pointer says nothing of what it covers."""
    table = stream(500, days=10)
    as_of = START + 10 * DAY_S
    write_snapshot(table, as_of, tmp_path)
    pointer = folder(tmp_path) / POINTER
    told = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({name: told[name] for name in told if name in OLD_NAMES}))
    loaded = read_pointer(tmp_path)
    assert loaded is not None and loaded.since is None
    state.load(loaded)
    assert state.coverage == Coverage(int(table["time"].min()), as_of, as_of)

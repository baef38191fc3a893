"""Load after MLPerf's rules: arrivals, draws, and latency from the instant that was due."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measuring.load.bisection import p99_ms
from tasks.comparison.measuring.load.loadgen import STREAMS, LoadSpec, run_load
from tests.tasks.comparison.measuring.targets import AtOnce, Serial

pytest.importorskip("mlperf_loadgen", reason="the load generator is not installed")

SLOW_S = 0.02


def test_arrivals_are_a_poisson_process():
    """The gaps of a run pass a Kolmogorov-Smirnov test against the exponential of its rate."""
    stats = pytest.importorskip("scipy.stats")
    recorded = run_load(LoadSpec("Server", rows=100, seconds=2, per_s=1_000, seed=3), AtOnce())
    gaps = recorded.trace.gaps_s
    assert 1_800 < len(gaps) < 2_200
    assert stats.kstest(gaps, "expon", args=(0, 1 / 1_000)).pvalue > 0.05


def test_check_of_arrivals_can_fail():
    """Neither even gaps nor those of another rate pass as a Poisson process."""
    stats = pytest.importorskip("scipy.stats")
    gaps = run_load(LoadSpec("Server", rows=100, seconds=2, per_s=1_000, seed=3), AtOnce()).trace
    for wrong in (np.full(1_000, 1e-3), gaps.gaps_s * 1.2):
        assert stats.kstest(wrong, "expon", args=(0, 1 / 1_000)).pvalue < 0.01


def test_slow_server_shows_its_queue_where_a_closed_loop_shows_none():
    """At twice what it can do, the last wait for all before them; a closed loop waits for one."""
    with Serial(SLOW_S) as target:
        spec = LoadSpec("Server", rows=100, seconds=2, per_s=2 / SLOW_S, seed=1)
        arriving = run_load(spec, target)
        spec = LoadSpec("SingleStream", rows=100, seconds=1, expected_s=SLOW_S, seed=1)
        closed = run_load(spec, target)
    queued_ms = 1e3 * SLOW_S * len(arriving.trace.due_s) / 2  # for the last ones
    assert p99_ms(arriving) > 0.8 * queued_ms
    median_ms = 1e3 * float(np.median(closed.trace.latency_s))
    assert p99_ms(arriving) > 20 * median_ms


def test_closed_loop_never_sees_more_than_one_in_line():
    """SingleStream asks when the last is answered: as many queries as fit, one after another."""
    with Serial(SLOW_S) as target:
        recorded = run_load(
            LoadSpec("SingleStream", rows=10, seconds=0.5, expected_s=SLOW_S), target
        )
    due, latency = recorded.trace.due_s, recorded.trace.latency_s
    assert (due[1:] >= due[:-1] + latency[:-1] - 1e-6).all()
    assert latency.min() >= SLOW_S


def test_rows_are_drawn_with_replacement():
    """As many draws as rows leave some out and take others again."""
    target = AtOnce()
    recorded = run_load(LoadSpec("Server", rows=500, seconds=1, per_s=500, seed=5), target)
    drawn = Counter(row for query in target.asked for row in query)
    assert max(drawn.values()) > 1
    assert len(drawn) < 500
    assert recorded.trace.rows.tolist() == [row for query in target.asked for row in query]


def test_same_seed_gives_the_same_load_and_another_one_another():
    def asked(seed):
        target = AtOnce()
        spec = LoadSpec("Server", rows=50, seconds=0.3, per_s=500, seed=seed)
        return run_load(spec, target).trace.rows.tolist()[:100]

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_offline_gives_all_samples_in_one_query():
    target = AtOnce()
    recorded = run_load(LoadSpec("Offline", rows=40, samples=100), target)
    assert [len(query) for query in target.asked] == [100]
    assert recorded.samples_per_query == 100
    assert set(target.asked[0]) == set(range(40))


def test_multi_stream_query_counts_its_last_answer():
    """Eight samples, as several cameras give a frame each, and the latency of all together."""
    with Serial(0.002) as target:
        recorded = run_load(LoadSpec("MultiStream", rows=40, seconds=0.3, expected_s=0.016), target)
    assert recorded.samples_per_query == STREAMS
    assert recorded.trace.latency_s.min() >= STREAMS * 0.002


def test_load_leaves_no_file_behind(tmp_path, monkeypatch):
    """Neither in the working folder nor among temporary files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_load(LoadSpec("SingleStream", rows=10, seconds=0.05, expected_s=1e-3), AtOnce())
    assert list(tmp_path.iterdir()) == []


def test_audit_file_in_the_working_folder_changes_nothing(tmp_path, monkeypatch):
    """The generator would read one from there, and ask by it."""
    monkeypatch.chdir(tmp_path)
    Path("audit.config").write_text("*.*.performance_issue_same = 1\n")
    target = AtOnce()
    run_load(LoadSpec("Server", rows=100, seconds=0.3, per_s=300, seed=2), target)
    assert len({row for query in target.asked for row in query}) > 10


def test_missing_generator_is_told_in_a_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mlperf_loadgen", None)
    with pytest.raises(MeasuringError, match="pip install mlcommons-loadgen"):
        run_load(LoadSpec("Offline", rows=1), AtOnce())


@pytest.mark.parametrize("scenario", ["Server", "SingleStream", "MultiStream", "Offline"])
@pytest.mark.parametrize("answered_first", [False, True])
def test_interrupted_load_ends_and_says_why(scenario, answered_first):
    """Ctrl-C in the middle of asking, before or after the answers: nothing more is asked."""

    class Interrupted(AtOnce):
        def ask(self, samples, done):
            super().ask(samples, done if answered_first else lambda ids: None)
            raise KeyboardInterrupt

    target = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run_load(LoadSpec(scenario, rows=10, seconds=0.2, per_s=200, samples=20), target)
    assert len(target.asked) == 1
    assert run_load(LoadSpec("Offline", rows=10, samples=20), AtOnce()).faults == ()

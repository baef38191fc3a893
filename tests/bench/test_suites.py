"""Each benchmark is a process whose end, of any kind, is told and leaves the others alone."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.benchmarks.bench.record import Row
from tests.benchmarks.bench.suites import BENCHMARKS, Benchmark, run_benchmark


def rows_of(document) -> list[Row]:
    return [Row(what="rate", unit="1/s", ours=(document["rate"],), peers={"peer": (1.0,)})]


def stand_in(*arguments: str) -> Benchmark:
    return Benchmark("tests.bench.stand_in", rows_of, full=arguments, quick=("rate", "7"))


def test_suite_has_the_rows_that_its_benchmark_wrote(tmp_path):
    """Of a quick run those of its quick arguments; files lie side by side."""
    suite = run_benchmark("made", stand_in("rate", "5"), False, tmp_path / "new")
    assert (suite.fault, suite.skipped) == (None, None)
    assert [row.ours for row in suite.rows] == [(5.0,)]
    quick = run_benchmark("made", stand_in("rate", "5"), True, tmp_path / "new")
    assert [row.ours for row in quick.rows] == [(7.0,)]
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["made.json", "made.log"]


def test_what_it_gave_until_it_broke_off_counts(tmp_path):
    """The last that it said is the reason."""
    suite = run_benchmark("made", stand_in("breaks", "5"), False, tmp_path)
    assert suite.fault is not None
    assert suite.fault.startswith("it ended with 3: ValueError: it is broken (all of it: ")
    assert [row.ours for row in suite.rows] == [(5.0,)]


@pytest.mark.parametrize(
    ("what", "fault"),
    [("silent", "it ended with 3: it said nothing"), ("strange", "cannot be read")],
)
def test_benchmark_without_figures_is_told(tmp_path, what, fault):
    """Figures that an earlier run has left there are not taken for its own."""
    (tmp_path / "made.json").write_text('{"rate": 9}')
    suite = run_benchmark("made", stand_in(what, "5"), False, tmp_path)
    assert fault in (suite.fault or "")
    assert suite.rows == ()


def test_benchmark_that_cannot_be_run_here_is_skipped(tmp_path):
    """With the reason, and without a trace."""
    benchmark = Benchmark("tests.bench.stand_in", rows_of, missing=lambda: "no wrk")
    assert run_benchmark("made", benchmark, False, tmp_path).skipped == "no wrk"
    assert list(tmp_path.iterdir()) == []


def test_comparison_is_skipped_where_it_is_not_there(monkeypatch):
    """And run where it is."""
    missing = BENCHMARKS["comparison"].missing
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert missing() == "there is no tasks.comparison.measuring.run"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert missing() is None


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("kind", ["full", "quick"])
def test_benchmark_takes_the_arguments_that_it_is_given(name, kind, monkeypatch, capsys):
    """Found out by `--help` behind them: what is wrong before it is told first."""
    benchmark = BENCHMARKS[name]
    arguments: Sequence[str] = getattr(benchmark, kind)
    module = importlib.import_module(benchmark.module)
    monkeypatch.setattr("sys.argv", [name, *arguments, "--output", "x.json", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert "--output" in capsys.readouterr().out
    assert not Path("x.json").exists()

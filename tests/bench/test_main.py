"""`python -m tests.benchmarks`: what it writes, shows, and ends with."""

import json
from pathlib import Path

import pytest

from tests.bench.made import record_of, steady_row
from tests.benchmarks import __main__ as bench
from tests.benchmarks.bench.record import Record, Suite, read_record, write_record
from tests.benchmarks.machine import describe_machine


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the bench with a suite in place of each benchmark: its exit code and what it says."""

    def call(*arguments: str, **suites: Suite) -> tuple[int, str, str]:
        def made(name: str, *_: object) -> Suite:
            return suites.get(name, Suite(skipped="not made"))

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(bench, "run_benchmark", made)
        try:
            code = bench.main(arguments)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def suite(ours: float) -> Suite:
    return Suite(rows=(steady_row(ours=ours),))


def earlier_of(tmp_path: Path, machine: dict[str, object]) -> str:
    record = record_of({"fraud": suite(100.0)}).model_copy(update={"machine": machine})
    write_record(Record.model_validate(record.model_dump()), tmp_path / "earlier.json")
    return str(tmp_path / "earlier.json")


def test_run_is_written_with_the_machine_and_never_over_another(run, tmp_path):
    """Its file is named by the time."""
    code, out, _ = run("--only", "fraud,sentiment", fraud=suite(100.0))
    (file,) = (tmp_path / "var" / "benchmarks").glob("bench-*Z.json")
    record = read_record(file)
    assert code == 0
    assert list(record.suites) == ["sentiment", "fraud"]  # in the order of the bench
    assert json.loads(json.dumps(describe_machine())) == record.machine
    assert f"written to {file.relative_to(tmp_path)}" in out
    assert "sentiment: skipped: not made" in out


@pytest.mark.parametrize(
    ("ours", "code", "told"),
    [
        (100.0, 0, "none of 1 ratios fell by more than its spread"),
        (80.0, 1, "fraud: answers beside peer: the ratio fell from 2.00 (2.00 to 2.00) to 1.60"),
    ],
)
def test_exit_code_says_whether_a_ratio_fell(run, tmp_path, ours, code, told):
    against = earlier_of(tmp_path, describe_machine())
    ended, out, _ = run("--against", against, "--only", "fraud", fraud=suite(ours))
    assert ended == code
    assert told in out


def test_benchmark_that_broke_off_is_a_failure(run):
    """The others are shown all the same."""
    code, out, err = run(fraud=suite(100.0), edge=Suite(fault="it ended with 1"))
    assert code == 1
    assert "edge: broke off: it ended with 1" in out and "fraud: answers" in out
    assert "edge: broke off after 0 s: it ended with 1" in err


def test_what_was_measured_is_kept_when_the_next_is_interrupted(run, tmp_path, monkeypatch):
    """An hour is not lost with Ctrl-C."""

    def interrupted(record: Record, file: Path) -> None:
        write_record(record, file)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "write_record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("--output", "b.json", sentiment=suite(100.0))
    assert list(read_record(tmp_path / "b.json").suites) == ["sentiment"]


def test_wrong_question_is_told_before_anything_is_measured(run, tmp_path):
    """In a line, with exit code 2, and nothing is written."""
    other = earlier_of(tmp_path, {**describe_machine(), "cpu": "another"})
    same = earlier_of(tmp_path / "same", describe_machine())
    (tmp_path / "no.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    for arguments, told in (
        (("--only", "fraud,frod"), "there is no 'frod'; there are sentiment, fraud, edge"),
        (("--against", "no.json"), "no.json is no file of the bench"),
        (("--against", "gone.json"), "gone.json: No such file"),
        (("--against", other), "was measured on another machine: cpu was 'another' there"),
        (("--against", same, "--quick"), "is of a full run: leave out --quick"),
        (("--against", same, "--output", same), "would be overwritten"),
    ):
        code, out, err = run(*arguments, fraud=suite(100.0))
        assert (code, out) == (2, "")
        assert told in err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before

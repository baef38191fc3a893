"""The file of a run: it comes back as it was, and another file is told apart."""

import pytest

from tests.bench.made import MACHINE, noisy_run, record_of, steady_row
from tests.benchmarks.bench.record import (
    RecordError,
    Suite,
    check_comparable,
    read_record,
    write_record,
)


def test_record_comes_back_as_it_was(tmp_path):
    """With what was skipped, what broke off, and rounds without a figure."""
    suites = {
        **noisy_run(1).suites,
        "fraud": Suite(skipped="wrk is not installed"),
        "edge": Suite(rows=(steady_row(peer=None),), seconds=3.5, fault="it ended with 1"),
    }
    file = tmp_path / "new" / "bench.json"
    write_record(record_of(suites), file)
    assert read_record(file) == record_of(suites)


@pytest.mark.parametrize(
    "content", ["", "no JSON", "[]", "{}", '{"results": []}', '{"kind": "triptych bench"}', "\x00"]
)
def test_file_of_another_kind_is_told_in_a_line(tmp_path, content):
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(RecordError, match=r"other\.json is no file of the bench; give one") as told:
        read_record(file)
    assert "\n" not in str(told.value)


def test_missing_file_is_told_in_a_line(tmp_path):
    with pytest.raises(RecordError, match=r"gone\.json: No such file or directory; give the file"):
        read_record(tmp_path / "gone.json")
    with pytest.raises(RecordError, match="Is a directory"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("cpu", "another"), ("cores", 64), ("features", ["avx2", "amx_int8"])]
)
def test_file_of_another_machine_is_not_compared_with(tmp_path, name, value):
    """What is other there is said; another Python is what one may want to compare."""
    record, file = record_of({}), tmp_path / "b.json"
    check_comparable(record, file, {**MACHINE, "python": "3.14.0"}, quick=False)
    with pytest.raises(RecordError, match=rf"another machine: {name} was .* there and is"):
        check_comparable(record, file, {**MACHINE, name: value}, quick=False)


def test_quick_run_is_not_compared_with_a_full_one(tmp_path):
    """Fewer reviews give other ratios."""
    file = tmp_path / "b.json"
    with pytest.raises(RecordError, match="full run: leave out --quick"):
        check_comparable(record_of({}), file, MACHINE, quick=True)
    with pytest.raises(RecordError, match="quick run: add --quick"):
        check_comparable(record_of({}, quick=True), file, MACHINE, quick=False)

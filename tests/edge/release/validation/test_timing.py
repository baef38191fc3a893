"""Variants are measured in turns, each in a process of its own."""

import sys
from pathlib import Path

import pytest

from edge.release.errors import ModelFileError
from edge.release.validation import timing
from edge.release.validation.benchmark import Benchmark, BenchmarkError
from edge.release.validation.timing import ROUNDS, TimingPlan, cpu_name, time_all
from tests.edge.device.tiny import paint
from tests.edge.release.cells import candidate_of, draw_cells

PICTURES = [paint(*draw_cells(9, 0))]
QUICK = 0.07  # s


class FakeBenchmark:
    """Writes down who was measured; a round of int8 costs 2 ms, of the others 3."""

    asked: list[str]
    fails: tuple[str, int] = ("nobody", 0)

    def __init__(self, python: Path, folder: Path, picture: Path, threads: int) -> None:
        self._name, self._rounds = folder.name, 0

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def round(self, seconds: float) -> None:
        self.asked.append(self._name)
        self._rounds += 1
        if self.fails == (self._name, self._rounds):
            raise BenchmarkError("no more")

    @property
    def measured(self):
        ms = 2.0 if self._name == "int8" else 3.0
        rounds = (ms,) * self._rounds
        times = dict.fromkeys(("p50_ms", "p99_ms", "infer_p50_ms"), ms)
        return {"runtime": "fake", "peak_bytes": 1, "rounds_ms": rounds, **times}


@pytest.fixture
def fake(monkeypatch):
    FakeBenchmark.asked, FakeBenchmark.fails = [], ("nobody", 0)
    monkeypatch.setattr(timing, "Benchmark", FakeBenchmark)
    return FakeBenchmark


@pytest.fixture
def candidates(tmp_path):
    return [
        candidate_of(tmp_path, variant).with_golden(PICTURES) for variant in ("float32", "int8")
    ]


def test_rounds_are_taken_in_turns_there_and_back(fake, candidates):
    """A machine that is busy for a while is so for all of them."""
    first, second = time_all(candidates, TimingPlan(threads=(1,)))

    assert fake.asked[:6] == ["float32", "int8", "int8", "float32", "float32", "int8"]
    assert len(fake.asked) == 2 * ROUNDS
    assert [one.timings[0].p50_ms for one in (first, second)] == [3.0, 2.0]
    assert first.timings[0].spread_ms == (3.0, 3.0)


def test_variant_that_fails_midway_does_not_take_the_others_along(fake, candidates, tmp_path):
    """In an interpreter that is a bonus; the first one has to run."""
    fake.fails = ("int8", 3)
    plan = TimingPlan(threads=(1, 2), pythons=(tmp_path / "own", tmp_path / "other"))

    with pytest.raises(ModelFileError, match="int8 cannot be run: no more"):
        time_all(candidates, plan)


def test_process_is_measured_round_by_round(candidates):
    """The same process: its model is loaded once, and each round has a median."""
    variant = candidates[1]
    with Benchmark(Path(sys.executable), variant.folder, variant.picture, 1) as benchmark:
        for _ in range(3):
            benchmark.round(QUICK / ROUNDS)
        measured = benchmark.measured

    low, middle, high = sorted(measured["rounds_ms"])
    assert 0 < low <= middle <= high
    assert measured["p50_ms"] == middle
    assert measured["p99_ms"] >= middle


def test_processor_is_named_with_what_matters(tmp_path, monkeypatch):
    """Name and instructions, by which kernels are chosen; something where there is no such file."""
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx avx2 avx512_vnni\n\n"
        "processor\t: 1\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu\n"
    )

    monkeypatch.setattr(timing, "CPU_INFO", tmp_path / "cpuinfo")
    assert cpu_name() == "Some CPU @ 2 GHz (avx2, avx512_vnni)"
    monkeypatch.setattr(timing, "CPU_INFO", tmp_path / "nothing")
    assert cpu_name()

"""A night as a way: what starting costs is told apart from rows, and a failed one is told."""

import os
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Way
from tasks.comparison.measuring.doors.subject import PARITY_ROWS, Job, Told
from tasks.comparison.measuring.plan import make_plan
from tasks.comparison.measuring.ways import night
from tasks.comparison.measuring.ways.night import Ran, compare_nights, measure_night, run_job

pytest.importorskip("mlperf_loadgen", reason="the load generator is not installed")

START_S, ROW_S = 1.0, 0.002
PROGRAM = f"""
import sys, time
time.sleep({START_S} + {ROW_S} * int(sys.argv[1]))
"""


class Subject:
    """A model whose night sleeps for each row. It has no other door."""

    rows = 500
    told = Told(doors={Way.NIGHT: "a program"}, without_network={Way.NIGHT: "all"})
    program = PROGRAM

    def __init__(self):
        self.asked: list[list[int]] = []

    @contextmanager
    def night(self):
        yield self

    def job(self, rows):
        self.asked.append(list(rows))
        command = (sys.executable, "-c", self.program, str(len(rows)))
        environment: Mapping[str, str] = {"PATH": os.environ["PATH"]}
        return Job(command, environment, lambda: np.zeros(len(rows)))


def test_rate_is_that_of_rows_without_the_start():
    """Two nights of different size tell both apart."""
    costs = compare_nights(
        Ran(1_000, seconds=12.0, cpu_s=5.0, peak_mib=1, joules=None),
        Ran(5_000, seconds=20.0, cpu_s=9.0, peak_mib=1, joules=None),
    )
    found = (costs.rows_per_s, costs.row_cpu_s, costs.start_s, costs.start_cpu_s)
    assert found == pytest.approx((500, 0.001, 10, 4))


def test_start_that_varies_by_more_than_the_rows_take_gives_no_endless_rate():
    costs = compare_nights(
        Ran(1_000, seconds=3.0, cpu_s=2.0, peak_mib=1, joules=None),
        Ran(2_000, seconds=2.5, cpu_s=1.9, peak_mib=1, joules=None),
    )
    assert costs.rows_per_s == 800.0
    assert costs.row_cpu_s == pytest.approx(1.9 / 2_000)  # nothing costs nothing


def test_night_is_run_small_and_offline(monkeypatch):
    """The first rows for parity, then all at once; waiting for the night counts as well."""
    monkeypatch.setattr(night, "CLEAR_S", -60.0)
    subject = Subject()
    found = measure_night(subject, make_plan(1), 1.0, seed=0)  # type: ignore[arg-type]
    assert [len(rows) for rows in subject.asked] == [PARITY_ROWS, 2 * PARITY_ROWS]
    assert subject.asked[0] == list(range(PARITY_ROWS))
    assert set(subject.asked[1]) == set(range(Subject.rows))
    [load] = found.way.loads
    assert load.samples_per_s < 2 * PARITY_ROWS / (START_S + 2 * PARITY_ROWS * ROW_S)
    assert found.way.freshness.typical_s > night.DAY_S / 2 + START_S + 2 * PARITY_ROWS * ROW_S
    assert found.way.network_bytes_per_answer == 0


def ran(rows, seconds):
    return Ran(rows, seconds, cpu_s=1.0, peak_mib=1, joules=None)


@pytest.mark.parametrize(
    ("small_s", "rows", "took_s", "wanted"),
    [
        (2.5, 24_576, 3.0, 327_680),  # as many as take forty seconds, if all of the time is theirs
        (2.5, 327_680, 5.0, 1_000_000),  # and no more than a million
        (2.5, 1_000_000, 4.0, None),
        (15.0, 3_000, 16.0, 7_500),
        (24.0, 3_000, 25.0, None),  # forty seconds hold no much larger one
        (15.0, 24_576, 20.5, None),  # it takes clearly longer than the small one
    ],
)
def test_night_grows_until_its_rows_show_and_no_further(small_s, rows, took_s, wanted):
    """None takes longer than it may, whatever a row costs."""
    assert night.larger_night(ran(1_000, small_s), ran(rows, took_s), 40) == wanted


def test_quick_night_is_measured_on_many_rows(monkeypatch):
    """Where a few thousand rows take no longer than the start."""
    monkeypatch.setattr(night, "CLEAR_S", 3_600.0)
    monkeypatch.setattr(night, "MOST_ROWS", 5_000)
    subject = Subject()
    subject.program = "pass"
    plan = replace(make_plan(1), night_s=600.0)
    measure_night(subject, plan, 1.0, seed=0)  # type: ignore[arg-type]
    sizes = [len(rows) for rows in subject.asked]
    assert sizes[0] == PARITY_ROWS and sizes[-1] == 5_000 and sizes == sorted(sizes)


def test_night_that_fails_is_told_by_its_last_line():
    program = "import sys; print('working'); sys.exit('error: the source is gone')"
    job = Job((sys.executable, "-c", program), {"PATH": ""}, lambda: np.zeros(1))
    with pytest.raises(MeasuringError, match="a night failed: error: the source is gone"):
        run_job(job, 1)


def test_night_that_fails_under_load_does_not_hang():
    """The load generator waits for each row: a night that fails gives all of them up."""
    subject = Subject()
    ran = []

    def job(rows):
        ran.append(rows)
        program = "pass" if len(ran) == 1 else "raise SystemExit('no room')"
        return Job((sys.executable, "-c", program), {}, lambda: np.zeros(len(rows)))

    subject.job = job  # type: ignore[method-assign]
    with pytest.raises(MeasuringError, match="no room"):
        measure_night(subject, make_plan(1), 1.0, seed=0)  # type: ignore[arg-type]


def test_cpu_and_memory_of_a_night_are_its_own(tmp_path: Path):
    """Those of the process and of what it has started and awaited."""
    program = (
        "import subprocess, sys\n"
        "child = 'import time\\nheld = bytearray(b\"x\") * (48 * 2**20)\\n'\n"
        "child += 'while time.process_time() < 0.5: pass\\n'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    job = Job((sys.executable, "-c", program), {}, lambda: np.zeros(1))
    _, ran = run_job(job, 1)
    assert ran.cpu_s >= 0.45
    assert ran.peak_mib >= 48


def test_night_that_is_interrupted_ends_with_its_process(monkeypatch):
    """Ctrl-C while it is awaited: nothing goes on writing."""
    started: list[int] = []

    def interrupted(pid, options):
        started.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "wait4", interrupted)
    job = Job((sys.executable, "-c", "import time; time.sleep(3600)"), {}, lambda: np.zeros(1))
    with pytest.raises(KeyboardInterrupt):
        run_job(job, 1)
    [pid] = started
    assert not psutil.pid_exists(pid)

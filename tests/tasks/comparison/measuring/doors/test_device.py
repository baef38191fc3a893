"""The device's process: it answers as the model does, and tells of itself."""

import json
import subprocess
import sys

import numpy as np
import pytest

from services.fraud.scoring.card import Card
from tasks.comparison.errors import MeasuringError
from tasks.comparison.measuring.doors import device
from tasks.comparison.measuring.doors.device import OnDevice, measure_device, open_fraud
from tasks.comparison.measuring.doors.subject import PARITY_ROWS
from tests.services.fraud.running import ROOT

pytest.importorskip("mlperf_loadgen", reason="the load generator is not installed")


def test_model_answers_its_golden_rows(model_folder):
    """In the device's own runtime, as its card says."""
    answer = open_fraud(model_folder)
    for golden in Card.read(model_folder).golden:
        assert answer(golden.features) == pytest.approx(golden.probability, abs=1e-5)


def test_device_tells_loads_rate_and_scores():
    found = measure_device(lambda value: value / 2, list(range(2_000)), 1.0, seconds=0.3, seed=0)
    assert [load.scenario for load in found.loads] == ["SingleStream", "MultiStream"]
    assert [load.samples_per_query for load in found.loads] == [1, 8]
    assert found.scores == tuple(value / 2 for value in range(PARITY_ROWS))
    assert found.rows_per_s > 0 and found.cpu_s_per_million > 0 and found.peak_memory_mib > 0


def test_rows_are_no_more_than_the_trace_can_hold(monkeypatch):
    """A model that answers in microseconds is not asked without end."""
    monkeypatch.setattr(device, "MOST_QUERIES", 500)
    found = measure_device(lambda value: 0.5, [0] * PARITY_ROWS, 1.0, seconds=0.6, seed=0)
    assert all(load.queries < 2_000 for load in found.loads)


def test_model_that_fails_is_told():
    def answer(value):
        if len(asked) > 2 * PARITY_ROWS:
            raise RuntimeError("out of memory")
        asked.append(value)
        return 0.5

    asked: list[int] = []
    with pytest.raises((MeasuringError, RuntimeError), match="out of memory"):
        measure_device(answer, [0] * PARITY_ROWS, 1.0, seconds=0.3, seed=0)


@pytest.mark.slow
def test_process_loads_no_server_and_no_training_framework(model_folder, tmp_path):
    """What a device cannot hold is not in the memory that is measured."""
    np.save(tmp_path / "rows.npy", np.array([Card.read(model_folder).golden[0].features] * 1_000))
    program = (
        "import sys, json\n"
        "from tasks.comparison.measuring.doors import device\n"
        "device.main()\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    words = ("fraud", model_folder, tmp_path / "rows.npy", "0.3", "0", tmp_path / "out.json")
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = json.loads(ran.stdout.splitlines()[-1])
    assert not {"tensorflow", "torch", "bentoml", "prefect", "pandas"} & set(loaded)
    assert len(OnDevice.model_validate_json((tmp_path / "out.json").read_bytes()).loads) == 2

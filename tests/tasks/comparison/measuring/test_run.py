"""A whole comparison of the fraud model, short as it is: every figure is there, and no file is
left."""

import tempfile

import pytest

from services.storage.files import file_digest
from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Comparison, Way
from tasks.comparison.measuring.run import measure_models
from tests.services.fraud.running import promoted

pytest.importorskip("mlperf_loadgen", reason="the load generator is not installed")

SCENARIOS = {
    Way.NIGHT: {"Offline"},
    Way.SERVICE: {"Offline", "SingleStream", "Server"},
    Way.DEVICE: {"SingleStream", "MultiStream"},
}


@pytest.mark.slow
def test_comparison_measures_the_users_champion_in_all_ways(model_folder, tmp_path, monkeypatch):
    """With a bound that any machine keeps at some rate; the user's home is left as it was."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    home = tmp_path / "home"
    tag = promoted(model_folder, home)
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*")}
    lines: list[str] = []

    found = measure_models(["fraud"], home, 10, 0, lines.append, bounds_ms={"fraud": 60_000})

    assert Comparison.model_validate_json(found.model_dump_json()) == found
    [model] = found.models
    assert (model.version, model.digest) == (tag, file_digest(model_folder / "model.tflite"))
    assert model.parity.holds and model.parity.rows == 1_000
    for way, scenarios in SCENARIOS.items():
        measured = model.way(way)
        assert measured is not None
        assert {load.scenario for load in measured.loads} == scenarios
        assert all(load.claim and load.short_of_rules for load in measured.loads)
        assert measured.cpu_s_per_million > 0 and measured.start_s > 0
    service, night = model.way(Way.SERVICE), model.way(Way.NIGHT)
    assert service is not None and night is not None
    assert service.highest_rate is not None and service.highest_rate.bound_ms == 60_000
    assert service.network_bytes_per_answer > 400
    assert night.freshness.worst_s - night.freshness.typical_s == pytest.approx(43_200)
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*")} == before
    assert list(temporary.iterdir()) == []
    assert [line for line in lines if line.startswith("fraud: ")] == lines[-4:]


def test_unknown_model_is_named(tmp_path):
    with pytest.raises(MeasuringError, match="no model fruad: fraud or sentiment"):
        measure_models(["fruad"], tmp_path, 1, 0, print)

"""The comparison's benchmark: what it asks for, and that each round is kept."""

import json
import sys
from types import SimpleNamespace

from tests.benchmarks import bench_comparison


def test_each_round_is_a_comparison_of_both_models(tmp_path, monkeypatch):
    """With a seed of its own, in a home that the user does not have; the machine is written."""
    asked = []

    def measure_models(**arguments):
        asked.append(arguments)
        return SimpleNamespace(model_dump=lambda mode: {"models": [], "seconds": 1.0})

    made = SimpleNamespace(measure_models=measure_models)
    monkeypatch.setitem(sys.modules, bench_comparison.MEASURING, made)
    output = tmp_path / "comparison.json"
    monkeypatch.setattr("sys.argv", ["it", "--quick", "--rounds", "2", "--output", str(output)])
    bench_comparison.main()

    assert [(each["models"], each["seconds"], each["seed"]) for each in asked] == [
        (("fraud", "sentiment"), 60.0, 0),
        (("fraud", "sentiment"), 60.0, 1),
    ]
    assert not asked[0]["home"].exists()
    document = json.loads(output.read_text())
    assert len(document["rounds"]) == 2 and document["machine"]["cores"]

"""`triptych compare`: at once by rules or by the last measurements, or with a run that measures."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter
from pydantic import ValidationError

from flows.compare_strategies import CompareStrategies
from tasks.comparison.measurement import Comparison
from tasks.comparison.records import FIGURES, PAGE, run_folder, write_figures
from tests.flows.command import command
from tests.tasks.comparison.measured import comparison, model

EXAMPLES = Path(__file__).parents[2] / "tasks" / "comparison" / "examples"
FRAUD = str(EXAMPLES / "fraud_detection.yaml")
IMPOSSIBLE = "name: n\nwaiting: person\nconnectivity: never\nvolume_per_day: 10\n"


def home_with_measurements(home: Path) -> Path:
    """The file of the measurements that lie in a home now."""
    return write_figures(run_folder(home, datetime(2026, 3, 1, tzinfo=UTC)), comparison())


def test_requirements_are_answered_by_rules_where_nothing_was_measured(tmp_path):
    """In a process of its own, which starts no server and writes nothing."""
    process = command(
        "flows.compare_strategies", tmp_path / "home", "--requirements", FRAUD, own_server=True
    )
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("Fraud detection: answer by a service\n")
    assert "rules and rules of thumb alone (no measurements are in the home yet" in output
    assert "triptych train-fraud" in output
    assert not (tmp_path / "home").exists()


def test_last_measurements_of_the_home_are_used_and_named(run_here, tmp_path):
    file = home_with_measurements(tmp_path)
    status, output, errors = run_here("compare_strategies", tmp_path, "--requirements", FRAUD)
    assert (status, errors) == (0, "")
    assert f"as measured (2026-03-01 12:00 UTC, {file})" in output and "[measured]" in output
    assert not (file.parent / PAGE).exists()  # nobody asked for it


def test_page_is_written_where_it_is_asked_for(run_here, tmp_path):
    home_with_measurements(tmp_path)
    out = tmp_path / "out"
    status, output, _ = run_here(
        "compare_strategies", tmp_path, "--requirements", FRAUD, "--output", str(out)
    )
    assert status == 0 and f"look at        {out / PAGE}" in output
    assert "Answer by a service" in (out / PAGE).read_text("utf-8")


def test_measurements_of_a_file_are_shown_without_measuring(run_here, tmp_path):
    file = write_figures(tmp_path / "mine", comparison(model("sentiment")))
    status, output, _ = run_here("compare_strategies", tmp_path, "--measurements", str(file))
    assert status == 0 and "the sentiment model, 20260301" in output
    assert "Night, service or device?" in (file.parent / PAGE).read_text("utf-8")


def test_status_is_1_where_nothing_meets_the_need_and_the_nearest_is_told(run_here, tmp_path):
    file = tmp_path / "need.yaml"
    file.write_text(IMPOSSIBLE)
    status, output, errors = run_here("compare_strategies", tmp_path, "--requirements", str(file))
    assert (status, errors) == (1, "")
    assert output.startswith("n: nothing meets all of it; nearest: ")


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        (
            "--requirements",
            IMPOSSIBLE + "latancy: 1 s\n",
            "latancy is no key; did you mean latency?",
        ),
        ("--requirements", None, "No such file or directory"),
        ("--prices", "traffic_gib: {typical: 99}\n", "they have to rise"),
        ("--measurements", "{}", "give a comparison.json"),
    ],
)
def test_wrong_file_is_told_in_a_line_and_nothing_is_run(run_here, tmp_path, option, text, says):
    file = tmp_path / "given"
    if text is not None:
        file.write_text(text)
    status, output, errors = run_here("compare_strategies", tmp_path / "home", option, str(file))
    assert (status, output) == (1, "")
    (line,) = errors.splitlines()
    assert line.startswith(f"error: {file}: ") and says in line
    assert not (tmp_path / "home").exists()


def test_page_without_any_measurements_is_refused(run_here, tmp_path):
    status, _, errors = run_here(
        "compare_strategies", tmp_path, "--requirements", FRAUD, "--output", str(tmp_path / "out")
    )
    assert status == 1 and "leave --output out, or add --measure" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--models", "fraud,sentimnt"), "did you mean sentiment?"),
        (("--requirments", "x"), "did you mean --requirements?"),
        (("--minutes", "0"), "--minutes: Input should be greater than 0"),
        (("--measure", "--measurements", "x"), "leave --measure or --measurements out"),
    ],
)
def test_wrong_words_end_with_status_2(run_here, tmp_path, words, says):
    status, _, errors = run_here("compare_strategies", tmp_path, *words)
    assert status == 2 and says in errors


def test_parameters_say_when_something_is_measured():
    def measures(**given: object) -> bool:
        return CompareStrategies.model_validate(given).measures

    assert measures() and measures(requirements="n.yaml", measure=True)
    assert not measures(requirements="n.yaml") and not measures(measurements="c.json")
    with pytest.raises(ValidationError, match="at least 1 item"):
        measures(models=())


Measured = list[tuple[Sequence[str], float, int]]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What was asked to be measured; figures come at once."""
    asked: Measured = []

    def measure_models(
        models: Sequence[str], home: Path, seconds: float, seed: int, report: Callable[[str], None]
    ) -> Comparison:
        asked.append((models, seconds, seed))
        report("measured nothing, at once")
        return comparison(*(model(name) for name in models))

    stand_in = ModuleType("tasks.comparison.measuring.run")
    stand_in.measure_models = measure_models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    return asked


def artifacts() -> dict[UUID, str]:
    """Those of all comparisons that the server knows."""
    asked = ArtifactFilter.model_validate({"key": {"any_": ["compare-strategies"]}})
    with get_client(sync_client=True) as api:
        return {each.id: str(each.data) for each in api.read_artifacts(artifact_filter=asked)}


def test_run_measures_keeps_the_figures_and_shows_page_and_artifact(run_here, measured, tmp_path):
    before = artifacts().keys()
    status, output, _ = run_here(
        "compare_strategies", tmp_path, "--models", "fraud", "--minutes", "2", "--seed", "7"
    )
    assert status == 0 and measured == [(("fraud",), 120.0, 7)]
    (folder,) = (tmp_path / "comparison").iterdir()
    assert {file.name for file in folder.iterdir()} == {FIGURES, PAGE}
    assert json.loads((folder / FIGURES).read_text())["models"][0]["name"] == "fraud"
    assert f"look at        {folder / PAGE}" in output
    (shown,) = (text for made, text in artifacts().items() if made not in before)
    assert "## The fraud model" in shown


def test_run_with_requirements_recommends_by_what_it_has_measured(run_here, measured, tmp_path):
    file = tmp_path / "need.yaml"
    file.write_text(IMPOSSIBLE + "model: fraud\n")
    status, output, _ = run_here(
        "compare_strategies", tmp_path, "--requirements", str(file), "--measure"
    )
    assert status == 1 and len(measured) == 1
    assert "nothing meets all of it" in output and "as measured" in output

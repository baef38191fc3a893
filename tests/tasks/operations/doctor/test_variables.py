"""Variables that nothing reads, and values that make no sense."""

import re
from pathlib import Path

import pytest

from tasks.operations.doctor.check import State
from tasks.operations.doctor.variables import check_variables, known_variables
from tests.tasks.operations.doctor.faults import states, the_fault

ROOT = Path(__file__).parents[4]


def test_known_variables_are_those_that_the_guide_and_the_code_name():
    """None that either names is called unknown."""
    files = [ROOT / "deployments" / "REFERENCE.md", ROOT / "docker-compose.yml"]
    files += [ROOT / "deployments" / name for name in ("Procfile", "with-secrets", "Dockerfile")]
    files += [file for top in ("tasks", "services", "edge") for file in (ROOT / top).rglob("*.py")]
    named = {
        name
        for file in files
        for name in re.findall(r"\bTRIPTYCH_[A-Z][A-Z_]*[A-Z]\b", file.read_text("utf-8"))
    }
    assert named <= set(known_variables())


def test_variable_that_nothing_reads_gets_the_nearest_right_one():
    """A slip of the hand, and one that is like none."""
    fault = the_fault(check_variables({"TRIPTYCH_DATABASE_ULR": "x", "OTHER": "y"}))
    assert "did you mean TRIPTYCH_DATABASE_URL?" in fault.told
    assert fault.cure.startswith("write TRIPTYCH_DATABASE_URL, or unset TRIPTYCH_DATABASE_ULR")

    assert the_fault(check_variables({"TRIPTYCH_ZZZZ": "x"})).cure.startswith("unset TRIPTYCH_ZZZZ")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TRIPTYCH_API_KEYS", "short-secret", "16 characters"),
        ("TRIPTYCH_FRAUD_WORKERS", "none", "valid integer"),
        ("TRIPTYCH_FRAUD_MAX_STATE_AGE_H", "-1", "greater than 0"),
    ],
)
def test_value_that_makes_no_sense_is_named_and_not_shown(monkeypatch, name, value, says):
    """Also where two programs read it."""
    monkeypatch.setenv(name, value)
    fault = the_fault(check_variables())
    assert fault.told.startswith(f"{name}: ") and says in fault.told
    assert value not in f"{fault}".replace(says, "")


def test_settings_that_are_right_are_listed(monkeypatch, tmp_path):
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    assert states(check_variables()) == {State.OK}

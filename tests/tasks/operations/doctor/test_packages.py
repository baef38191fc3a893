"""Installed packages against the ranges that the project declares."""

from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from tasks.operations.doctor import packages
from tasks.operations.doctor.check import State
from tasks.operations.doctor.packages import check_packages, check_python
from tests.tasks.operations.doctor.faults import the_fault

NEEDED = [
    "rich>=14",
    "pydantic<3,>=2",
    'torch>=2.6; extra == "batch"',
    'flask>=3; extra == "bench"',
]


def told(monkeypatch, **installed: str):
    """The checks of a machine with these packages."""

    def look(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(packages, "DISTRIBUTIONS", ("triptych",))
    monkeypatch.setattr(packages, "requires", lambda _: NEEDED)
    return list(check_packages(look))


def test_package_that_is_missing_or_out_of_range_is_named_with_what_to_type(monkeypatch):
    """And no other."""
    found = told(monkeypatch, rich="14.1", pydantic="3.0.1", torch="2.9")
    assert the_fault(found).told == "pydantic 3.0.1 is not <3,>=2"
    assert the_fault(found).cure == "pip install 'pydantic<3,>=2'"

    assert the_fault(told(monkeypatch, pydantic="2.10")).told == "rich is missing"


def test_extra_that_is_not_installed_is_no_fault(monkeypatch):
    """One that is, is held to its ranges; those of developers are not spoken of."""
    found = told(monkeypatch, rich="14.1", pydantic="2.10")
    assert [check.state for check in found] == [State.OK, State.ABSENT]
    assert found[1].told == "extras of triptych not installed: batch (lacks torch)"

    assert the_fault(told(monkeypatch, rich="14", pydantic="2.1", torch="2.5")).told == (
        "torch 2.5 is not >=2.6"
    )


def test_what_is_installed_here_is_read_from_its_own_metadata():
    """The real distributions, whose ranges can all be read."""
    assert any("triptych" in check.told for check in check_packages(version))
    assert all(Requirement(line) for line in requires("triptych") or ())


def test_python_that_is_too_old_is_a_fault():
    """3.11 is not."""
    assert check_python((3, 11, 0)).state is State.OK
    assert the_fault([check_python((3, 10, 14))]).cure.startswith("install a newer one")

"""The upkeep of published releases: each action by the flow, and how it is asked for."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge.release.errors import RepositoryError
from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from flows.manage_releases import ManageReleases, manage_releases
from tests.edge.releases import make_release


@pytest.fixture
def home(tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def repository(home: Path) -> Repository:
    """One with parts 1.0.0 on the canary channel."""
    repository = Repository(FolderStorage(home / "releases"), Keys(home / "keys"))
    repository.create()
    repository.publish(make_release("1.0.0", b"the model"), channel="canary")
    return repository


def manage(**parameters: Any) -> None:
    manage_releases(ManageReleases(**parameters))


def test_release_goes_its_way(repository, home, capsys):
    """Promoted to a share, rolled out, its keys replaced, signed again, listed, withdrawn."""
    manage(promote="1.0.0", share=0.1)
    assert [one.share for one in repository.releases("stable")] == [0.1]
    manage(roll_out="1.0.0", share=0.5)
    assert [one.share for one in repository.releases("stable")] == [0.5]
    manage(rotate="timestamp")
    assert (home / "keys" / "timestamp-2.pem").exists()
    manage(renew=True)
    manage(list_releases=True)
    manage(withdraw="1.0.0", reason="misses [small] nuts")
    assert repository.releases("stable")[0].withdrawn == "misses [small] nuts"

    said = capsys.readouterr().out
    for line in (
        "parts 1.0.0 is on stable, for 10% of its devices",
        "parts 1.0.0 on stable is for 50% of its devices now",
        "the keys of timestamp are new",
        "nothing is due yet",
        "parts 1.0.0 is withdrawn: misses [small] nuts",
    ):
        assert line in said
    assert str(home / "releases") in said


def test_unknown_version_is_told_with_where_to_look(repository):
    """By an error that the command answers in one line."""
    with pytest.raises(RepositoryError, match=r"9\.9\.9; see manage_releases --list-releases"):
        manage(withdraw="9.9.9", reason="why not")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give exactly one of --withdraw, --promote, --roll-out, --rotate, --renew"),
        ({"renew": True, "promote": "1.0.0"}, "give exactly one of"),
        ({"withdraw": "1.0.0"}, "withdraw and reason go together"),
        ({"renew": True, "reason": "late"}, "withdraw and reason go together"),
        ({"promote": "1.0.0", "share": 2}, "less than or equal to 1"),
        ({"promote": "1.0.0", "name": "../../x"}, "String should match"),
        ({"rotate": "everything"}, "Input should be 'root'"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(given, message):
    """Before anything is done."""
    with pytest.raises(ValidationError, match=message):
        ManageReleases(**given)

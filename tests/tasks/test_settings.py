"""Settings of flows, of both services and of the server for devices."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from edge.fleet.settings import ServerSettings
from services.fraud.settings import ServiceSettings
from tasks.sentiment.service.settings import SentimentSettings
from tasks.settings import Settings


@pytest.mark.parametrize("kind", [Settings, ServiceSettings, ServerSettings, SentimentSettings])
def test_variable_that_is_empty_is_not_set(kind, monkeypatch):
    """As a shell's ${NAME:-} leaves it; an empty home would be the folder one stands in."""
    names = ("HOME", "DATABASE_URL", "API_KEYS", "FLEET_KEYS", "RELEASES_URL", "BLACKOUT_DAYS")
    for name in names:
        monkeypatch.setenv(f"TRIPTYCH_{name}", "")

    assert kind().home == Path("var").resolve()
    assert kind().model_dump() == kind(home=Path("var")).model_dump()


@pytest.mark.parametrize("kind", [Settings, ServiceSettings])
def test_home_that_no_address_can_hold_is_refused(kind, tmp_path, monkeypatch):
    """What stands behind a ? would be options of the database, which would lie elsewhere."""
    monkeypatch.delenv("TRIPTYCH_DATABASE_URL", raising=False)
    with pytest.raises(ValueError, match=r"another TRIPTYCH_HOME: no address can hold the \? in"):
        kind(home=tmp_path / "a?b")

    elsewhere = f"sqlite:///{tmp_path}/triptych.db"
    assert kind(home=tmp_path / "a?b", database_url=elsewhere).home == tmp_path / "a?b"
    assert kind(home=tmp_path / "a b%20#").home == tmp_path / "a b%20#"


@pytest.mark.parametrize("below", [".", "home", "my/home"])
def test_home_that_is_a_file_is_told_with_the_way_out(below, tmp_path):
    """Or lies below one: nothing could be found in it, and nothing written."""
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(ValidationError, match=f"{tmp_path}/taken is a file: move it away, or"):
        Settings(home=tmp_path / "taken" / below)


def test_home_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    """Below a folder that may not be entered, say, as root never meets it."""

    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(ValidationError, match=r"home cannot be reached: Permission denied"):
        Settings(home=tmp_path / "home")

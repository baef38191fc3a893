"""What an operator types on one machine, where fraud models lie in a database that others share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.fraud.scoring import store
from services.fraud.scoring.models import Models
from tasks.operations.doctor import databases, fraud
from tasks.operations.doctor.check import State
from tasks.operations.lineage.search import search
from tasks.operations.records import Records
from tasks.operations.rehearsal import scratch
from tasks.operations.rehearsal.errors import RehearsalError
from tasks.operations.retention.files import old_models
from tasks.operations.retention.holds import FILE, read_holds
from tasks.operations.retention.kind import Place
from tasks.operations.rollback.model import rollback_model
from tasks.operations.stack.errors import StackError
from tasks.operations.stack.start import _lacks_model
from tasks.operations.status.panels import read_real_time
from tasks.settings import Settings
from tests.services.fraud.conftest import own_folder
from tests.tasks.operations.doctor.faults import states, the_fault
from tests.tasks.operations.retention.test_pruning import RULES

__all__ = ["own_folder"]  # a fixture

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOWHERE = "postgresql+psycopg://ann:s3cret@127.0.0.1:1/none"


@pytest.fixture
def trainer(tmp_path: Path, fresh_postgres_url: str) -> Models:
    """Models of another machine, where they are made."""
    return Models(tmp_path / "trainer", SecretStr(fresh_postgres_url))


@pytest.fixture
def tags(trainer: Models, own_folder: Path) -> list[str]:
    """The champion before, and the champion."""
    tags = [trainer.save(own_folder) for _ in range(2)]
    for tag in tags:
        trainer.registry().promote(tag, "passed the gate")
    return tags


@pytest.fixture
def settings(tmp_path: Path, fresh_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of this machine, which has fetched nothing yet."""
    (tmp_path / "home").mkdir()
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", fresh_postgres_url)
    return Settings()


@pytest.fixture
def away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Settings]:
    """Lets the database be out of reach."""

    def leave() -> Settings:
        monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", NOWHERE)
        return Settings()

    return leave


def mine(settings: Settings) -> Models:
    return Models(settings.home, settings.fraud_state_url)


def test_status_shows_the_champion_of_all_machines(tags, settings, trainer, away):
    """A model that was not fetched is no fault; a database that is away is one."""
    trainer.registry().block("average precision fell")
    shown = read_real_time(Records(settings), NOW)
    assert (shown.champion, shown.fault) == (tags[1], "")
    assert shown.blocked == "average precision fell"
    shown = read_real_time(Records(away()), NOW)
    assert shown.champion is None and "127.0.0.1" in shown.fault and "s3cret" not in shown.fault


def test_doctor_examines_models_where_they_lie_and_changes_nothing(tags, settings, away):
    """They answer their known transactions; a database that is away is told with its setting."""
    checks = list(fraud.check_models(mine(settings)))
    assert states(checks) == {State.OK} and len(checks) == 2
    assert tags[1] in checks[0].told and "2 known answers" in checks[0].told
    assert states(databases.check_databases(settings)) == {State.OK}
    assert list(settings.home.iterdir()) == []

    fault = the_fault(fraud.check_models(mine(away())))
    assert "correct TRIPTYCH_FRAUD_STATE_URL" in fault.cure and "s3cret" not in str(fault)
    fault = the_fault(databases.check_databases(away()))
    assert "answer with the model that they have" in fault.meaning


def test_doctor_says_how_a_home_with_a_champion_is_copied(settings, own_folder):
    own = Models(settings.home)
    own.registry().promote(own.save(own_folder), "passed the gate")
    fault = the_fault(fraud.check_models(mine(settings)))
    assert fault.cure == "triptych manage-models --share"
    with pytest.raises(StackError, match="--share"):
        _lacks_model(settings)


def test_stack_trains_no_model_where_others_have_one_or_cannot_be_asked(tags, settings, away):
    """The service waits for it, and says so."""
    assert not _lacks_model(settings)
    assert not _lacks_model(away())


def test_rollback_moves_all_machines_and_its_dry_run_none(tags, settings, trainer):
    def roll_back(to: str | None = None, *, dry: bool = False) -> list[str]:
        return rollback_model(settings, to, override_block=False, new_contract=False, dry=dry)

    assert roll_back(dry=True) == [f"champion would be {tags[0]}, instead of {tags[1]}"]
    assert trainer.registry().read().champion == tags[1]
    assert roll_back() == [f"champion is now {tags[0]}, instead of {tags[1]}"]
    assert trainer.registry().read().champion == tags[0]
    assert roll_back(tags[1]) == [f"champion is now {tags[1]}, instead of {tags[0]}"]


def test_trace_finds_a_model_that_was_made_elsewhere(tags, settings, away):
    """By its tag and by its digest; what only the other home knows is said to be there."""
    digest = mine(settings).digests(tags[1])["card.json"]
    [*_, found] = search(Records(settings), tags[1], "model")
    assert [match.id for match in search(Records(settings), digest, "model")] == tags[::-1]
    tree = found.open()
    assert tree.facts["role"] == "champion (passed the gate)"
    records = Records(away())
    assert search(records, tags[1], "model") == []
    assert len(records.faults) == 1 and "s3cret" not in records.faults[0]


def test_prune_takes_old_models_from_all_machines(settings, trainer, own_folder):
    """But those with a role, the newest, and what is held here."""
    tags = [trainer.save(own_folder) for _ in range(5)]
    trainer.registry().promote(tags[0], "passed the gate")
    mine(settings).folder(tags[1])
    (settings.home / FILE).write_text(f"model {tags[2]}\n")
    later = datetime.now(UTC) + timedelta(days=100)

    def place(now: datetime) -> Place:
        return Place(
            settings.home,
            settings.warehouse_url,
            RULES,
            read_holds(settings.home),
            now,
            fraud_state_url=settings.fraud_state_url,
        )

    assert old_models(place(datetime.now(UTC))).goes == 0
    found = old_models(place(later))
    assert (found.there, found.goes) == (5, 2) and found.freed
    gone = found.delete()
    assert (gone.count, gone.freed) == (2, found.freed)
    assert mine(settings).tags() == [tags[4], tags[2], tags[0]] == sorted(trainer.shared())[::-1]
    assert store.tags(settings.home) == []


def test_rehearsal_gets_the_shared_champion_as_its_own(tags, settings, away, tmp_path):
    """The home stays as it is, and no setting leads from the copy to the database."""
    before = scratch.survey(settings.home)
    scratch.copy_home(settings, tmp_path / "copy")
    copy = Models(tmp_path / "copy")
    assert copy.registry().read().champion == tags[1]
    assert all(store.fault(tag, copy.home) is None for tag in tags)
    assert scratch.survey(settings.home) == before
    with pytest.raises(RehearsalError, match="triptych doctor tells"):
        scratch.copy_home(away(), tmp_path / "other")

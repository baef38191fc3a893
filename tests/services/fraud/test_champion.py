"""The champion as what packs it asks for it."""

import pytest

from services.fraud import champion
from services.fraud.scoring import store
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from services.fraud.settings import ServiceSettings


@pytest.fixture
def tell(capsys, monkeypatch):
    """Does what `python -m services.fraud.champion` does: status, output, error output."""

    def run(home):
        monkeypatch.setenv("TRIPTYCH_HOME", str(home))
        status = champion.main()
        return (status, *capsys.readouterr())

    return run


def test_champion_is_brought_into_the_store_of_the_home(
    tell, own_folder, tmp_path, fresh_postgres_url, monkeypatch
):
    """From where several machines share it."""
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", fresh_postgres_url)
    trainer = Models(tmp_path / "trainer", ServiceSettings().fraud_state_url)
    trainer.registry().promote(tag := trainer.save(own_folder), "good")

    assert tell(tmp_path / "home") == (0, f"{tag}\n", "")
    assert store.fault(tag, tmp_path / "home") is None


def test_what_keeps_it_from_being_packed_is_told_in_one_line(tell, tmp_path, monkeypatch):
    """None, one without its files, a database that is away, and settings that make no sense."""
    status, output, errors = tell(tmp_path)
    assert (status, output) == (1, "") and "no champion in" in errors and "train_fraud" in errors
    Registry(tmp_path).promote("fraud_detector:gone", "by mistake")
    status, _, errors = tell(tmp_path)
    assert status == 1 and "no model fraud_detector:gone" in errors
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", "postgresql+psycopg://a:s3cret@127.0.0.1:1/b")
    status, _, errors = tell(tmp_path)
    assert status == 1 and "127.0.0.1" in errors and "s3cret" not in errors
    monkeypatch.setenv("TRIPTYCH_FRAUD_WORKERS", "none")
    status, _, errors = tell(tmp_path)
    assert status == 2 and errors.startswith("error: TRIPTYCH_FRAUD_WORKERS: ")
    assert errors.count("\n") == 1

"""Flows on several machines, whose homes share models, roles and history in one PostgreSQL."""

import re
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from flows.train_fraud import TrainFraud, train_fraud
from services.fraud import night
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import store
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from services.fraud.state.snapshot import read_pointer
from tests.services.fraud.answered import (
    RUN_DATE,
    a_card,
    draw_traffic,
    save_model,
    write_traffic,
)
from tests.services.fraud.conftest import model_folder, training_data, transactions
from tests.services.fraud.running import GENUINE, promoted

__all__ = ["model_folder", "training_data", "transactions"]  # fixtures

pytestmark = pytest.mark.slow

OF_THE_DAY = ("--run-date", RUN_DATE.isoformat())


@pytest.fixture
def shared(fresh_postgres_url, monkeypatch):
    """The setting that the flows of all machines have."""
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", fresh_postgres_url)
    return SecretStr(fresh_postgres_url)


def roles(home: Path, url: SecretStr) -> Standing:
    return Models(home, url).registry().read()


def loaded_snapshot(url: SecretStr) -> str | None:
    """The digest of the snapshot that the state of all machines has taken in last."""
    engine = sa.create_engine(url.get_secret_value(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found: str | None = connection.scalar(sa.text("SELECT snapshot FROM fraud_state.facts"))
    return found


def test_home_that_has_models_is_copied_once_and_any_home_goes_on(
    tmp_path, model_folder, shared, run_here
):
    """What to type is said before; then models are listed, promoted and taken back anywhere."""
    a, b = tmp_path / "a", tmp_path / "b"
    first, second = promoted(model_folder, a), promoted(model_folder, a)

    status, output, errors = run_here("manage_models", a, "--list-models")
    assert (status, second in output) == (0, True)
    assert f"in {a} {second} is champion: python -m flows.manage_models --share" in output + errors
    status, _, errors = run_here("manage_models", a, "--promote", "latest")
    assert (status, errors.count("--share")) == (1, 1) and "Traceback" not in errors

    status, output, errors = run_here("manage_models", a, "--share")
    assert status == 0, errors
    assert f"copied: {second}, {first}" in output
    assert f"champion of all machines: {second}" in output

    status, output, _ = run_here("manage_models", b, "--list-models")
    assert status == 0 and re.search(rf"{second} +champion", output)
    status, output, errors = run_here("manage_models", b, "--rollback")
    assert (status, roles(a, shared).champion) == (0, first), errors
    status, _, errors = run_here("manage_models", b, "--shadow", second)
    assert (status, roles(a, shared).shadow) == (0, second), errors
    status, _, errors = run_here("manage_models", a, "--end-shadow")
    assert (status, roles(b, shared).shadow) == (0, None), errors
    assert Registry(a).read().champion == second  # as it was before the copy

    source, scores = tmp_path / "features.parquet", tmp_path / "scores.parquet"
    scorer = night.open_champion(Models(tmp_path / "c", shared))
    pq.write_table(pa.table(dict(zip(scorer.input.names, zip(GENUINE), strict=True))), source)
    night.score_table(source, scores, scorer)
    assert pq.read_table(scores)["model"].to_pylist() == [first]


def test_model_that_is_trained_on_one_machine_is_champion_on_all(
    tmp_path, shared, prefect_api, small_network, monkeypatch
):
    """With the history, which a replica that never saw that home starts from."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "a"))
    small = {"customers": 400, "terminals": 4_000, "days": 60, "train_days": 7}
    tag = train_fraud(TrainFraud(**small, run_date=RUN_DATE, min_floor_gain=-1))

    assert roles(tmp_path / "b", shared).champion == tag
    pointer = read_pointer(tmp_path / "a")
    assert pointer is not None and loaded_snapshot(shared) == pointer.digest
    assert not (tmp_path / "a" / "fraud" / "registry.json").exists()


def test_audit_blocks_promotion_on_all_machines_and_hands_over_the_history(
    tmp_path, shared, run_here, monkeypatch
):
    """Of a champion that another machine has."""
    a, b = tmp_path / "a", tmp_path / "b"
    tag = save_model(b, tmp_path / "model", a_card(average_precision=0.7))
    Registry(b).promote(tag, "a test")
    assert run_here("manage_models", b, "--share")[0] == 0
    a.mkdir()
    traffic = draw_traffic(RUN_DATE - timedelta(days=21), 21, 200, skill=1.0, fraud_share=0.05)
    write_traffic(f"sqlite:///{a / 'triptych.db'}", traffic, model=tag, labelled=True)

    status, output, errors = run_here("audit_fraud", a, *OF_THE_DAY)

    assert status == 0, errors
    assert "PROMOTION IS BLOCKED" in output
    blocked = Models(b, shared).registry().blocked()
    assert blocked is not None and blocked.startswith(f"audit of {RUN_DATE}")
    pointer = read_pointer(a)
    assert pointer is not None and loaded_snapshot(shared) == pointer.digest
    status, _, errors = run_here("manage_models", b, "--unblock")
    assert (status, Models(a, shared).registry().blocked()) == (0, None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://ann:s3cret@db/x", "TRIPTYCH_FRAUD_STATE_URL is to be of the form postgresql"),
        ("postgresql+psycopg://ann:s3cret@127.0.0.1:1/none", "onnection refused"),
    ],
)
def test_database_that_cannot_be_used_is_told_in_one_line(
    tmp_path, run_here, monkeypatch, url, says
):
    """By every action, without its password; what the home has stays as it is."""
    tag = save_model(tmp_path / "home", tmp_path / "model", a_card())
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", url)
    for action in (["--promote", tag], ["--rollback"], ["--end-shadow"], ["--share"]):
        status, output, errors = run_here("manage_models", tmp_path / "home", *action)
        told = output + errors
        assert status == 1 and says in errors and "Traceback" not in told, (action, told)
        assert len(errors.strip().splitlines()) == 1 and "s3cret" not in told
    assert store.tags(tmp_path / "home") == [tag]

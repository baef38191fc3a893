"""The flows that train, register and manage fraud models."""

import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort
from pydantic import ValidationError

from flows.audit_fraud import AuditFraud
from flows.manage_models import ManageModels, manage_models
from flows.register_fraud import RegisterFraud, register_fraud
from flows.train_fraud import TrainFraud, train_fraud
from services.fraud.errors import FraudError, PromotionRefused
from services.fraud.scoring import store
from services.fraud.scoring.card import Card
from services.fraud.scoring.registry import Registry
from services.fraud.simulator import simulate
from services.fraud.state.snapshot import read_pointer
from services.fraud.transactions.transactions import write_transactions
from services.modelling.keras import open_keras
from tests.flows.command import command
from tests.flows.traced import traced
from tests.services.fraud.training.test_free_table import creditcard

pytestmark = pytest.mark.slow

SMALL = {"customers": 400, "terminals": 4_000, "days": 60, "train_days": 7}


@pytest.fixture
def home(
    tmp_path: Path, prefect_api: None, small_network: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    home = tmp_path / "var"
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    return home


def train(**parameters: Any) -> Any:
    return train_fraud(TrainFraud(**parameters))


def register(**parameters: Any) -> Any:
    return register_fraud(RegisterFraud(**parameters))


def manage(**parameters: Any) -> Any:
    return manage_models(ManageModels(**parameters))


def newest_artifacts() -> list[Artifact]:
    """The first page of what the Prefect UI shows."""
    with get_client(sync_client=True) as client:
        return client.read_artifacts(sort=ArtifactSort.CREATED_DESC)


@pytest.fixture
def transactions(tmp_path):
    """A labelled file of forty days."""
    file = tmp_path / "transactions.parquet"
    write_transactions(simulate(customers=400, terminals=4_000, days=40, seed=3), file)
    return file


@pytest.fixture
def network(tmp_path):
    """A network in the older form of file; it has learnt nothing."""
    keras = open_keras()
    keras.utils.set_random_seed(0)
    layers = [keras.Input((15,)), keras.layers.BatchNormalization()]
    file = tmp_path / "fraud_detection_model.h5"
    keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")]).save(file)
    return file


def test_command_trains_a_champion_and_leaves_a_clean_terminal(tmp_path):
    """Figures, places, a snapshot for the service, and nothing of what the libraries say."""
    home = tmp_path / "var"
    arguments = [part for name, n in SMALL.items() for part in (f"--{name}", str(n))]
    process = command(
        "flows.train_fraud",
        home,
        *(part.replace("_", "-") for part in arguments),
        *("--run-date", "2026-11-22", "--min-floor-gain", "-1"),
    )
    output, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    noise = re.compile(r"Traceback|Error|ERROR|WARNING|[Tt]ensor[Ff]low|Saved artifact")
    assert not noise.search(output + errors), output + errors
    (tag,) = store.tags(home)
    assert Registry(home).read().champion == tag
    assert re.search(rf"{tag} +champion", output)
    for words in ("AUC", "AP", "CP@100", "of the oracle", "ECE", "logistic regression", "parity"):
        assert words in output
    card = Card.read(store.folder(tag, home))
    assert card.periods["test"] == "2026-11-15 to 2026-11-21"
    pointer = read_pointer(home)
    assert pointer is not None and pointer.as_of % 86_400 == 86_399
    assert not list((home / "fraud" / "training").iterdir())
    origin = traced(home, tag)
    assert origin["training data"].id == card.data_digest
    assert origin["training data"].facts["from"]["SimulationSpec"]["customers"] == 400
    assert origin["training run"].id and origin["training run"].facts["flow"] == "train-fraud"


def test_models_take_their_roles_in_turn(home, transactions, network, capsys):
    """Trained, promoted, refused by the gate and kept, blocked, in the shadow, rolled back."""
    given = {"transactions": transactions, "train_days": 7, "min_floor_gain": -1}
    before = {artifact.id for artifact in newest_artifacts()}
    first = train(**given, promote=False)
    # A candidate that is not to be promoted changes nothing; its figures are in the Prefect UI.
    assert store.tags(home) == [first]
    assert Registry(home).read().champion is None and read_pointer(home) is None
    keys = {artifact.key for artifact in newest_artifacts() if artifact.id not in before}
    assert {"train-fraud", "train-fraud-figures"} <= keys

    assert manage(promote=first) == first
    assert Registry(home).read().champion == first
    capsys.readouterr()

    with pytest.raises(PromotionRefused, match=r"is not promoted: AUC ROC .*--min-auc-roc"):
        train(**given, min_auc_roc=1)
    second, _ = store.tags(home)
    assert Registry(home).read().champion == first
    output = capsys.readouterr().out
    assert f"champion ({first})" in output and "days too late" in output
    assert re.search(rf"{second} +candidate", output)

    Registry(home).block("average precision fell")
    with pytest.raises(PromotionRefused, match="blocked: average precision fell"):
        manage(promote=second)
    assert manage(promote="latest", override_block=True) == second
    manage(unblock=True)
    assert manage(rollback=True) == first

    export = transactions.with_suffix(".csv")
    pd.read_parquet(transactions).to_csv(export, index=False, sep=";", decimal=",")
    third = register(model_file=network, threshold=0.4, evaluate_on=export, shadow=True)
    origin = traced(home, third)
    assert str(network) in origin["training data"].why
    assert origin["evaluation data"].facts["from"] == str(export)
    standing = Registry(home).read()
    assert (standing.champion, standing.shadow) == (first, third)
    card = Card.read(store.folder(third, home))
    assert (card.threshold, card.name) == (0.4, "fraud_detection_model")
    assert card.metrics is not None and card.metrics.auc_roc is not None
    assert card.assumed["transactions' decimals"] == "with a comma"

    capsys.readouterr()
    manage(list_models=True)
    listed = capsys.readouterr().out
    assert re.search(rf"{third} +shadow.*\n{second} +candidate.*\n{first} +champion", listed)
    manage(end_shadow=True)
    assert Registry(home).read().shadow is None
    assert manage(shadow=second) == second
    assert manage(check=third) == third
    standing = Registry(home).read()
    assert (standing.champion, standing.shadow) == (first, second)


def test_table_of_any_columns_gives_a_champion_with_a_contract_of_its_own(home, tmp_path, capsys):
    """How it was read is told; there is no snapshot, and the next table is compared with it."""
    file = tmp_path / "creditcard.csv"
    table = creditcard(1_200, 0.1)
    table["V1"] += 6 * table["Class"]  # which a small network sees, too
    table.to_csv(file, index=False)
    given = {"table": file, "label": "Class", "min_floor_gain": -1}
    tag = train(**given)

    assert Registry(home).read().champion == tag and read_pointer(home) is None
    assert Card.read(store.folder(tag, home)).names[-1] == "Amount"
    output = "".join(capsys.readouterr())
    assert "recognised: Kaggle's creditcard.csv" in output and "29, of 29 columns" in output
    train(**given, promote=False)
    assert f"champion ({tag})" in capsys.readouterr().out


def test_rollback_to_a_model_that_has_gone_changes_nothing(home, network, capsys):
    """The list says that it has gone, and that the champion is damaged."""
    first, second = (register(model_file=network, threshold=0.5) for _ in range(2))
    shutil.rmtree(store.folder(first, home))
    with pytest.raises(FraudError, match=f"{second} stays champion, for {first} cannot answer"):
        manage(rollback=True)
    with pytest.raises(FraudError, match=f"no model {first}"):
        manage(promote=first, override_block=True)
    assert Registry(home).read().champion == second

    (store.folder(second, home) / "card.json").write_text("{}")
    with pytest.raises(FraudError, match=f"model {second} in"):
        manage(check=second)
    capsys.readouterr()
    manage(list_models=True)
    listed = capsys.readouterr().out
    assert re.search(rf"{second} +champion, cannot answer", listed)
    assert f"Warning: the champion {second} cannot answer: model {second} in" in listed
    assert f"Warning: the champion before {first} cannot answer: no model" in listed


@pytest.mark.parametrize(
    ("flow", "parameters", "message"),
    [
        (train, {"transactions": "nowhere.csv"}, r"nowhere\.csv"),
        (train, {"customers": 10, "days": 20}, "take fewer --train-days"),
        (manage, {"rollback": True}, "no earlier champion"),
        (register, {"model_file": "nowhere.h5", "threshold": 0.5}, "does not exist"),
        (manage, {"promote": "latest"}, "no model in"),
        (manage, {"shadow": "fraud_detector:1"}, "newest there: none"),
    ],
)
def test_fault_is_told_and_nobody_becomes_champion(home, flow, parameters, message):
    """By an error that the command answers in one line."""
    with pytest.raises(FraudError, match=message):
        flow(**parameters)
    assert not (home / "fraud" / "registry.json").exists()


@pytest.mark.parametrize(
    ("parameters", "given", "message"),
    [
        (
            TrainFraud,
            {"rollback": True, "days": 60},
            "flows.manage_models --rollback \\[",
        ),
        (TrainFraud, {"alerts_per_day": 0}, "greater than 0"),
        (TrainFraud, {"table": "a.csv"}, "a table needs a label"),
        (TrainFraud, {"label": "Class"}, "label: only with a table"),
        (TrainFraud, {"table": "a.csv", "label": "b", "days": 7}, "days: not with a table"),
        (TrainFraud, {"columns": "card=a"}, "is no NAME=COLUMN"),
        (TrainFraud, {"delimiter": "space"}, "give one of comma, semicolon, tab, pipe"),
        (TrainFraud, {"epochs": 1}, "Extra inputs are not permitted"),
        (
            RegisterFraud,
            {"model_file": "a.h5", "threshold": 0.5, "decimals": 3},
            "decimals: only wi",
        ),
        (AuditFraud, {"delimiter": ";", "columns": "time=t"}, "columns, delimiter: only with tran"),
        (RegisterFraud, {}, "model_file\n  Field required"),
        (RegisterFraud, {"model_file": "a.h5"}, "threshold\n  Field required"),
        (RegisterFraud, {"model_file": "a.h5", "threshold": 1.5}, "less than or equal to 1"),
        (RegisterFraud, {"model": "a", "threshold": 0.5}, "manage_models --promote a \\["),
        (ManageModels, {}, "give exactly one of --promote, --shadow, --check, --rollback"),
        (ManageModels, {"rollback": True, "unblock": True}, "give exactly one of"),
        (ManageModels, {"rollback": True, "override_block": True}, "goes with promote alone"),
        (ManageModels, {"check": "a", "new_contract": True}, "goes with promote or rollback"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(parameters, given, message):
    """Before anything is done."""
    with pytest.raises(ValidationError, match=message):
        parameters(**given)

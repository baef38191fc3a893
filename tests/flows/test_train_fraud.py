"""The flows that train and register fraud models, as their user starts them."""

import json
import re

import pytest

from services.fraud import store
from services.fraud.card import Card
from services.fraud.framework import open_keras
from services.fraud.registry import Registry
from services.fraud.simulator import simulate
from services.fraud.snapshot import read_pointer
from services.fraud.transactions import write_transactions
from tests.flows.command import command

TRAIN, REGISTER = "flows.train_fraud", "flows.register_fraud"
SMALL = ("--customers", "500", "--terminals", "4000", "--days", "60", "--train-days", "7")
NOISE = re.compile(r"Traceback|Warning[^:]|ERROR|WARNING|[Tt]ensor[Ff]low|Saved artifact")


@pytest.fixture(scope="module")
def prefect(tmp_path_factory):
    """The folder of the local Prefect server, whose first start takes long."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture
def home(tmp_path, prefect):
    """A home folder of its own but for that."""
    folder = tmp_path / "var"
    folder.mkdir()
    (folder / "prefect").symlink_to(prefect)
    return folder


def call(module, home, *arguments, code=0):
    """Run a flow's command to its end; its output and its errors."""
    process = command(module, home, *arguments)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, output + errors
    assert not NOISE.search(output + errors), output + errors
    return output, errors


def test_models_are_trained_promoted_rolled_back_and_put_in_the_shadow(home):
    """A story in six commands, each with a clean terminal."""
    output, _ = call(TRAIN, home, *SMALL, "--run-date", "2026-11-22", "--min-floor-gain", "0")
    (first,) = store.tags(home)
    assert Registry(home).read().champion == first
    assert re.search(rf"{first} +champion", output)
    for word in ("AUC", "AP", "CP@100", "of the oracle", "ECE", "logistic regression"):
        assert word in output
    card = Card.read(store.folder(first, home))
    assert card.periods["test"] == "2026-11-15 to 2026-11-21"
    pointer = read_pointer(home)
    assert pointer is not None and pointer.as_of % 86_400 == 86_399
    assert not list((home / "fraud" / "training").iterdir())

    _, errors = call(TRAIN, home, *SMALL, "--min-auc-roc", "0.999", code=1)
    second = store.tags(home)[0]
    assert "is not promoted: AUC ROC" in errors and f"--model {second}" in errors
    assert Registry(home).read().champion == first

    call(REGISTER, home, "--model", "latest")
    assert Registry(home).read().champion == second
    output, _ = call(TRAIN, home, "--rollback")
    assert output == f"champion: {first}\n"
    call(REGISTER, home, "--model", second, "--shadow")
    assert Registry(home).read().shadow == second

    output, _ = call(REGISTER, home, "--list-models")
    assert re.search(rf"{second} +shadow.*\n{first} +champion", output)


@pytest.fixture
def transactions(tmp_path):
    """A labelled file of forty days."""
    file = tmp_path / "transactions.parquet"
    write_transactions(simulate(customers=500, terminals=4_000, days=40, seed=3), file)
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


def test_network_and_transactions_of_ones_own_are_taken(network, transactions, home):
    """Blocked until unblocked; evaluated on the last week of the file."""
    Registry(home).block("average precision fell")
    given = ("--model-file", str(network), "--threshold", "0.4")

    _, errors = call(REGISTER, home, *given, code=1)
    assert "blocked: average precision fell" in errors
    call(REGISTER, home, "--unblock")
    output, _ = call(REGISTER, home, *given, "--evaluate-on", str(transactions))

    champion = Registry(home).read().champion
    assert champion is not None and f"{champion}  champion" in output
    card = Card.read(store.folder(champion, home))
    assert (card.threshold, card.name) == (0.4, "fraud_detection_model")
    assert card.metrics is not None and card.metrics.auc_roc is not None

    file = ("--transactions", str(transactions), "--train-days", "7")
    output, _ = call(TRAIN, home, *file, "--no-promote", "--max-ap-loss", "1")
    assert f"champion ({champion})" in output and "days too late" in output
    assert Registry(home).read().champion == champion


@pytest.mark.parametrize(
    ("module", "arguments", "code", "message"),
    [
        (TRAIN, ("--transactions", "nowhere.csv"), 1, "nowhere.csv"),
        (TRAIN, ("--days", "20"), 1, "take fewer --train-days"),
        (TRAIN, ("--rollback", "--days", "60"), 2, "rollback goes with no other parameter"),
        (TRAIN, ("--rollback",), 1, "no earlier champion"),
        (TRAIN, ("--alerts-per-day", "0"), 2, "--alerts-per-day: "),
        (REGISTER, (), 2, "give exactly one of --model-file, --model"),
        (REGISTER, ("--rollback", "--unblock"), 2, "give exactly one of"),
        (REGISTER, ("--model-file", "nowhere.h5"), 2, "needs a threshold"),
        (REGISTER, ("--model-file", "nowhere.h5", "--threshold", "0.5"), 1, "does not exist"),
        (REGISTER, ("--model", "latest"), 1, "no model in"),
        (REGISTER, ("--model", "fraud_detector:1"), 1, "newest there: none"),
        (REGISTER, ("--model", "x", "--threshold", "0.5"), 2, "with a model file alone"),
    ],
)
def test_command_answers_a_mistake_in_one_line(home, module, arguments, code, message):
    """The line says what was wrong and what would be right."""
    _, errors = call(module, home, *arguments, code=code)

    (line,) = [line for line in errors.splitlines() if "error:" in line]
    assert message in line
    assert not (home / "fraud" / "registry.json").exists()


def test_registry_file_is_what_the_service_reads(tmp_path):
    """Two names of the contract, spelled out once."""
    Registry(tmp_path).promote("fraud_detector:1", "")
    entries = json.loads((tmp_path / "fraud" / "registry.json").read_text())
    assert entries["champion"] == "fraud_detector:1"

"""Examples of the page "Bring your own fraud network", run to their end.

In this process, with a network of few weights; "Ask it" is asked of a service in
`tests/services/fraud/http/test_own_contract.py`.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.fraud.scoring import store
from services.fraud.scoring.card import Card
from services.fraud.scoring.registry import Registry
from services.modelling.keras import open_keras
from tests.flows.conftest import RunHere
from tests.guides import examples
from tests.services.fraud.http.test_web import ask
from tests.services.fraud.running import InProcess
from tests.test_bring_your_own import REAL_TIME as PAGE
from tests.test_bring_your_own import TABLES

pytestmark = pytest.mark.slow

TRAININGS = [*examples(PAGE, "Train on your transactions"), *examples(PAGE, "Train on any table")]
BACK = "From one set of features to another"


@pytest.fixture
def home(tmp_path: Path, small_network: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files lie where it is worked."""
    monkeypatch.chdir(tmp_path)
    for name, content in TABLES.items():
        Path(name).write_text(content())
    return tmp_path / "var"


def run(run_here: RunHere, home: Path, words: list[str], *more: str) -> str:
    """A command of the page, which ends well: what it said."""
    _, _, flow, *arguments = words
    status, output, errors = run_here(flow.removeprefix("flows."), home, *arguments, *more)
    assert status == 0 and "Traceback" not in output + errors, errors
    return output + errors


def test_tables_are_trained_on_asked_audited_and_rolled_back(home, run_here):
    """From the Handbook's features to a table's own and back, as the page does it."""
    champions: list[str | None] = []
    for words in (TRAININGS[3], TRAININGS[0], TRAININGS[4]):
        run(run_here, home, words, *(["--new-contract"] if champions else []))
        champions.append(Registry(home).read().champion)
    _, first, own = champions
    assert own is not None and len(set(champions)) == 3
    names = Card.read(store.folder(own, home)).names
    assert names[0] == "total" and "country=FR" in names
    row = dict.fromkeys(names, 0.0) | {"total": 900.0, "country=FR": 1.0}
    day = datetime.now(UTC).date() + timedelta(days=1)
    with InProcess(home) as service:
        one = ask(service, "/detect_fraud", {"transaction_data": row}).json()
        many = ask(service, "/score_batch", {"transaction_data": [row, [*row.values()]]}).json()
    assert one["probability"] > 0.5 and (one["is_fraud"], one["model"]) == (True, own)
    assert [found["probability"] for found in many["results"]] == [one["probability"]] * 2

    status, audited, errors = run_here(
        "audit_fraud", home, "--delay-days", "0", "--run-date", f"{day}"
    )
    assert status in (0, 1) and "Traceback" not in audited + errors
    assert own in audited

    run(run_here, home, ["", "", "flows.manage_models", "--rollback", "--new-contract"])
    for words, champion in zip(examples(PAGE, BACK), (own, first), strict=True):
        run(run_here, home, words)
        assert Registry(home).read().champion == champion


def test_network_of_the_page_becomes_champion(home, run_here):
    """With names, scaling and known rows in files."""
    keras = open_keras()
    layers = [keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")]
    keras.Sequential(layers).save("fraud_detection_model.h5")
    Path("names.txt").write_text("Time\nV1\nAmount\n")
    Path("scaling.csv").write_text("name,mean,scale\nTime,9000,100\nAmount,88,250\n")
    Path("known.csv").write_text("Time,V1,Amount\n" + "9100,0.5,20\n" * 5)
    (words,) = examples(PAGE, "Networks")
    said = run(run_here, home, words)
    assert "Time, V1, Amount" in said and "of known.csv" in said
    assert str(Registry(home).read().champion) in said

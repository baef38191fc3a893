"""A champion that reads features of its own: all that callers meet follows its names and number."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from flows.manage_models import ManageModels
from services.fraud.audit.answers import feature_rows, read_day
from services.fraud.errors import PromotionRefused
from services.fraud.http import web
from services.fraud.http.arrow_body import STREAM
from services.fraud.http.request_body import parsed_features
from services.fraud.log.database import Database
from services.fraud.model_storage.registry_storage import STANDING
from services.fraud.scoring import store
from services.fraud.scoring.card import Card
from services.fraud.scoring.model_check import checked_registry
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from services.fraud.scoring.schema import DetectAnswer
from tasks.orchestration.command_line import parse
from tests.guides import examples
from tests.services.fraud.http.test_web import RAW, ask, problem
from tests.services.fraud.running import GENUINE, InProcess, promoted, rows

ROW = [-1.5, 0.25, 20.0]
NAMED = dict(zip(("V1", "V2", "Amount"), ROW, strict=True))


def sigmoid(row):
    return 1 / (1 + np.exp(-(row[0] - 2 * row[1] + 0.01 * row[2] - 1)))


@pytest.fixture(scope="module")
def home(tmp_path_factory, own_folder):
    home = tmp_path_factory.mktemp("own-home")
    promoted(own_folder, home)
    return home


@pytest.fixture(scope="module")
def service(home):
    with InProcess(home) as service:
        yield service


def detect(service, row, **more):
    return ask(service, "/detect_fraud", {"transaction_data": row, **more})


def test_features_are_taken_as_a_list_or_by_name(service):
    """In any order of the names; negative ones too."""
    turned = dict(reversed(NAMED.items()))
    answers = [DetectAnswer(**detect(service, row).json()) for row in (ROW, NAMED, turned)]

    assert {answer.probability for answer in answers} == {answers[0].probability}
    assert answers[0].probability == pytest.approx(sigmoid(ROW), abs=1e-6)
    assert "reasons" not in detect(service, ROW).json()


def test_reasons_are_given_for_named_features_if_asked_for(service):
    """Against the model's own typical values, the strongest first."""
    reasons = detect(service, ROW, reasons=True).json()["reasons"]

    assert [(r["feature"], r["value"], r["typical"]) for r in reasons] == [
        ("V1", -1.5, 0.5),
        ("V2", 0.25, 0.0),
    ]
    assert [r["effect"] for r in reasons] == pytest.approx([-2.0, -0.5], abs=1e-3)


def test_example_of_the_page_is_answered(service):
    """Each call of "Ask it", by a model that reads what the page says."""
    for words in examples("services/fraud/BRING_YOUR_OWN.md", "Ask it"):
        address, body = words[2], words[words.index("-d") + 1]
        path = address.removeprefix("localhost:3000")
        answer = ask(service, path, json.loads(body))
        assert words[:2] == ["curl", "-s"] and answer.status_code == 200, answer.text
        assert answer.json().get("rejected", 0) == 0


def test_commands_of_the_page_are_understood():
    """Both of the swap."""
    given = examples("services/fraud/BRING_YOUR_OWN.md", "From one set of features to another")
    asked = [parse(ManageModels, " ".join(words[:3]), words[3:]) for words in given]

    assert [(a.promote, a.rollback, a.new_contract) for a in asked] == [
        ("latest", False, True),
        (None, True, True),
    ]


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        (GENUINE, "transaction_data", "at most 3 items"),
        (ROW[:2], "transaction_data", "at least 3 items"),
        ({"V1": 1, "V3": 1}, "transaction_data", "missing: V2, Amount; no features of this mod"),
        ({**NAMED, "V2": "1"}, "transaction_data.V2", "valid number"),
        ({**NAMED, "V2": 1e13}, "transaction_data.V2", "less than or equal"),
        ("V1", "transaction_data", "should be a valid"),
    ],
)
def test_what_the_model_does_not_read_is_refused_by_name(service, row, field, message):
    """All that is missing at once; in a batch the row alone."""
    answer = detect(service, row)
    batch = ask(service, "/score_batch", {"transaction_data": [ROW, row]}).json()

    [told] = problem(answer).fields
    assert (answer.status_code, told.field) == (422, field)
    assert message in told.message
    assert batch["results"][0]["error"] is None
    error = batch["results"][1]["error"]
    assert error["field"] == field.replace("transaction_data", "transaction_data.1")
    assert message in error["message"]


def test_name_that_is_there_twice_is_refused(service):
    """A parser would take the last and say nothing."""
    twice = b'{"V1": 1, "V1": 2, "V2": 0, "Amount": 1}'
    bodies = {"/detect_fraud": twice, "/score_batch": b"[%b]" % twice}
    for path, row in bodies.items():
        body, headers = b'{"transaction_data": %b}' % row, {"Content-Type": "application/json"}
        answer = ask(service, path, content=body, headers=headers)
        assert (answer.status_code, problem(answer).fields[0].field) == (422, "V1")


def test_batches_are_read_by_the_models_names(service):
    """Lists, objects and Arrow columns give the same answers."""
    table = pa.table({"amount": [20.0, 1.0], "V2": [0.25, -9.0], "v1": [-1.5, 0.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    other = [0.0, -9.0, 1.0]
    given = {"transaction_data": [ROW, dict(zip(NAMED, other, strict=True))]}
    plain = ask(service, "/score_batch", given).json()
    arrow = ask(
        service,
        "/score_batch",
        content=sink.getvalue().to_pybytes(),
        headers={"Content-Type": STREAM, "Accept": "application/json"},
    ).json()

    assert plain["results"] == arrow["results"]
    found = [result["probability"] for result in plain["results"]]
    assert found == pytest.approx([sigmoid(ROW), sigmoid(other)], abs=1e-6)


def test_raw_transaction_is_answered_409_that_says_why(service):
    """The features are the caller's to compute; nothing of it is remembered."""
    for _ in range(2):
        answer = ask(service, "/score_transaction", RAW)
        assert (answer.status_code, problem(answer).code) == (409, "other_contract")
    assert "reads 3 features (V1, V2, Amount) of its own" in problem(answer).message
    assert "/detect_fraud" in problem(answer).message


def test_document_page_and_readiness_show_the_models_features(service):
    """And every example of the document is answered."""
    document = ask(service, "/docs.json", method="GET").json()
    ready = ask(service, "/readyz", method="GET").json()
    row = document["components"]["schemas"]["DetectRequest"]["properties"]["transaction_data"]

    assert (row["minItems"], row["maxItems"], row["required"]) == (3, 3, list(NAMED))
    for path in ("/detect_fraud", "/score_batch"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        for example in content["application/json"]["examples"].values():
            answer = ask(service, path, example["value"])
            assert (answer.status_code, answer.json().get("rejected", 0)) == (200, 0)
    assert (ready["contract"], ready["features"]) == ("own", list(NAMED))
    page = ask(service, "/", method="GET").text
    assert "found.features" in page and "found.new_contract" in page


def test_answers_are_logged_by_name_and_audited(tmp_path, own_folder):
    """The Handbook's columns stay empty, and the audit reads what the model read."""
    promoted(own_folder, tmp_path)
    with InProcess(tmp_path) as service:
        assert detect(service, ROW).status_code == 200
    query = "SELECT own_features, tx_amount, amount FROM fraud_predictions"
    [(text, *empty)] = rows(tmp_path, query)
    database = Database(f"sqlite:///{tmp_path / 'triptych.db'}")
    answers = read_day(database, datetime.now(UTC).date())
    database.close()

    assert (json.loads(text), empty) == (NAMED, [None, None])
    assert feature_rows(answers, Card.read(own_folder)).tolist() == [ROW]


def test_swap_to_other_features_has_to_be_meant_and_is_announced(
    tmp_path, model_folder, own_folder
):
    """There and back; the shadow reads what the champion reads; a retry gets its first answer."""
    first, own = promoted(model_folder, tmp_path), store.save(own_folder, tmp_path)
    again, registry = store.save(model_folder, tmp_path), checked_registry(Models(tmp_path))
    registry.shadow(again)
    with InProcess(tmp_path) as service:

        def swapped():
            service.worker._champion.refresh()
            return ask(service, "/readyz", method="GET").json()

        answered = ask(service, "/score_transaction", RAW)
        before = registry.storage.read(STANDING)
        with pytest.raises(
            PromotionRefused, match=r"reads 3 features \(V1, V2, Amount\), and .*15"
        ):
            registry.promote(own, "")
        with pytest.raises(PromotionRefused, match="does not become shadow: it reads 3 features"):
            registry.shadow(own)
        assert registry.storage.read(STANDING) == before
        assert swapped()["new_contract"] is None

        assert registry.promote(own, "", new_contract=True).shadow is None
        ready = swapped()
        assert (ready["model"], ready["shadow"]) == (own, None)
        assert f"reads 3 features (V1, V2, Amount), and {first} 15" in ready["new_contract"]
        assert detect(service, GENUINE).status_code == 422
        assert detect(service, ROW).json()["model"] == own
        assert ask(service, "/score_transaction", RAW).content == answered.content

        with pytest.raises(PromotionRefused, match=f"{own} stays champion: .*--new-contract"):
            registry.rollback()
        assert registry.rollback(new_contract=True) == first
        ready = swapped()
        assert (ready["contract"], len(ready["features"])) == ("handbook", 15)
        assert detect(service, GENUINE).status_code == 200
    registry.promote(again, "the same features")
    assert "new_contract" not in json.loads(registry.storage.read(STANDING) or "")


def test_request_is_answered_by_the_model_that_it_was_checked_for(
    tmp_path, model_folder, own_folder, monkeypatch
):
    """Whatever swap comes between; a shadow that reads other features is not asked."""
    first, own = promoted(model_folder, tmp_path), store.save(own_folder, tmp_path)
    with InProcess(tmp_path) as service:

        def swapped_meanwhile(model_input, body):
            given = parsed_features(model_input, body)
            Registry(tmp_path).promote(own, "in between")
            Registry(tmp_path).shadow(first)
            service.worker._champion.refresh()
            return given

        monkeypatch.setattr(web, "parsed_features", swapped_meanwhile)
        answer = detect(service, GENUINE)
        after = detect(service, ROW)

    assert (answer.status_code, answer.json()["model"]) == (200, first)
    assert (after.status_code, after.json()["model"]) == (200, own)
    shadows = rows(tmp_path, "SELECT model, shadow_model FROM fraud_predictions ORDER BY 1, 2")
    assert sorted(shadows) == sorted([(first, first), (own, None)])

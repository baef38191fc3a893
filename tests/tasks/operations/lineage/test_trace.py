"""Where things come from: every kind of id leads to what made it, and back."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.fraud.scoring import store
from tasks.operations.lineage.model_records import remember
from tasks.operations.lineage.node import KINDS, Match, Node, NotFoundError
from tasks.operations.lineage.search import search
from tasks.operations.lineage.trace import trace
from tasks.operations.records import Records
from tasks.settings import Settings
from tests.tasks.operations.worked import (
    AUDIT,
    BATCH,
    DETECTOR_CARD,
    DEVICE,
    FRAUD_DATA,
    MEASURED,
    SENTIMENT_CARD,
)

SENTIMENT_DATA = SENTIMENT_CARD["data"]["digest"]
DETECTOR_DATA = DETECTOR_CARD["data_digest"]
Find = Callable[..., list[Match]]


@pytest.fixture
def home(worked_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH_HOME", str(worked_home))
    return worked_home


@pytest.fixture
def find() -> Find:
    return lambda asked, kind=None: search(Records(Settings()), asked, kind)


def value(home: Path, query: str) -> Any:
    with sqlite3.connect(f"file:{home / 'triptych.db'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchone()[0]


def ids(tree: Node, kind: str) -> list[str | None]:
    return [node.id for node in tree.walk() if node.kind == kind]


def the_one(found: list[Match]) -> Node:
    (match,) = found
    return match.open()


class TestEnds:
    """From what a model said to the data that it learnt from."""

    def test_score_row(self, home, find):
        """A review's row leads to its run, its input, the model and the training data."""
        for asked in ("r1", "shop/r1", value(home, "SELECT text_digest FROM review_sentiment")):
            tree = the_one(find(asked))

            assert ids(tree, "training data") == [SENTIMENT_DATA]
            assert ids(tree, "scoring run") == [value(home, "SELECT run_id FROM sentiment_runs")]
            (content,) = ids(tree, "input data")
            assert content is not None and len(content) == 64
            assert ids(tree, "code")[0] is not None  # of the run; the bundled card has none

    def test_http_answer(self, home, find):
        """A request id and a transaction id lead to the model's card and its training data."""
        tag = store.tags(home)[0]
        request, transaction = f"{tag}-1121-3", "1121-3"

        trees = [the_one(find(asked)) for asked in (request, transaction)]

        assert trees[0] == trees[1]
        assert ids(trees[0], "training data") == [FRAUD_DATA]
        assert ids(trees[0], "model") == [tag]
        assert trees[0].made_by[0].also["answers"] == 20
        assert "champion" in trees[0].made_by[0].facts["role"]

    def test_manifest_of_a_device(self, home, find):
        """A device, its manifest as a file, and its model file lead to the rendered scenes."""
        manifest = next((home / "releases" / "targets" / "parts").rglob("*.manifest.json"))
        model = next((home / "releases" / "targets" / "parts").rglob("*.model.tflite"))
        for asked in (DEVICE, "1.2.3", "parts 1.2.3", str(manifest), model.name.split(".")[0]):
            tree = the_one(find(asked))

            assert ids(tree, "release") == ["parts 1.2.3"]
            assert ids(tree, "training data") == [DETECTOR_DATA]
            assert ids(tree, "evaluation data") == [MEASURED]
        assert the_one(find(DEVICE)).facts["health"] == "ok"
        assert the_one(find("1.2.3")).also["by health"] == {"ok": 1}


class TestBack:
    """From a digest, a model or a run to what came of it."""

    @pytest.mark.parametrize("digest", [SENTIMENT_DATA, FRAUD_DATA, DETECTOR_DATA, MEASURED])
    @pytest.mark.parametrize("length", [64, 12])
    def test_data_names_what_learnt_from_it(self, home, find, digest, length):
        """Whole, or its beginning."""
        tree = the_one(find(digest[:length]))

        assert tree.id == digest
        assert len(next(iter(tree.also.values()))) == 1

    def test_models_name_what_came_of_them(self, home, find):
        """Runs, answers, releases and devices."""
        night = the_one(find(SENTIMENT_CARD["digest"]))
        fraud = the_one(find(store.tags(home)[0]))
        detector = the_one(find("triptych-parts"))

        assert (night.also["runs"], night.also["rows scored"]) == (1, 48)
        assert fraud.also["answers"] == 20
        assert (detector.also["releases"], detector.also["devices"]) == (["parts 1.2.3"], 1)

    def test_run_names_its_input_and_model(self, home, find):
        """By the beginning of its id, and by the digest of what it read."""
        run = value(home, "SELECT run_id FROM sentiment_runs")
        tree = the_one(find(run[:8]))

        assert (tree.id, ids(tree, "training data")) == (run, [SENTIMENT_DATA])
        assert the_one(find(str(ids(tree, "input data")[0]))) == tree

    def test_rejected_row_says_why(self, home, find):
        """It has no score, and the run that rejected it."""
        tree = the_one(find("r24"))

        assert (tree.kind, tree.facts["reason"]) == ("rejected row", "blank text")
        assert ids(tree, "scoring run") == [value(home, "SELECT run_id FROM sentiment_runs")]


class TestHonesty:
    """What is not recorded is said, with the reason."""

    def test_network_from_elsewhere_has_no_training_data(self, home, find):
        """The digest in its card is of the data that it was measured on."""
        card = {"code_version": "0.1.0", "trained_at": None, "data_digest": MEASURED}
        facts: dict[str, Any] = {
            "tag": "fraud_detector:1",
            "card": card,
            "registered_from": "/models/ours.h5",
        }
        remember(home, "fraud", "1", **facts)

        tree = the_one(find("fraud_detector:1"))

        (data,) = [node for node in tree.walk() if node.kind == "training data"]
        assert (data.id, "registered from /models/ours.h5" in data.why) == (None, True)
        assert ids(tree, "evaluation data") == [MEASURED]

    def test_model_of_a_hub_is_named_as_such(self, home, find):
        """A run that used it is found all the same."""
        database = sqlite3.connect(home / "triptych.db")
        with database:
            database.execute(f"UPDATE review_sentiment SET model_digest = '{'0a' * 32}'")
        database.close()

        tree = the_one(find("r1"))

        (data,) = [node for node in tree.walk() if node.kind == "training data"]
        assert data.id is None and "trained elsewhere" in data.why

    def test_model_that_was_cleared_away_is_known_by_its_record(self, home, find):
        """Its answers stay, and so does what it learnt from."""
        tag = store.tags(home)[0]
        shutil.rmtree(home / "bentoml")

        assert ids(the_one(find("1121-3")), "training data") == [FRAUD_DATA]
        assert ids(the_one(find("1121-3")), "model") == [tag]

    def test_home_without_records_falls_back_on_cards(self, home, find):
        """A home of the last version: training runs are not recorded, training data is."""
        shutil.rmtree(home / "lineage")
        database = sqlite3.connect(home / "triptych.db")
        with database:
            database.execute("ALTER TABLE sentiment_runs DROP COLUMN code_version")
        database.close()

        assert ids(the_one(find("r1")), "training data") == [SENTIMENT_DATA]
        assert ids(the_one(find("1121-3")), "training data") == [FRAUD_DATA]
        assert ids(the_one(find(DEVICE)), "training data") == [DETECTOR_DATA]


class TestCommand:
    """What is printed, and the exit status."""

    def test_tree_is_printed_whole(self, home, capsys, monkeypatch):
        """Ids are to be copied: no line is cut to the terminal."""
        monkeypatch.setenv("COLUMNS", "40")

        assert trace("r1", None, as_json=False) == 0

        output = capsys.readouterr().out
        assert output.startswith("review r1\n├── source: shop\n")
        assert f"│   └── training data {SENTIMENT_DATA}\n" in output or SENTIMENT_DATA in output

    def test_json_holds_the_same(self, home, capsys):
        """For programs."""
        assert trace("1121-3", None, as_json=True) == 0

        tree = json.loads(capsys.readouterr().out)
        (model, code) = tree["made_by"]
        data = next(part for part in model["made_by"] if part["kind"] == "training data")
        assert (data["id"], tree["facts"]["transaction id"]) == (FRAUD_DATA, "1121-3")
        assert code["id"] is None and code["not_recorded"]

    def test_several_matches_are_listed_with_their_commands(self, home, capsys):
        """A transaction may have the id of a review."""
        database = sqlite3.connect(home / "triptych.db")
        with database:
            database.execute(
                "UPDATE review_sentiment SET review_id = '1121-3' WHERE review_id = 'r1'"
            )
        database.close()

        assert trace("1121-3", None, as_json=False) == 1

        output = capsys.readouterr().out
        assert "1121-3 may be 2 things" in output
        assert "triptych trace shop/1121-3 --as review\n" in output
        assert trace("1121-3", "review", as_json=True) == 0

    def test_nothing_is_one_line_with_all_kinds(self, home):
        """What could be asked for, and where it was looked for."""
        with pytest.raises(NotFoundError) as raised:
            trace("nowhere", None, as_json=False)

        line = str(raised.value)
        assert "\n" not in line and "'nowhere'" in line and "triptych.db" in line
        assert "a device's id" in line and str(home) in line

    def test_empty_home_stays_empty(self, tmp_path, monkeypatch):
        """To ask makes nothing."""
        monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "var"))

        with pytest.raises(NotFoundError, match="no database yet"):
            trace("1.0.0", None, as_json=False)

        assert not (tmp_path / "var").exists()


def test_every_kind_is_found(home, find):
    """None of the kinds that `--as` takes is without a way to it."""
    night = value(home, "SELECT run_id FROM sentiment_runs")
    asked = ("r1", night, "1121-3", BATCH, AUDIT, store.tags(home)[0], "1.2.3", DEVICE, FRAUD_DATA)

    found = [the_one(find(one, kind)) for one, kind in zip(asked, KINDS, strict=True)]

    assert [ids(tree, "training data")[:1] for tree in found[2:6]] == [[FRAUD_DATA]] * 4

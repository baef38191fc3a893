"""What is old goes, and what is current or held stays, whenever the prune is killed."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.fraud.log.database import Database
from services.fraud.log.tables import FRAUD_LABELS, FRAUD_PREDICTIONS
from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from tasks.operations.lineage.search import search
from tasks.operations.records import Records
from tasks.operations.retention import nights
from tasks.operations.retention.holds import FILE, RetentionError, read_holds
from tasks.operations.retention.kind import Place, Rules
from tasks.operations.retention.pruning import alone, find_old
from tasks.operations.retention.rows import delete_in_portions
from tasks.orchestration.policies import is_transient
from tasks.sentiment.run.publication import read_manifest, remove_source, restore_source
from tasks.sentiment.run.taking_back import Nights
from tasks.settings import Settings
from tests.tasks.sentiment.run.test_taking_back import published, results
from tests.tasks.sentiment.small_run import Job, sql_rows, write_source

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RULES = Rules(
    nights_days=2,
    nights_keep=2,
    taken_back_days=90,
    answers_days=60,
    models_days=10,
    models_keep=1,
    reports_days=10,
    reports_keep=1,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BENTOML_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def place(home: Path) -> Callable[[], Place]:
    return lambda: Place(home, f"sqlite:///{home}/triptych.db", RULES, read_holds(home), NOW)


@pytest.fixture
def five_nights(home: Path) -> Job:
    """Of which three are older than two days."""
    source = write_source(home.parent / "shop.csv", 30)
    job = Job(home=home, source=source, url=f"sqlite:///{home}/triptych.db")
    for day in range(17, 22):
        job = job.again(run_date=date(2026, 11, day))
        job.run()
    return job


def prune(place: Place) -> dict[str, int]:
    """Delete what is old; how many of each kind went."""
    gone = {kind.kind: kind.delete().count for kind in find_old(place)}
    return {kind: count for kind, count in gone.items() if count}


def test_old_nights_go_and_what_is_current_stays(five_nights, place, home):
    """SQL's row of each review, the newest nights, and one that is held; a look deletes nothing."""
    (home / FILE).write_text("night 2026-11-18 shop  # asked for by a court\n")
    before, current = published(five_nights), results(five_nights)
    assert find_old(place())[0].freed
    assert published(five_nights) == before

    assert prune(place()) == {"nights": 2}

    kept = [date(2026, 11, day) for day in (18, 20, 21)]
    assert Nights(home, "shop", five_nights.url).published() == kept
    assert results(five_nights) == current
    rejected = sql_rows(five_nights.url, "rejected_reviews")
    assert {row[1] for row in rejected} == {str(day) for day in kept}
    assert not list((home / "sentiment").glob("*/.run_date=2026-11-17*"))
    assert {k: v for k, v in before.items() if any(str(day) in k for day in kept)} == (
        published(five_nights)
    )
    assert prune(place()) == {}


def test_old_nights_go_from_the_bucket_too(five_nights, place, own_bucket):
    """As far as they go here."""
    url = f"s3://{own_bucket.name}"
    for day in (17, 18, 21):
        five_nights.again(run_date=date(2026, 11, day), scores_url=url).run()
    days = {name.split("=")[1][:10] for name in own_bucket.objects("scores/")}
    assert days == {"2026-11-17", "2026-11-18", "2026-11-21"}

    prune(replace(place(), scores_url=url))

    days = {name.split("=")[1][:10] for name in own_bucket.objects()}
    assert days == {"2026-11-21"}


def test_few_nights_stay_whatever_their_age(five_nights, place):
    """The newest two of the source, after years."""
    much_later = Place(place().home, place().url, RULES, place().holds, NOW + timedelta(days=9_999))
    assert prune(much_later) == {"nights": 3}
    assert prune(much_later) == {}


def test_interrupted_prune_is_finished_by_the_next(five_nights, place, monkeypatch):
    """Between SQL and Parquet, and between rejected rows and scores."""
    calls = 0

    def interrupted(folder: Path, source: str) -> None:
        nonlocal calls
        calls += 1
        if calls in (1, 3):
            raise KeyboardInterrupt
        remove_source(folder, source)

    monkeypatch.setattr(nights, "remove_source", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            prune(place())
    assert prune(place())["nights"] >= 1
    assert len(Nights(place().home, "shop", five_nights.url).published()) == 2
    assert {row[1] for row in sql_rows(five_nights.url, "rejected_reviews")} == {
        "2026-11-20",
        "2026-11-21",
    }


def test_night_at_work_is_left_alone(five_nights, place):
    """Until the next prune."""
    with five_nights.again(run_date=date(2026, 11, 17)).folder.lock():
        prune(place())
    assert len(Nights(place().home, "shop", five_nights.url).published()) == 3


def test_what_stays_is_not_counted_as_gone(five_nights, place):
    """A night at work, and one that a hold names while others are being deleted."""
    nights_found, *_ = find_old(place())
    (place().home / FILE).write_text("night 2026-11-18 shop\n")
    with five_nights.again(run_date=date(2026, 11, 17)).folder.lock():
        gone = nights_found.delete()
    assert (nights_found.goes, gone.count) == (3, 1)
    assert len(gone.left) == 1 and "is at work here" in gone.left[0]
    assert gone.freed and nights_found.freed and gone.freed < nights_found.freed
    assert Nights(place().home, "shop", five_nights.url).published() == [
        date(2026, 11, day) for day in (17, 18, 20, 21)
    ]
    assert "2026-11-18" in {row[1] for row in sql_rows(five_nights.url, "rejected_reviews")}


def test_hold_that_comes_meanwhile_is_obeyed_by_each_kind(home, place, five_nights):
    """Copies of nights, answers, models and reports, after they were found to be old."""
    copy = Nights(home, "shop", five_nights.url).take_back(date(2026, 11, 21))
    os.utime(copy.folder / "night.json", (0, 0))
    _answers(home, five_nights.url)
    folder = home / "sentiment" / "reports"
    for name in ("2026-11-01-shop", "2026-11-02-shop"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.html").write_text("<html>")
        os.utime(folder / f"{name}.html", (int(name[9]), int(name[9])))
    for number in range(3):
        model = store.store_folder(home) / "models" / store.MODEL / str(number)
        model.mkdir(parents=True)
        for name in (*store.FILES, "model.yaml"):
            (model / name).write_text("{}")
        os.utime(model, (0, 0))
    found = find_old(place())
    held = ["night 2026-11-21", "night 2026-11-01", "model fraud_detector:0"]
    held += [f"transaction t{n}" for n in range(12)]
    (home / FILE).write_text("\n".join(held))

    gone = {kind.kind: (kind.goes, kind.delete().count) for kind in found if kind.kind != "nights"}

    assert gone == {
        "nights taken back": (1, 0),
        "answers": (5, 0),
        "labels": (1, 0),
        "batches": (0, 0),
        "models": (2, 1),
        "reports": (1, 0),
    }
    assert copy.folder.is_dir()


def test_damaged_file_stops_the_prune_of_its_source_alone(five_nights, place, home):
    """It is named with what helps, and all else goes."""
    mail = replace(five_nights.scoring_run().folder, source="mail")
    for day in range(15, 22):
        folder = replace(mail, run_date=date(2026, 11, day))
        for kind in ("scores", "rejected"):
            restore_source(getattr(folder, kind), "mail", {}, {"run_id": "m"}, ())
    copy = Nights(home, "shop", five_nights.url).take_back(date(2026, 11, 21))
    (copy.folder / "night.json").write_text("{")
    (five_nights.again(run_date=date(2026, 11, 20)).folder.scores / "_manifest.json").write_text(
        "{"
    )

    nights_found, copies, *_ = find_old(place())
    assert (nights_found.goes, copies.goes) == (4, 0)
    assert "_manifest.json is damaged" in nights_found.faults[0]
    assert "night.json is damaged" in copies.faults[0] and "move the folder" in copies.faults[0]
    assert nights_found.delete().count == 4
    assert len(Nights(home, "mail", five_nights.url).published()) == 2


def test_row_that_stays_current_is_traced_to_its_input_after_the_prune(five_nights, place, home):
    """To the digest of what the pruned night read, which leads to the night, too."""
    write_source(five_nights.source, 10, first=25)
    job = five_nights.again(run_date=date(2026, 11, 22))
    old = read_manifest(five_nights.again(run_date=date(2026, 11, 21)).folder.scores)["sources"]
    job.run()
    much_later = replace(place(), now=NOW + timedelta(days=9), rules=replace(RULES, nights_keep=1))
    assert prune(much_later)["nights"] == 5

    records = Records(Settings(home=home))
    for asked in ("shop/r3", old["shop"]["content_digest"]):
        (match, *_) = search(records, asked, None)
        told = str(match.open().to_json())
        assert old["shop"]["content_digest"] in told and old["shop"]["request"]["source"] in told
    records.close()


def test_models_that_play_no_role_go(home, place):
    """Neither the champion, the shadow, those before, the newest, a young nor a held one."""
    tags = [f"fraud_detector:{n}" for n in range(9)]
    for n in range(len(tags)):
        folder = store.store_folder(home) / "models" / store.MODEL / str(n)
        folder.mkdir(parents=True)
        for name in (*store.FILES, "model.yaml"):
            (folder / name).write_text(json.dumps({"data": f"{n}" * 64}))
        if n != 7:
            os.utime(folder, (0, 0))
    registry = Registry(home)
    for tag in tags[:2]:
        registry.promote(tag, "good")
    registry.shadow(tags[2])
    (home / FILE).write_text(f"model {tags[3]}\ndigest {'4' * 20}\n")

    assert prune(place()) == {"models": 2}
    assert set(store.tags(home)) == {*tags[:5], *tags[7:]}
    (home / "fraud" / "registry.json").write_text("{")
    with pytest.raises(Exception, match="is damaged"):
        find_old(place())


def _answers(home: Path, url: str) -> None:
    database = Database(url)
    database.prepare()
    answers: list[dict[str, Any]] = []
    for n in range(12):
        row: dict[str, Any] = dict.fromkeys(FRAUD_PREDICTIONS.c.keys())
        at = NOW - timedelta(days=n * 10)
        given = {"request_id": f"r{n}", "transaction_id": f"t{n}", "answered_at": at}
        fixed = {"endpoint": "/score", "model": "m", "probability": 0.1, "threshold": 0.5}
        answers.append(row | given | fixed | {"is_fraud": False, "latency_ms": 1.0})
    label = {"transaction_id": "t11", "is_fraud": True, "labelled_at": NOW - timedelta(days=99)}
    with database.transaction(writes=True) as connection:
        connection.execute(sa.insert(FRAUD_PREDICTIONS), answers)
        connection.execute(sa.insert(FRAUD_LABELS), [label | {"received_at": label["labelled_at"]}])
    database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_old_answers_go_but_for_those_that_are_held(home, place, kind, request, monkeypatch):
    """By transaction or by the answer's own id, portion by portion, on either database."""
    url = place().url if kind == "sqlite" else request.getfixturevalue("fresh_postgres_url")
    monkeypatch.setattr("tasks.operations.retention.rows.PORTION", 2)
    _answers(home, url)
    (home / FILE).write_text("transaction t9\ntransaction r8\n")
    there = Place(home, url, RULES, read_holds(home), NOW)
    assert prune(there) == {"answers": 3, "labels": 1}
    left = {row[0] for row in sql_rows(url, "fraud_predictions")}
    assert len(left) == 9
    assert prune(there) == {}
    delete_in_portions(url, FRAUD_PREDICTIONS, sa.true)
    assert sql_rows(url, "fraud_predictions") == []


def test_old_reports_go(home, place):
    """The newest stays, and those of a night that is held."""
    folder = home / "sentiment" / "reports"
    folder.mkdir(parents=True)
    for name in ("2026-11-01-shop", "2026-11-02-shop", "2026-11-03-shop"):
        (folder / f"{name}.html").write_text("<html>")
        os.utime(folder / f"{name}.html", (int(name[9]), int(name[9])))
    (home / FILE).write_text("night 2026-11-01\n")
    assert prune(place()) == {"reports": 1}
    assert sorted(file.name[:10] for file in folder.iterdir()) == ["2026-11-01", "2026-11-03"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nights 2026-11-22", "'nights' is no kind; use night, model"),
        ("night 2026-13-22", "write it as night 2026-11-22 shop"),
        ("model latest", "write it as model fraud_detector:VERSION"),
        ("digest xyz", "write it as digest and 12 to 64 hexadecimal digits"),
        ("transaction", "write it as transaction 4711"),
    ],
)
def test_wrong_line_of_the_legal_hold_stops_the_prune(home, line, says):
    """It is named by its number."""
    (home / FILE).write_text(f"# of the court\n\n{line}\n")
    with pytest.raises(RetentionError, match=f"{FILE}, line 3: .*{says}") as refused:
        read_holds(home)
    assert not is_transient(refused.value)  # it would be tried again for a minute and a half


def test_one_prune_at_a_time(home, place):
    """The second says who is at work."""
    second = alone(place())
    with alone(place()), pytest.raises(RetentionError, match="another prune is at work"):
        second.__enter__()

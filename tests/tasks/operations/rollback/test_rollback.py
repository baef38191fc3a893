"""`triptych rollback`: there and back again, of each kind, and what it says."""

import json
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from flows.verbs.rollback import COMMAND
from services.fraud.model_storage.registry_storage import STANDING
from services.fraud.scoring import model_check
from services.fraud.scoring.registry import Registry
from services.fraud.transactions.features import FEATURES
from tasks.operations.status.read import read_status
from tasks.operations.troubles import troubles
from tasks.sentiment.run import taking_back
from tasks.sentiment.run.publication import remove_source
from tasks.sentiment.run.taking_back import Nights
from tasks.settings import Settings
from tests.edge.releases import make_release
from tests.tasks.sentiment.run.test_taking_back import in_sql, published
from tests.tasks.sentiment.small_run import Job, write_source


@pytest.fixture
def rollback(tmp_path, monkeypatch, capfd):
    """Does what `triptych rollback` does: status, output, error output."""
    home = tmp_path / "home"
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            COMMAND.run("triptych rollback", arguments)
        output, errors = capfd.readouterr()
        return int(end.value.code or 0), output, errors

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def three_nights(tmp_path: Path) -> Job:
    source = write_source(tmp_path / "shop.csv", 20)
    home = tmp_path / "home"
    job = Job(home=home, source=source, url=f"sqlite:///{home}/triptych.db")
    for day in (20, 21, 22):
        job = job.again(run_date=date(2026, 11, day), model_digest=f"model of {day}")
        job.run()
    return job


def test_night_and_back_again(three_nights, rollback):
    """Dry first, one night, two nights, and all the way back to what it was."""
    files, rows = published(three_nights), in_sql(three_nights)

    status, said, _ = rollback("night", "--dry-run")
    assert (status, said) == (
        0,
        "would be taken back: shop of 2026-11-22\ncurrent night of shop: 2026-11-21\n",
    )
    assert (published(three_nights), in_sql(three_nights)) == (files, rows)

    assert rollback("night")[1].endswith("current night of shop: 2026-11-21\n")
    assert rollback("night", "--to", "2026-11-20")[0] == 0
    status, _, errors = rollback("night")
    assert (status, errors) == (1, "error: shop has no night before 2026-11-20\n")

    status, said, _ = rollback("night", "--to", "2026-11-22")
    assert said.splitlines() == [
        "put back: shop of 2026-11-21",
        "put back: shop of 2026-11-22",
        "current night of shop: 2026-11-22",
    ]
    assert (published(three_nights), in_sql(three_nights)) == (files, rows)


def test_night_that_is_not_there_is_named(three_nights, rollback):
    """With those there are."""
    assert rollback("night", "--to", "2026-11-19")[2] == (
        "error: no night 2026-11-19 of shop: the newest there are"
        " 2026-11-20, 2026-11-21, 2026-11-22\n"
    )
    assert "write it as 2026-11-22" in rollback("night", "--to", "yesterday")[2]
    assert (
        "no night of mail is published; there is shop" in rollback("night", "--source", "mail")[2]
    )


def test_night_that_was_run_again_can_be_had_of_either_run(three_nights, rollback):
    """What was taken back first is named where it may be hidden, and --run leads to it."""
    nights = Nights(three_nights.home, "shop", three_nights.url)
    first = nights.published_run(date(2026, 11, 22))
    assert first is not None and rollback("night")[0] == 0
    three_nights.again(model_digest="another").run()
    second, files = nights.published_run(date(2026, 11, 22)), published(three_nights)

    said = rollback("night")[1].splitlines()
    assert [line.partition(": --to")[2] for line in said[1:3]] == [
        f" 2026-11-22 --run {run[:8]}" for run in (first, str(second))
    ]
    assert rollback("night", "--to", "2026-11-22", "--run", first[:8])[0] == 0
    assert nights.published_run(date(2026, 11, 22)) == first
    status, said, _ = rollback("night", "--to", "2026-11-22", "--run", str(second)[:8])
    assert (status, said.splitlines()[:2]) == (
        0,
        ["taken back: shop of 2026-11-22", "put back: shop of 2026-11-22"],
    )
    assert published(three_nights) == files
    assert (
        "no one run of shop of 2026-11-22 begins so"
        in (rollback("night", "--to", "2026-11-22", "--run", "xyz")[2])
    )
    assert "--to names" in rollback("night", "--run", "xyz")[2]


def test_interrupted_rollback_is_shown_before_it_is_finished(three_nights, rollback, monkeypatch):
    """By the dry run, which changes nothing, and by the status, with what ends it."""

    def killed(folder: Path, source: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(taking_back, "remove_source", killed)
    with pytest.raises(KeyboardInterrupt):
        Nights(three_nights.home, "shop", three_nights.url).take_back(date(2026, 11, 22))
    monkeypatch.undo()
    monkeypatch.setenv("TRIPTYCH_HOME", str(three_nights.home))
    files, rows = published(three_nights), in_sql(three_nights)

    assert rollback("night", "--dry-run")[1].splitlines() == [
        "would be finished first: an interrupted roll-back, which began to take back shop of"
        " 2026-11-22",
        "current night of shop: 2026-11-21",
    ]
    said = rollback("night", "--to", "2026-11-20", "--dry-run")[1].splitlines()
    assert said[1:] == [
        "would be taken back: shop of 2026-11-21",
        "current night of shop: 2026-11-20",
    ]
    status = read_status(Settings(), datetime.now(UTC))
    assert [(each.key, each.cure) for each in troubles(status)] == [
        ("rollback-interrupted:shop/2026-11-22", "triptych rollback night --source shop")
    ]
    with Nights(three_nights.home, "shop", "").alone():  # one that is at work
        assert not read_status(Settings(), datetime.now(UTC)).interrupted
    assert (published(three_nights), in_sql(three_nights)) == (files, rows)

    assert rollback("night")[1].splitlines() == [
        "finished what was interrupted: shop of 2026-11-22",
        "current night of shop: 2026-11-21",
    ]
    assert not read_status(Settings(), datetime.now(UTC)).interrupted


def test_rows_that_cannot_come_back_are_counted(three_nights, rollback):
    """Of several nights together, before and after: what a night in between had unchanged counts
    once."""
    for kind in ("rejected", "scores"):
        remove_source(getattr(three_nights.again(run_date=date(2026, 11, 20)).folder, kind), "shop")
    told = "up to 9 rows of review_sentiment {} no earlier result to come back: nights that may"
    told += " have held them were pruned"
    lost = ("night", "--to", "2026-11-20")
    write_source(three_nights.source, 20, first=10)
    three_nights.again(run_date=date(2026, 11, 23), model_digest="model of 22").run()

    assert told.format("would have") in rollback("night", "--dry-run")[1]
    assert rollback(*lost)[0] == 1  # it is gone
    assert told.format("have") in rollback("night")[1]


def test_damaged_copy_is_told_in_one_line(three_nights, rollback):
    """Before anything changes, and by the status."""
    assert rollback("night")[0] == 0
    (copy,) = Nights(three_nights.home, "shop", three_nights.url).copies()
    (copy.folder / "night.json").write_text("{")
    before = published(three_nights)

    for dry in ((), ("--dry-run",)):
        status, said, errors = rollback("night", *dry)
        assert (status, said, len(errors.splitlines())) == (1, "", 1)
        assert f"error: {copy.folder}/night.json is damaged (" in errors
        assert f"move the folder {copy.folder} away" in errors
    assert published(three_nights) == before
    (trouble,) = troubles(read_status(Settings(), datetime.now(UTC)))
    assert trouble.key == f"night-damaged:{copy.folder}/night.json"
    assert trouble.cure.startswith("bring it back from a back-up; or move the folder")


def test_model_and_back_again(tmp_path, rollback, monkeypatch):
    """The registry is the same but for its history; a block keeps others out, not the way back."""

    able = SimpleNamespace(names=FEATURES)
    monkeypatch.setattr(model_check, "check", lambda tag, models: able)
    registry = Registry(tmp_path / "home")
    for tag in ("fraud_detector:1", "fraud_detector:2"):
        registry.promote(tag, "good")
    before = _standing(registry)

    said = rollback("model", "--dry-run")[1]
    assert said == "champion would be fraud_detector:1, instead of fraud_detector:2\n"
    assert _standing(registry) == before
    registry.block("quality fell")
    assert rollback("model")[1] == "champion is now fraud_detector:1, instead of fraud_detector:2\n"
    for dry in ((), ("--dry-run",)):
        status, _, errors = rollback("model", "--to", "2", *dry)
        assert status == 1 and "promotion is blocked: quality fell" in errors
    registry.unblock()
    assert rollback("model", "--to", "fraud_detector:2")[0] == 0
    assert _standing(registry) == before


def _standing(registry: Registry) -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(registry.storage.read(STANDING) or "")
    return {k: v for k, v in entries.items() if k not in ("changed_at", "reason")}


def test_release_and_back_again(tmp_path, rollback):
    """The channels' content is the same, shares too; what was withdrawn for a fault stays so."""
    home = tmp_path / "home"
    repository = Repository(FolderStorage(home / "releases"), Keys(home / "keys"))
    repository.create()
    for version, share in (("1.0.0", 1.0), ("1.1.0", 1.0), ("1.2.0", 0.25)):
        repository.publish(make_release(version, version.encode()), share=share)
    repository.promote("parts", "1.2.0", "canary")
    before = [repository.releases(channel) for channel in ("stable", "canary")]

    assert rollback("release", "--dry-run")[1] == (
        "would be withdrawn: parts 1.2.0\nnewest of stable: parts 1.1.0\n"
    )
    assert rollback("release")[0] == rollback("release")[0] == 0
    newest = repository.releases("stable")
    assert [one.version for one in newest if one.withdrawn is None] == ["1.0.0"]
    status, said, _ = rollback("release", "--to", "1.2.0")
    assert said.splitlines()[:2] == ["offered again: parts 1.1.0", "offered again: parts 1.2.0"]
    assert [repository.releases(channel) for channel in ("stable", "canary")] == before

    repository.withdraw("parts", "1.2.0", "misses bolts")
    status, _, errors = rollback("release", "--to", "1.2.0")
    assert status == 1 and "no parts 1.2.0 to go back to" in errors


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--to", "1.0.0")])
@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_devices_are_not_sent_to_a_release_that_is_not_whole(tmp_path, rollback, options, fault):
    """It is said which file is at fault, in the dry run too, and no channel changes."""
    home = tmp_path / "home"
    repository = Repository(FolderStorage(home / "releases"), Keys(home / "keys"))
    repository.create()
    for version in ("1.0.0", "1.1.0"):
        repository.publish(make_release(version, version.encode()))
    model = max((home / "releases" / "targets").rglob("*1.0.0*/*model.tflite"))
    model.unlink() if fault == "gone" else model.write_bytes(b"other")
    before = repository.releases("stable")

    status, said, errors = rollback("release", *options)

    assert status == 1 and said == ""
    assert "devices could not take parts 1.0.0" in errors and "model.tflite" in errors
    assert repository.releases("stable") == before

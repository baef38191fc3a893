"""What each panel has made: damaged, truncated, expired, each with its cure."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from edge_detector.slots.slots import Slots

from services.fraud.scoring import store
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from services.fraud.state.snapshot import folder as snapshot_folder
from services.storage.files import file_digest
from tasks.operations.doctor import fraud, sentiment
from tasks.operations.doctor.check import State
from tasks.operations.doctor.device import check_device
from tasks.operations.doctor.nights import check_nights
from tasks.operations.doctor.releases import check_bundled, check_releases
from tests.edge.releases import install, make_release
from tests.tasks.operations.doctor.conftest import put_model
from tests.tasks.operations.doctor.faults import states, the_fault

BUNDLED = Path(__file__).parents[4] / "tasks" / "sentiment" / "models" / "triptych-sentiment"


def cut(file: Path) -> None:
    """Leave half of it, as a copy that was interrupted does."""
    os.truncate(file, file.stat().st_size // 2)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("kind", ["scores", "rejected"])
def test_truncated_partition_is_named_with_the_run_that_makes_it_again(home, kind):
    """Both kinds of rows."""
    (file,) = (home / "sentiment" / kind).rglob("*.parquet")
    cut(file)

    fault = the_fault(check_nights(home))

    assert f"{file} is damaged" in fault.told
    assert "--source-name shop --run-date 2026-11-22 --rescore" in fault.cure


def test_night_without_a_file_or_its_manifest_is_named(home):
    """What vouches for the others, and one that it names."""
    (folder,) = (home / "sentiment" / "scores").glob("run_date=*")
    manifest = (folder / "_manifest.json").read_text()
    next(folder.glob("*.parquet")).unlink()
    assert "is missing" in the_fault(check_nights(home)).told
    (folder / "_manifest.json").write_text(manifest[:100])
    assert "is damaged" in the_fault(check_nights(home)).told
    (folder / "_manifest.json").unlink()
    assert "has no _manifest.json" in the_fault(check_nights(home)).told


def test_run_that_was_interrupted_is_told_and_is_no_fault(home):
    (home / "sentiment" / "staging" / "run_date=2026-11-23" / "shop").mkdir(parents=True)
    checks = list(check_nights(home))
    assert states(checks) == {State.OK}
    assert "shop of 2026-11-23" in checks[-1].told


def test_truncated_sentiment_model_is_named(tmp_path):
    """And one whose bytes are others; the cure goes along."""
    model = shutil.copytree(BUNDLED, tmp_path / "mine")
    cut(model / "model.safetensors")

    fault = sentiment.check_model(model, "bring it back")

    assert (fault.state, fault.cure) == (State.FAULT, "bring it back")
    assert str(model) in fault.told


def test_sentiment_model_that_answers_wrongly_is_named(tmp_path):
    """By its known texts, where no card knows its digest."""
    model = shutil.copytree(BUNDLED, tmp_path / "mine")
    card = json.loads((model / "card.json").read_text())
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = dict(zip("10", config["id2label"].values(), strict=True))
    config["label2id"] = {label: int(n) for n, label in config["id2label"].items()}
    (model / "config.json").write_text(json.dumps(config))
    assert "not those of its card" in sentiment.check_model(model, "x").told
    del card["digest"]
    (model / "card.json").write_text(json.dumps(card))

    assert "its labels are swapped" in sentiment.check_model(model, "x").told


def test_truncated_fraud_model_is_named_with_the_one_to_promote(home, own_folder):
    """The newest earlier one that is whole, or else a new training."""
    file = home / "bentoml" / "models" / "fraud_detector" / "able" / "model.tflite"
    cut(file)
    fault = the_fault(fraud.check_models(Models(home)))
    assert f"the champion fraud_detector:able: model.tflite in {file.parent} is not" in fault.told
    assert fault.cure.startswith("triptych train-fraud; or bring it back from a back-up")

    put_model(home, own_folder, "newer")
    Registry(home).promote("fraud_detector:newer", "a test")
    fault = the_fault(fraud.check_models(Models(home)))
    assert fault.told.startswith("the champion before, fraud_detector:able: model.tflite in")
    assert fault.meaning == "triptych rollback model would be refused"

    Registry(home).promote("fraud_detector:able", "a test")
    fault = the_fault(fraud.check_models(Models(home)))
    assert fault.cure.startswith("triptych manage-models --promote fraud_detector:newer; or")


def test_fraud_model_that_cannot_answer_is_named(home):
    """Also where its digests are right: here one that is no network at all."""
    (fake,) = set(store.tags(home)) - {"fraud_detector:able"}
    Registry(home).shadow(fake)
    fault = the_fault(fraud.check_models(Models(home)))
    assert f"the shadow {fake}: " in fault.told and "is no model for LiteRT" in fault.told
    assert fault.cure.startswith("triptych manage-models --end-shadow")


def test_damaged_registry_is_named_with_what_mends_it(home):
    (home / "fraud" / "registry.json").write_text("{")
    fault = the_fault(fraud.check_models(Models(home)))
    assert "registry.json is damaged" in fault.told
    assert fault.cure.startswith("triptych manage-models --promote fraud_detector:")


def test_damaged_snapshot_is_named_with_what_writes_a_new_one(home):
    """Its file, and what points to it."""
    place = snapshot_folder(home)
    place.mkdir(parents=True)
    told = {"file": "a.parquet", "as_of": 1, "rows": 1, "digest": "0" * 64}
    (place / "current.json").write_text(json.dumps(told))
    assert "a.parquet: No such file" in the_fault(fraud.check_snapshot(home)).told
    (place / "a.parquet").write_bytes(b"others")
    assert "is not what was written" in the_fault(fraud.check_snapshot(home)).told
    (place / "current.json").write_text("{")
    assert the_fault(fraud.check_snapshot(home)).cure == "triptych audit-fraud writes a new one"


def test_expired_timestamp_is_named_with_the_command_that_renews(home, settings):
    """In time it is told as well: half a day before."""
    assert states(check_releases(settings, now())) == {State.OK}
    soon = the_fault(check_releases(settings, now() + timedelta(days=3) - timedelta(hours=6)))
    assert "the signature of timestamp expires soon" in soon.told

    fault = the_fault(check_releases(settings, now() + timedelta(days=4)))

    assert "the signature of timestamp has expired" in fault.told
    assert fault.cure.startswith("triptych manage-releases --renew")


def test_truncated_release_is_named_with_its_file(home, settings):
    (file,) = (home / "releases" / "targets").rglob("*.model.tflite")
    cut(file)

    fault = the_fault(check_releases(settings, now()))

    assert f"parts 1.2.3: {file} is damaged" in fault.told
    assert "triptych rollback release --name parts" in fault.cure


def test_metadata_that_nobody_trusted_has_signed_is_named(home, settings):
    """A byte of the snapshot, and a timestamp of other keys."""
    file = home / "releases" / "metadata" / "timestamp.json"
    told = json.loads(file.read_text())
    told["signed"]["version"] += 1
    file.write_text(json.dumps(told))
    fault = the_fault(check_releases(settings, now()))
    assert "timestamp" in fault.told and "back-up" in fault.cure


def test_keys_that_lie_elsewhere_are_told_and_are_no_fault(home, settings):
    """Those of root belong into a drawer."""
    for file in (home / "keys").glob("root-*.pem"):
        file.unlink()
    checks = list(check_releases(settings, now()))
    assert states(checks) == {State.OK}
    assert "all but root" in checks[-1].told
    (home / "keys" / "timestamp-1.pem").write_text("no key")
    assert "is no private key" in the_fault(check_releases(settings, now())).told


def test_damaged_release_on_the_device_is_named_with_what_fetches_it(home, settings):
    release = make_release("1.2.3")
    slots = Slots(home / "device")
    slot = install(slots, release.manifest, release.files)
    slots.activate(slot)
    assert states(check_device(settings, now())) == {State.OK}
    cut(slot.model_path)

    fault = the_fault(check_device(settings, now()))

    assert str(slot.model_path) in fault.told
    assert fault.cure.startswith("python -m edge_detector update --home ")


def test_device_that_trusts_another_root_is_told(home, settings):
    """As after a publisher that began anew."""
    trust = home / "device" / "trust"
    trust.mkdir(parents=True)
    root = home / "releases" / "metadata" / "1.root.json"
    (trust / "pin.json").write_text(json.dumps({"sha256": file_digest(root)}))
    assert State.FAULT not in states(check_device(settings, now()))
    (trust / "pin.json").write_text(json.dumps({"sha256": "0" * 64}))

    fault = the_fault(check_device(settings, now()))

    assert "trusts the root 000000000000…" in fault.told and fault.cure.endswith(f"--root {root}")


def test_truncated_bundled_detector_is_named(tmp_path):
    source = Path(__file__).parents[4] / "edge" / "release" / "models" / "triptych-parts"
    file = shutil.copyfile(source / "model.keras", tmp_path / "model.keras")
    assert check_bundled(file).state is State.OK
    cut(file)
    assert "is damaged" in the_fault([check_bundled(file)]).told

"""Files of a home folder, as the first `make demo` of this form left them, are read as ever.

Other versions wrote them, and a device may hold them for years: a form that changes has to be read
in its old form too. `tests/old_home.sh` goes through a whole home.
"""

from pathlib import Path

from edge_detector.slots.state import State
from edge_detector.updates.journal import Journal

from services.fraud.model_storage.standing import Standing
from services.fraud.scoring.registry import Registry
from services.fraud.state.snapshot import read_pointer
from tasks.sentiment.run.publication import read_manifest
from tasks.sentiment.run.scoring_run import Request

STATE = b"""{
  "format": 1,
  "current": "triptych-parts-1.0.0-14175c65ac97",
  "previous": null,
  "activated_at": "2026-11-28T17:41:47+00:00",
  "trial": {
    "boot_id": null,
    "started_at": null,
    "crashes": 0,
    "power_cuts": 0
  },
  "refused": {
    "triptych-parts-0.9.0-000000000000": {
      "name": "triptych-parts",
      "version": "0.9.0",
      "reason": "it failed its self-test",
      "at": "2026-11-27T17:41:47+00:00"
    }
  }
}
"""
JOURNAL = """{
  "releases": "/var/releases",
  "channel": "stable",
  "refreshed_at": "2026-11-28T17:41:48+00:00",
  "tried_at": "2026-11-28T17:41:48+00:00",
  "error": null,
  "found": "triptych-parts 1.0.0 is up to date"
}
"""
REGISTRY = """{
 "champion": "fraud_detector:20261128-173547-427816",
 "previous": [
  "fraud_detector:20261121-173547-427816"
 ],
 "shadow": null,
 "changed_at": "2026-11-28T17:35:48.463755+00:00",
 "reason": "passed the gate"
}
"""
POINTER = (
    '{"file": "20261127T235959Z-8f623b5c.parquet", "as_of": 1795823999, "rows": 364174,'
    ' "digest": "8f623b5c47d20cf69d548d5259e637518963baba1992585eda0ee90b4a0a0566",'
    ' "since": 1792540800, "labelled_until": 1795823999}'
)
MANIFEST = (
    '{"sources": {"demo": {"run_id": "312ff8d7", "request_digest": "90354f22315b34c3",'
    ' "files": ["part-demo-00000.parquet"]}}}'
)


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_device_keeps_its_release_and_writes_what_the_version_before_can_read():
    """A device may go back to the software that it had."""
    state = State.from_json(STATE)

    assert state.current == "triptych-parts-1.0.0-14175c65ac97"
    assert state.to_json() == STATE


def test_device_knows_when_it_last_reached_its_repository(tmp_path):
    """In the words of the version that was there."""
    file = written(tmp_path / "updates.json", JOURNAL)

    journal = Journal.read(tmp_path)
    assert journal.found == "triptych-parts 1.0.0 is up to date"
    journal.write(tmp_path)
    assert file.read_text() == JOURNAL


def test_champion_stays_champion(tmp_path):
    """With the one to go back to."""
    written(tmp_path / "fraud" / "registry.json", REGISTRY)

    assert Registry(tmp_path).read() == Standing(
        champion="fraud_detector:20261128-173547-427816",
        previous=("fraud_detector:20261121-173547-427816",),
        changed_at="2026-11-28T17:35:48.463755+00:00",
        reason="passed the gate",
    )


def test_state_of_the_service_starts_from_the_snapshot_that_is_there(tmp_path):
    """The pointer names it, wherever the home lies."""
    written(tmp_path / "fraud" / "snapshots" / "current.json", POINTER)

    pointer = read_pointer(tmp_path)

    assert pointer is not None and pointer.rows == 364_174
    assert pointer.file == tmp_path / "fraud" / "snapshots" / "20261127T235959Z-8f623b5c.parquet"


def test_scores_of_the_night_answer_the_same_request(tmp_path):
    """By its digest: else everything would be read again, and nothing be "nothing to do"."""
    written(tmp_path / "_manifest.json", MANIFEST)
    request = Request(
        source="tasks/sentiment/demo/reviews.csv",
        text_column="review",
        id_column="review_id",
        carry=("product", "stars"),
        group_column="written_on",
        encoding="utf-8",
        rows_per_part=2_000,
        model="triptych-sentiment",
        model_revision=None,
        model_digest="0ed506d4c4c68363f82a786d150b8dc01af0aeb6c8d28def3d70050663ce9d8c",
        precision="auto",
        keep_null_words=False,
        reject_unknown_text=False,
    )

    entry = read_manifest(tmp_path)["sources"]["demo"]

    assert entry["request_digest"] == request.digest

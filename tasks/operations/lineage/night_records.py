"""What the manifest of a published night said, kept for `trace` when the night itself is pruned.

Rows that it scored stay current in SQL for as long as nothing newer is known of their reviews.
These files lie in `lineage/` of the home folder, one for each run.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from services.storage.files import write_text
from tasks.operations.lineage.model_records import read_object

_LEFT_OUT = ("files", "histogram")  # are gone; is in SQL


def remember_night(home: Path, source: str, run_date: date, entry: Mapping[str, Any]) -> None:
    """Keep an entry of a manifest. Raises: OSError: it cannot be written."""
    kept = {name: value for name, value in entry.items() if name not in _LEFT_OUT}
    record = {"kind": "night", "source": source, "run_date": str(run_date), "entry": kept}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    write_text(_folder(home) / f"night-{entry['run_id']}.json", text + "\n")


def remembered_night(home: Path, run_id: str) -> Mapping[str, Any]:
    """The entry of a run; empty where none was kept, or it cannot be read."""
    return _entry(_folder(home) / f"night-{run_id}.json")


def remembered_nights(home: Path) -> Iterator[Mapping[str, Any]]:
    """All entries that were kept."""
    for file in sorted(_folder(home).glob("night-*.json")):
        if entry := _entry(file):
            yield entry


def _entry(file: Path) -> Mapping[str, Any]:
    entry = (read_object(file) or {}).get("entry")
    return entry if isinstance(entry, dict) else {}


def _folder(home: Path) -> Path:
    return home / "lineage"

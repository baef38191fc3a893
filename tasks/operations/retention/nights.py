"""Old nights: their scores and rejected rows in Parquet, and their rejected rows in SQL.

What SQL says of each review is current whenever it was scored, and stays; so do the rows of runs.
"""

import json
import shutil
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.operations.retention.kind import Found, Place, size_of
from tasks.operations.retention.rows import delete_in_portions
from tasks.sentiment.errors import RunConflict
from tasks.sentiment.run.publication import changing, read_manifest, remove_source
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.taking_back import Nights, sources_of
from tasks.sentiment.sql.tables import REJECTED_REVIEWS


def old_nights(place: Place) -> Found:
    """The published nights, but for the newest of each source."""
    there, old = 0, []
    until = place.before(place.rules.nights_days).date()
    for source in sources_of(place.home):
        nights = Nights(place.home, source, place.url).published()
        there += len(nights)
        for night in nights[: -place.rules.nights_keep]:
            folder = RunFolder(place.home, source, night)
            if night < until and not _is_held(place, folder):
                old.append(folder)
    freed = sum(
        size_of([files / name for name in _entry(files, folder.source).get("files", ())])
        for folder in old
        for files in (folder.scores, folder.rejected)
    )
    return Found("nights", there, len(old), freed, partial(_delete_nights, place, old, until))


def old_taken_back(place: Place) -> Found:
    """Nights that were taken back; the roll-back's reach is as long as they are kept."""
    folders = sorted((place.home / "sentiment" / "taken_back").glob("run_date=*/*/night.json"))
    until = place.before(place.rules.taken_back_days).timestamp()
    old = []
    for file in folders:
        night = date.fromisoformat(file.parent.parent.name.removeprefix("run_date="))
        text = file.read_text("utf-8")
        known = json.loads(text)
        held = place.holds.has_night(night, known["source"]) or place.holds.has_digest_in([text])
        if file.stat().st_mtime < until and not held and known["state"] == "aside":
            old.append(file.parent)

    def delete() -> None:
        for folder in old:
            (folder / "night.json").unlink(missing_ok=True)  # first: the rest counts for nothing
            shutil.rmtree(folder, ignore_errors=True)

    return Found("nights taken back", len(folders), len(old), size_of(old), delete)


def _delete_nights(place: Place, old: list[RunFolder], until: date) -> None:
    for folder in old:
        with suppress(RunConflict), folder.lock():  # one that is at work is left alone
            table = REJECTED_REVIEWS
            own = sa.and_(table.c.source == folder.source, table.c.run_date == folder.run_date)
            delete_in_portions(place.url, table, own)
            with changing(folder):
                remove_source(folder.rejected, folder.source)
                remove_source(folder.scores, folder.source)
    for kind in ("scores", "rejected"):  # the state before, kept for readers that had begun
        for hidden in (place.home / "sentiment" / kind).glob(".run_date=*"):
            with suppress(ValueError):
                if date.fromisoformat(hidden.name[len(".run_date=") :].split(".")[0]) < until:
                    _delete_state_before(place, hidden)


def _delete_state_before(place: Place, hidden: Path) -> None:
    night = date.fromisoformat(hidden.name[len(".run_date=") :].split(".")[0])
    published = hidden.with_name(f"run_date={night}")
    if hidden.suffix == ".old" and not published.exists():
        return  # of a publication that was killed: the next one puts it in place
    with changing(RunFolder(place.home, "", night)):
        shutil.rmtree(hidden, ignore_errors=True)


def _is_held(place: Place, folder: RunFolder) -> bool:
    entry = _entry(folder.scores, folder.source)
    return place.holds.has_night(folder.run_date, folder.source) or place.holds.has_digest_in(
        [str(entry)]
    )


def _entry(folder: Path, source: str) -> dict[str, Any]:
    entry: dict[str, Any] = read_manifest(folder)["sources"].get(source, {})
    return entry

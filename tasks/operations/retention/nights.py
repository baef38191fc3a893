"""Old nights: their scores and rejected rows in Parquet, and their rejected rows in SQL.

What SQL says of each review is current whenever it was scored, and stays; so do the rows of runs,
and what the manifest said of the input that they read.
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.operations.lineage.night_records import remember_night
from tasks.operations.retention.kind import Found, Gone, Place, size_of
from tasks.operations.retention.rows import delete_in_portions
from tasks.sentiment.errors import PublicationError, RunConflict
from tasks.sentiment.run.publication import changing, read_manifest, remove_source
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.taken_back import Copy, copy_folders, read_copy, sources_of
from tasks.sentiment.run.taking_back import Nights
from tasks.sentiment.sql.tables import REJECTED_REVIEWS


def old_nights(place: Place) -> Found:
    """The published nights, but for the newest of each source; of a source one of whose manifests
    is damaged, none."""
    there, old, faults = 0, [], []
    until = place.before(place.rules.nights_days).date()
    for source in sources_of(place.home):
        try:
            nights = Nights(place.home, source, place.url).published()
        except PublicationError as error:
            faults.append(str(error))
            continue
        there += len(nights)
        for night in nights[: -place.rules.nights_keep]:
            folder = RunFolder(place.home, source, night)
            if night < until and not _is_held(place, folder):
                old.append(folder)
    delete = partial(_delete_each, [partial(_delete_night, place, folder) for folder in old])

    def delete_all() -> Gone:
        gone = delete()
        _delete_states_before(place, until)
        return gone

    freed = sum(_size(folder) for folder in old)
    return Found("nights", there, len(old), freed, delete_all, tuple(faults))


def old_taken_back(place: Place) -> Found:
    """Nights that were taken back; the roll-back's reach is as long as they are kept."""
    folders = copy_folders(place.home)
    until = place.before(place.rules.taken_back_days).timestamp()
    old, faults = [], []
    for folder in folders:
        try:
            copy = _old_copy(place, folder, until)
        except PublicationError as error:
            faults.append(str(error))
            continue
        if copy is not None:
            old.append(copy)
    delete = partial(_delete_each, [partial(_delete_copy, place, copy, until) for copy in old])
    freed = size_of([copy.folder for copy in old])
    return Found("nights taken back", len(folders), len(old), freed, delete, tuple(faults))


def _delete_each(deletions: list[Callable[[], int | None]]) -> Gone:
    """Each returns the bytes that it freed, or None: what it was for stays."""
    freed, left = [], []
    for delete in deletions:
        try:
            if (size := delete()) is not None:
                freed.append(size)
        except RunConflict as error:  # at work: left alone until the next prune
            left.append(str(error))
        except PublicationError as error:
            left.append(str(error))
    return Gone(len(freed), sum(freed), tuple(left))


def _delete_night(place: Place, folder: RunFolder) -> int | None:
    def rows() -> sa.ColumnElement[bool]:
        table = REJECTED_REVIEWS.c
        own = sa.and_(table.source == folder.source, table.run_date == folder.run_date)
        return sa.false() if _is_held(place.now_held(), folder) else own

    with folder.lock():
        delete_in_portions(place.url, REJECTED_REVIEWS, rows)
        size = _size(folder)
        with changing(folder, place.scores_url):
            if _is_held(place.now_held(), folder):
                return None
            if entry := _entry(folder.scores, folder.source):
                remember_night(place.home, folder.source, folder.run_date, entry)
            remove_source(folder.rejected, folder.source)
            remove_source(folder.scores, folder.source)
    return size


def _delete_states_before(place: Place, until: date) -> None:
    """The states before of old nights, kept for readers that had begun."""
    for kind in ("scores", "rejected"):
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


def _old_copy(place: Place, folder: Path, until: float) -> Copy | None:
    """The copy in a folder if it may go."""
    copy = read_copy(folder)
    if copy is None or copy.state != "aside":
        return None
    held = place.holds.has_night(copy.run_date, copy.source)
    if held or place.holds.has_digest_in([str(copy.known)]):
        return None
    return copy if copy.noted_at < until else None


def _delete_copy(place: Place, copy: Copy, until: float) -> int | None:
    with RunFolder(place.home, copy.source, copy.run_date).lock():
        if _old_copy(place.now_held(), copy.folder, until) is None:
            return None
        size = size_of([copy.folder])
        copy.delete()
    return size


def _is_held(place: Place, folder: RunFolder) -> bool:
    entry = _entry(folder.scores, folder.source)
    return place.holds.has_night(folder.run_date, folder.source) or place.holds.has_digest_in(
        [str(entry)]
    )


def _size(folder: RunFolder) -> int:
    """The bytes of a published night; what has a damaged manifest counts for nothing."""
    total = 0
    for files in (folder.scores, folder.rejected):
        with suppress(PublicationError):
            names = _entry(files, folder.source).get("files", ())
            total += size_of([files / name for name in names])
    return total


def _entry(folder: Path, source: str) -> dict[str, Any]:
    entry: dict[str, Any] = read_manifest(folder)["sources"].get(source, {})
    return entry

"""Taking a published night back, and putting it back: Parquet and SQL together.

What is taken back lies aside, whole, in `sentiment/taken_back/run_date=…/SOURCE.RUN/`: its files,
what SQL held of it, and `night.json`, which comes last and says how far things are:

    leaving     everything lies aside; SQL first, then Parquet, then the bucket is being changed
    aside       the night is taken back
    returning   SQL first, then Parquet, then the bucket is being changed to what it was

Each change may be made twice, so a process that is killed in the middle is followed by one that
goes on: `finish` does. In SQL each review gets the row of the newest night before that had it. A
night that is run again and taken back again lies aside twice; no copy takes the place of another.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.storage.exchange import exchange
from services.storage.files import sync_folder
from tasks.sentiment.errors import PublicationError
from tasks.sentiment.run.publication import (
    changing,
    is_whole,
    place,
    read_manifest,
    remove_source,
    restore_source,
)
from tasks.sentiment.run.published_rows import as_record, rows_of_reviews
from tasks.sentiment.run.run_folder import RunFolder, locked, write_json
from tasks.sentiment.run.taken_back import (
    KINDS,
    STATE,
    Copy,
    check_whole,
    copy_folders,
    date_of,
    dated_folders,
    has_files_of,
    read_copy,
    read_rows,
    write_rows,
)
from tasks.sentiment.sql.nights import REJECTED_NAMES, SCORE_NAMES, Batches, NightRows

PATIENCE_S = 2.0  # for somebody who only looks whether a roll-back is at work

_ID = SCORE_NAMES.index("review_id")


@dataclass(frozen=True)
class Nights:
    """The nights of a source. `home` is absolute; `url` is the warehouse's, `scores_url` that of
    the bucket that follows, if there is one.

    Every method raises PublicationError where a file that says how things stand is damaged.
    """

    home: Path
    source: str
    url: str
    scores_url: str | None = None

    def published(self) -> list[date]:
        """Run dates that are published, the oldest first."""
        dates = map(date_of, dated_folders(self.home / "sentiment" / "scores"))
        return [run_date for run_date in dates if self.published_run(run_date) is not None]

    def published_run(self, run_date: date) -> str | None:
        """The run that published the night; None: it is not published."""
        there = self._folder(run_date)
        try:
            entry = read_manifest(there.scores)["sources"].get(self.source)
        except PublicationError:
            if has_files_of(there):
                raise
            return None  # a matter of other sources
        return str(entry["run_id"]) if entry is not None else None

    def copies(self) -> list[Copy]:
        """All that lies aside, or is on its way, by date and by when it was taken back."""
        slug = self._folder(date.min).slug
        found = [read_copy(folder) for folder in copy_folders(self.home, slug)]
        mine = [copy for copy in found if copy is not None]
        return sorted(mine, key=lambda copy: (copy.run_date, copy.taken_back_at))

    def aside(self) -> list[date]:
        """Run dates that are taken back and could return, the oldest first."""
        return sorted({copy.run_date for copy in self.copies() if copy.state == "aside"})

    def unfinished(self) -> list[Copy]:
        """What an earlier process was killed in, or one that is at work is doing."""
        return [copy for copy in self.copies() if copy.state != "aside"]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other roll-backs of the source out; refuse while a run of it is at work.

        Raises: RunConflict: another process is at work.
        """
        with self.alone(PATIENCE_S):
            for run_date in self._rows(date.min).running():
                with self._folder(run_date).lock():
                    pass  # a run that was killed
            yield

    @contextmanager
    def alone(self, patience_s: float = 0.0) -> Iterator[None]:
        """Keep other roll-backs of the source out. Raises: RunConflict: one is at work."""
        slug = self._folder(date.min).slug
        with locked(self.home / "sentiment" / "locks" / f"rollback-{slug}.lock", patience_s):
            yield

    def finish(self) -> list[Copy]:
        """Go on where an earlier process was killed; what this was about, as it stood."""
        unfinished = self.unfinished()
        for copy in unfinished:
            with self._folder(copy.run_date).lock():
                self._leave(copy) if copy.state == "leaving" else self._return(copy)
        return unfinished

    def take_back(self, run_date: date) -> Copy:
        """Take back the newest published night; what lies aside now.

        Raises: PublicationError: files of it are gone, or the database does not know it.
        """
        with self._folder(run_date).lock():
            return self._leave(self._lay_aside(run_date))

    def put_back(self, run_date: date, run_id: str | None = None) -> None:
        """Put a night back as it was. run_id: of which run; by default what was taken back last.

        Raises: PublicationError: it was run again meanwhile, or does not lie aside, whole.
        """
        with self._folder(run_date).lock():
            if self.published_run(run_date) is not None:
                raise PublicationError(
                    f"{self.source} of {run_date} was run again since it was taken back"
                )
            found = [c for c in self.copies() if c.run_date == run_date and c.state == "aside"]
            mine = [copy for copy in found if run_id in (None, copy.run_id)]
            if not mine:
                raise PublicationError(f"{self.source} of {run_date} does not lie aside")
            check_whole(mine[-1])
            self._return(mine[-1].note("returning"))

    def lost_by(self, leaving: Sequence[date]) -> int:
        """How many rows SQL would lack if these nights were taken back, as nights that may have
        held them are gone.

        leaving: the newest published nights.
        """
        lost, moved = 0, {night: list[str]() for night in leaving}
        for night in sorted(leaving, reverse=True):
            known = {row[_ID] for rows in self._rows(night).scores() for row in rows}
            known |= {*moved[night]}
            before, there = self._before(night, pa.array(sorted(known), pa.string())), 0
            for records in before:
                there += len(records)
                for record in records:
                    row = dict(zip(SCORE_NAMES, record, strict=True))
                    if row["run_date"] in moved:  # a row that a later night had as it was
                        moved[row["run_date"]].append(row["review_id"])
            lost += self._lost(night, len(known) - there)
        return lost

    def _lost(self, run_date: date, without_result: int) -> int:
        """Of rows that no night before has: all, if one is gone that may have had them."""
        published = self.published()
        earlier = [each for each in self._rows(run_date).finished_dates() if each < run_date]
        return without_result if set(earlier) - set(published) else 0

    def _lay_aside(self, run_date: date) -> Copy:
        folder, rows = self._folder(run_date), self._rows(run_date)
        entries = self._entries(folder)
        runs, run_id = rows.finished_runs(), entries["scores"]["run_id"]
        if run_id not in runs:
            raise PublicationError(
                f"the database does not know run {run_id} of {self.source}:"
                f" is TRIPTYCH_DATABASE_URL the one that {run_date} was loaded into?"
            )
        target = self._place(run_date, run_id)
        new = target.with_name(f".{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for kind in KINDS:
            (new / kind).mkdir(parents=True)
            for name in entries[kind]["files"]:
                place(getattr(folder, kind) / name, new / kind / name)
            sync_folder(new / kind)
        ids = write_rows(new / "sql-scores.parquet", SCORE_NAMES, rows.scores())
        write_rows(new / "sql-rejected.parquet", REJECTED_NAMES, rows.rejected())
        before = write_rows(new / "sql-before.parquet", SCORE_NAMES, self._before(run_date, ids))
        known = {
            "state": "leaving",
            "source": self.source,
            "taken_back_at": datetime.now(UTC).isoformat(),
            "lost": self._lost(run_date, len(ids) - len(before)),
            "runs": runs,
            "entries": entries,
            "orders": {kind: list(_sources(getattr(folder, kind))) for kind in KINDS},
        }
        write_json(new / STATE, known)
        exchange(new, target)
        sync_folder(target.parent)
        shutil.rmtree(new, ignore_errors=True)
        return Copy(target, run_date, known)

    def _entries(self, folder: RunFolder) -> dict[str, Any]:
        """What the manifests say of the night, whose files are all there."""
        entries = {}
        for kind in KINDS:
            there = getattr(folder, kind)
            entry = _sources(there).get(self.source)
            if entry is None or not is_whole(there, entry):
                raise PublicationError(
                    f"{there} lacks files of {self.source}: run it of {folder.run_date} again first"
                )
            entries[kind] = entry
        return entries

    def _leave(self, copy: Copy) -> Copy:
        before = read_rows(copy.folder / "sql-before.parquet")
        self._rows(copy.run_date).take_out(copy.runs, before)
        folder = self._folder(copy.run_date)
        with changing(folder, self.scores_url):
            for kind in reversed(KINDS):
                published = _sources(getattr(folder, kind)).get(self.source)
                if published is not None and published["run_id"] == copy.run_id:
                    remove_source(getattr(folder, kind), self.source)
        return copy.note("aside")

    def _return(self, copy: Copy) -> None:
        aside, entries = copy.folder, copy.known["entries"]
        scores, rejected = (read_rows(aside / f"sql-{kind}.parquet") for kind in reversed(KINDS))
        self._rows(copy.run_date).put_back(copy.runs, scores, rejected)
        folder = self._folder(copy.run_date)
        with changing(folder, self.scores_url):
            for kind in KINDS:
                there = getattr(folder, kind)
                if self.source not in _sources(there):
                    files = {name: aside / kind / name for name in entries[kind]["files"]}
                    order = copy.known["orders"][kind]
                    restore_source(there, self.source, files, entries[kind], order)
        copy.delete()

    def _before(self, run_date: date, ids: pa.Array) -> Batches:
        """What the nights before say of these reviews, as rows of SQL; the newest one counts."""
        known = self._rows(run_date).run_dates()
        for earlier in reversed([d for d in self.published() if d < run_date]):
            there = self._folder(earlier).scores
            found = []
            for name in _parts_of(_sources(there)[self.source]) if len(ids) else ():
                for part in rows_of_reviews(there / name, ids):
                    found.append(part["review_id"])
                    yield [as_record(row, known, earlier) for row in part.to_pylist()]
            if found:
                seen = pa.chunked_array(found).combine_chunks()
                ids = ids.filter(pc.invert(pc.is_in(ids, value_set=seen)))

    def _folder(self, run_date: date) -> RunFolder:
        return RunFolder(self.home, self.source, run_date)

    def _rows(self, run_date: date) -> NightRows:
        return NightRows(self.url, self.source, run_date)

    def _place(self, run_date: date, run_id: str) -> Path:
        folder = self._folder(run_date)
        aside = self.home / "sentiment" / "taken_back" / folder.scores.name
        return aside / f"{folder.slug}.{run_id}"


def _parts_of(entry: dict[str, Any]) -> list[str]:
    return [name for name in entry["files"] if name.startswith("part-")]


def _sources(folder: Path) -> dict[str, Any]:
    sources: dict[str, Any] = read_manifest(folder)["sources"]
    return sources

"""Taking a published night back, and putting it back: Parquet and SQL together.

What is taken back lies aside, whole, in `sentiment/taken_back/run_date=…/SOURCE/`: its files, what
SQL held of it, and `night.json`, which comes last and says how far things are:

    leaving     everything lies aside; SQL first, then Parquet is being changed
    aside       the night is taken back
    returning   SQL first, then Parquet is being changed to what it was

Each change may be made twice, so a process that is killed in the middle is followed by one that
goes on: `finish` does. In SQL each review gets the result of the newest night before that had it;
its text is not known there, so that the next run scores it anew.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.storage.exchange import exchange
from services.storage.files import sync_folder
from tasks.sentiment.errors import PublicationError
from tasks.sentiment.run.partitions import OF_NEUTRAL, SCORES
from tasks.sentiment.run.publication import (
    changing,
    is_whole,
    place,
    read_manifest,
    remove_source,
    restore_source,
)
from tasks.sentiment.run.run_folder import RunFolder, locked, write_json
from tasks.sentiment.sql.nights import REJECTED_NAMES, SCORE_NAMES, Batches, NightRows

STATE = "night.json"
KINDS = ("rejected", "scores")  # in the order in which they are published
_TIME = pa.timestamp("us", tz="UTC")
_OF_COLUMN = {"run_date": pa.date32(), "row_number": pa.int64(), "scored_at": _TIME}
_FLOATS = ("score", "positive_probability", "neutral_probability")


def _schema(names: Sequence[str]) -> pa.Schema:
    kinds = {**_OF_COLUMN, **dict.fromkeys(_FLOATS, pa.float64())}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


@dataclass(frozen=True)
class Nights:
    """The nights of a source. `home` is absolute; `url` is the warehouse's."""

    home: Path
    source: str
    url: str

    def published(self) -> list[date]:
        """Run dates that are published, the oldest first."""
        folder = self.home / "sentiment" / "scores"
        return [d for d in _dates(folder) if self.source in _sources(folder, d)]

    def aside(self) -> list[date]:
        """Run dates that are taken back and could return, the oldest first."""
        folder = self.home / "sentiment" / "taken_back"
        return [d for d in _dates(folder) if self._state(d).get("state") == "aside"]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other roll-backs of the source out; refuse while a run of it is at work.

        Raises: RunConflict: another process is at work.
        """
        slug = RunFolder(self.home, self.source, date.min).slug
        with locked(self.home / "sentiment" / "locks" / f"rollback-{slug}.lock"):
            for run_date in self._rows(date.min).running():
                with self._folder(run_date).lock():
                    pass  # a run that was killed
            yield

    def finish(self) -> list[date]:
        """Go on where an earlier process was killed; the run dates that this was about."""
        unfinished = []
        for run_date in _dates(self.home / "sentiment" / "taken_back"):
            state = self._state(run_date).get("state")
            if state in ("leaving", "returning"):
                with self._folder(run_date).lock():
                    self._leave(run_date) if state == "leaving" else self._return(run_date)
                unfinished.append(run_date)
        return unfinished

    def take_back(self, run_date: date) -> None:
        """Take back the newest published night.

        Raises: PublicationError: files of it are gone, or the database does not know it.
        """
        with self._folder(run_date).lock():
            self._lay_aside(run_date)
            self._leave(run_date)

    def put_back(self, run_date: date) -> None:
        """Put a night back as it was.

        Raises: PublicationError: it was run again meanwhile.
        """
        with self._folder(run_date).lock():
            if run_date in self.published():
                raise PublicationError(
                    f"{self.source} of {run_date} was run again since it was taken back"
                )
            self._note(run_date, "returning")
            self._return(run_date)

    def _lay_aside(self, run_date: date) -> None:
        folder, rows = self._folder(run_date), self._rows(run_date)
        entries, orders = {}, {}
        target = self._aside(run_date)
        new = target.with_name(f".{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for kind in KINDS:
            there = getattr(folder, kind)
            sources = read_manifest(there)["sources"]
            entry = sources.get(self.source)
            if entry is None or not is_whole(there, entry):
                raise PublicationError(
                    f"{there} lacks files of {self.source}: run it of {run_date} again first"
                )
            entries[kind], orders[kind] = entry, list(sources)
            (new / kind).mkdir(parents=True)
            for name in entry["files"]:
                place(there / name, new / kind / name)
            sync_folder(new / kind)
        runs = rows.finished_runs()
        if entries["scores"]["run_id"] not in runs:
            raise PublicationError(
                f"the database does not know run {entries['scores']['run_id']} of {self.source}:"
                f" is TRIPTYCH_DATABASE_URL the one that {run_date} was loaded into?"
            )
        ids = _write(new / "sql-scores.parquet", SCORE_NAMES, rows.scores())
        _write(new / "sql-rejected.parquet", REJECTED_NAMES, rows.rejected())
        _write(new / "sql-before.parquet", SCORE_NAMES, self._before(run_date, ids))
        state = {"state": "leaving", "source": self.source, "runs": runs}
        write_json(new / STATE, {**state, "entries": entries, "orders": orders})
        exchange(new, target)
        sync_folder(target.parent)
        shutil.rmtree(new, ignore_errors=True)

    def _leave(self, run_date: date) -> None:
        aside, state = self._aside(run_date), self._state(run_date)
        before = _read(aside / "sql-before.parquet")
        self._rows(run_date).take_out(state["runs"], before)
        folder = self._folder(run_date)
        with changing(folder):
            for kind in reversed(KINDS):
                there, entry = getattr(folder, kind), state["entries"][kind]
                published = read_manifest(there)["sources"].get(self.source)
                if published is not None and published["run_id"] == entry["run_id"]:
                    remove_source(there, self.source)
        self._note(run_date, "aside")

    def _return(self, run_date: date) -> None:
        aside, state = self._aside(run_date), self._state(run_date)
        scores, rejected = (_read(aside / f"sql-{kind}.parquet") for kind in ("scores", "rejected"))
        self._rows(run_date).put_back(state["runs"], scores, rejected)
        folder = self._folder(run_date)
        with changing(folder):
            for kind in KINDS:
                there, entry = getattr(folder, kind), state["entries"][kind]
                if self.source not in read_manifest(there)["sources"]:
                    files = {name: aside / kind / name for name in entry["files"]}
                    restore_source(there, self.source, files, entry, state["orders"][kind])
        (aside / STATE).unlink()  # first: without it the rest counts for nothing
        shutil.rmtree(aside)

    def _before(self, run_date: date, ids: pa.Array) -> Batches:
        """What the nights before say of these reviews, as rows of SQL; the newest one counts."""
        known, folder = self._rows(run_date).run_dates(), self.home / "sentiment" / "scores"
        for earlier in reversed([d for d in self.published() if d < run_date]):
            there = self._folder(earlier).scores
            found = []
            for name in _sources(folder, earlier)[self.source]["files"] if len(ids) else ():
                for part in _of_reviews(there / name, ids):
                    found.append(part["review_id"])
                    yield [_as_record(row, known, earlier) for row in part.to_pylist()]
            if found:
                seen = pa.chunked_array(found).combine_chunks()
                ids = ids.filter(pc.invert(pc.is_in(ids, value_set=seen)))

    def _folder(self, run_date: date) -> RunFolder:
        return RunFolder(self.home, self.source, run_date)

    def _rows(self, run_date: date) -> NightRows:
        return NightRows(self.url, self.source, run_date)

    def _aside(self, run_date: date) -> Path:
        folder = self._folder(run_date)
        return self.home / "sentiment" / "taken_back" / folder.scores.name / folder.slug

    def _state(self, run_date: date) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self._aside(run_date) / STATE).read_bytes())
        except FileNotFoundError:
            return {}
        return state

    def _note(self, run_date: date, state: str) -> None:
        write_json(self._aside(run_date) / STATE, {**self._state(run_date), "state": state})


def sources_of(home: Path) -> list[str]:
    """The names of all sources that have a published night, or one that is taken back."""
    found: set[str] = set()
    folder = home / "sentiment" / "scores"
    for run_date in _dates(folder):
        found |= set(_sources(folder, run_date))
    for file in (home / "sentiment" / "taken_back").glob(f"run_date=*/*/{STATE}"):
        found.add(json.loads(file.read_bytes())["source"])
    return sorted(found)


def _dates(folder: Path) -> list[date]:
    found = []
    for dated in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append(date.fromisoformat(dated.name.removeprefix("run_date=")))
        except ValueError:  # not ours
            continue
    return sorted(found)


def _sources(folder: Path, run_date: date) -> dict[str, Any]:
    sources: dict[str, Any] = read_manifest(folder / f"run_date={run_date}")["sources"]
    return sources


def _of_reviews(file: Path, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """The rows of a published file that are about these reviews."""
    columns = [name for name in (*SCORES.names, OF_NEUTRAL.name) if name != "run_date"]
    with pq.ParquetFile(file) as parquet:
        names = [name for name in columns if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(columns=names):
            part = batch.filter(pc.is_in(batch["review_id"], value_set=ids))
            if len(part):
                yield part


def _as_record(row: dict[str, Any], run_dates: dict[str, date], night: date) -> tuple[Any, ...]:
    """A published row as SQL has it; its text is not known any more."""
    run_date = run_dates.get(row["run_id"], night)
    values = {**row, "run_date": run_date, "text_digest": ""}
    return tuple(values.get(name) for name in SCORE_NAMES)


def _write(file: Path, names: Sequence[str], batches: Batches) -> pa.Array:
    """Write rows of SQL; returns their review ids."""
    schema, ids = _schema(names), []
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for records in batches:
            rows = [dict(zip(names, record, strict=True)) for record in records]
            table = pa.Table.from_pylist(rows, schema=schema)
            ids.append(table["review_id"].combine_chunks())
            writer.write_table(table)
    with file.open("rb") as written:
        os.fsync(written.fileno())
    return pa.chunked_array(ids, type=pa.string()).combine_chunks()


def _read(file: Path) -> Batches:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches():
            yield [tuple(row.values()) for row in batch.to_pylist()]

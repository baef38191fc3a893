"""The nights that lie aside: a folder for each, and `night.json` in it, which says how far it is.

A night that is run again after it was taken back, and taken back again, lies there twice: each
copy has the folder of the run that published it, `run_date=…/SOURCE.RUN/`. An earlier version kept
one copy of a night, in `run_date=…/SOURCE/`.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sentiment.errors import PublicationError, first_line
from tasks.sentiment.run.publication import read_manifest
from tasks.sentiment.run.run_folder import RunFolder, write_json
from tasks.sentiment.sql.nights import Batches

STATE = "night.json"
STATES = ("leaving", "aside", "returning")
KINDS = ("rejected", "scores")  # in the order in which they are published
_TIME = pa.timestamp("us", tz="UTC")
_OF_COLUMN = {"run_date": pa.date32(), "row_number": pa.int64(), "scored_at": _TIME}
_FLOATS = ("score", "positive_probability", "neutral_probability")
_PART = re.compile(r"part-(.+)-\d{5,}\.parquet")


@dataclass(frozen=True)
class Copy:
    """A night that lies aside, or is on its way there or back.

    Attributes:
        known: the content of its `night.json`.
    """

    folder: Path
    run_date: date
    known: Mapping[str, Any]

    @property
    def source(self) -> str:
        return str(self.known["source"])

    @property
    def state(self) -> str:
        """One of STATES."""
        return str(self.known["state"])

    @property
    def run_id(self) -> str:
        """The run that published it."""
        return str(self.known["entries"]["scores"]["run_id"])

    @property
    def runs(self) -> list[str]:
        """The finished runs of the night."""
        return list(self.known["runs"])

    @property
    def taken_back_at(self) -> str:
        """The instant, as ISO 8601 in UTC; empty: an earlier version took it back."""
        return str(self.known.get("taken_back_at", ""))

    @property
    def lost(self) -> int:
        """Rows that SQL lacks since then, as nights that may have held them were pruned."""
        return int(self.known.get("lost", 0))

    @property
    def noted_at(self) -> float:
        """When it was written down how far it is, in seconds as files have it."""
        return (self.folder / STATE).stat().st_mtime

    def delete(self) -> None:
        """Delete all of it."""
        (self.folder / STATE).unlink(missing_ok=True)  # first: the rest counts for nothing
        shutil.rmtree(self.folder)

    def note(self, state: str) -> "Copy":
        """Write down how far it is."""
        changed = Copy(self.folder, self.run_date, {**self.known, "state": state})
        write_json(self.folder / STATE, dict(changed.known))
        return changed


def copy_folders(home: Path, slug: str | None = None) -> list[Path]:
    """The folders of all copies, by their dates; slug: of one source alone."""
    return [
        folder
        for dated in dated_folders(home / "sentiment" / "taken_back")
        for folder in sorted(dated.iterdir())
        if not folder.name.startswith(".")  # one that is being written
        and slug in (None, slug_of(folder))
        and (folder / STATE).is_file()
    ]


def slug_of(folder: Path) -> str:
    """The source of a copy, as its folder's name tells it."""
    return folder.name.partition(".")[0]


def read_copy(folder: Path) -> Copy | None:
    """A copy; None: it has gone meanwhile.

    Raises: PublicationError: its `night.json` is damaged, or cannot be read.
    """
    file = folder / STATE
    try:
        known = json.loads(file.read_bytes())
        copy = Copy(folder, date_of(folder.parent), known)
        _check(copy)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PublicationError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PublicationError(
            f"{file} is damaged ({first_line(error)}): bring it back from a back-up; or move the"
            f" folder {folder} away, and run {slug_of(folder)} of {date_of(folder.parent)} again"
        ) from error
    return copy


def _check(copy: Copy) -> None:
    if copy.state not in STATES:
        raise ValueError(f"its state {copy.state!r} is none of {', '.join(STATES)}")
    for kind in KINDS:
        list(copy.known["entries"][kind]["files"]), list(copy.known["orders"][kind])
    if not (copy.source and copy.run_id and copy.runs and copy.lost >= 0):
        raise ValueError("a name is empty")


def sources_of(home: Path) -> list[str]:
    """The names of all sources that have a published night, or one that is taken back.

    Of what is damaged, the names of files tell the sources: where they have nothing else, such a
    name stands for the source.
    """
    found, slugs = set(), set()
    for dated in dated_folders(home / "sentiment" / "scores"):
        try:
            found |= set(read_manifest(dated)["sources"])
        except PublicationError:
            slugs |= {match[1] for file in dated.iterdir() if (match := _PART.match(file.name))}
    for folder in copy_folders(home):
        try:
            copy = read_copy(folder)
        except PublicationError:
            slugs.add(slug_of(folder))
            continue
        found |= {copy.source} if copy is not None else set()
    known = {RunFolder(home, source, date.min).slug for source in found}
    return sorted(found | (slugs - known))


def damages(home: Path) -> Iterator[str]:
    """What is wrong with manifests and copies, a line for each file that cannot be read."""
    for kind in reversed(KINDS):
        for dated in dated_folders(home / "sentiment" / kind):
            try:
                read_manifest(dated)
            except PublicationError as error:
                yield str(error)
    for folder in copy_folders(home):
        try:
            read_copy(folder)
        except PublicationError as error:
            yield str(error)


def has_files_of(folder: RunFolder) -> bool:
    """Whether files of the source lie in the published folder, whatever its manifest says."""
    return any(folder.scores.glob(f"part-{folder.slug}-{'[0-9]' * 5}.parquet"))


def dated_folders(folder: Path) -> list[Path]:
    """The folders `run_date=…` in there, the oldest first."""
    found = []
    for dated in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append((date_of(dated), dated))
        except ValueError:  # not ours
            continue
    return [dated for _, dated in sorted(found)]


def date_of(dated: Path) -> date:
    """The date in the name of a folder. Raises: ValueError: it has none."""
    return date.fromisoformat(dated.name.removeprefix("run_date="))


def write_rows(file: Path, names: Sequence[str], batches: Batches) -> pa.Array:
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


def read_rows(file: Path) -> Batches:
    """The rows that `write_rows` wrote. Raises: PublicationError: they are missing or damaged."""
    try:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches():
                yield [tuple(row.values()) for row in batch.to_pylist()]
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, file.parent, first_line(error)) from error


def check_whole(copy: Copy) -> None:
    """Raises: PublicationError: a file that was published is missing or damaged in a copy."""
    for kind in KINDS:
        for name in copy.known["entries"][kind]["files"]:
            file = copy.folder / kind / name
            try:
                if file.suffix == ".parquet":
                    pq.read_metadata(file)
                else:
                    file.stat()
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(file, copy.folder, first_line(error)) from error


def _unreadable(file: Path, folder: Path, why: str) -> PublicationError:
    return PublicationError(
        f"{file} cannot be read ({why}): bring it back from a back-up; or move the folder {folder}"
        f" away, and run {slug_of(folder)} of {date_of(folder.parent)} again"
    )


def _schema(names: Sequence[str]) -> pa.Schema:
    kinds = {**_OF_COLUMN, **dict.fromkeys(_FLOATS, pa.float64())}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])

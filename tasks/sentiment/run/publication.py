"""Publishing the Parquet files of a run: all at once, or not at all.

The folder of a run date holds the files of every source scored on it, and `_manifest.json`
names them. A new state of the folder is assembled beside it, with hard links to what stays,
its manifest last, and then exchanged with the published one in a single step. A reader of the
folder sees the old state or the new one, never a mixture. What is put in
place is looked at first: a file that is missing or damaged leaves the published state as it is.
The replaced state stays beside it, hidden, until the next change, for readers that have begun
with it.

A bucket may have the same files under the same names. It follows each change, once that is made
here: the manifest goes before what it names is changed, and comes last. A mark, an empty file in
`sentiment/undelivered/`, tells of a run date that the bucket has not followed yet.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.reporting.figures import counted
from services.storage.bucket import Bucket, BucketAway, BucketError, open_bucket
from services.storage.exchange import exchange
from services.storage.files import sync_folder, write_bytes
from services.storage.locks import held
from services.storage.mirror import mirror
from tasks.sentiment.errors import (
    DeliveryAway,
    DeliveryError,
    PublicationError,
    first_line,
)
from tasks.sentiment.run.plan import Plan, write_parquet
from tasks.sentiment.run.run_folder import RunFolder, write_json

MANIFEST = "_manifest.json"
TEXT_DIGEST = "text_digest"
UNDELIVERED = "undelivered"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run date's folder: `{"sources": {name: entry}}`; empty if there is none.

    Raises: PublicationError: it is damaged, or cannot be read.
    """
    file = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for entry in manifest["sources"].values():
            str(entry["run_id"]), list(entry["files"])
    except FileNotFoundError:
        return {"sources": {}}
    except OSError as error:
        raise PublicationError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PublicationError(
            f"{file} is damaged ({first_line(error)}): move the folder {folder.name} away, and run"
            " its sources of that run date again"
        ) from error
    return manifest


def newest_entry(run_folder: RunFolder) -> tuple[str, Mapping[str, Any]] | None:
    """The newest run date on which the source is published, and what the manifest says of it."""
    for folder in sorted(run_folder.scores.parent.glob("run_date=*"), reverse=True):
        with suppress(PublicationError):  # a run of that date will say so
            entry = read_manifest(folder)["sources"].get(run_folder.source)
            if entry is not None:
                return folder.name.removeprefix("run_date="), entry
    return None


def is_whole(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Whether the files that a manifest's entry names are there."""
    return all((folder / name).is_file() for name in entry["files"])


def publish(
    run_folder: RunFolder, plan: Plan, entry: Mapping[str, Any], scores_url: str | None = None
) -> None:
    """Publish the finished run: rejected rows first, then scores; then in the bucket, if any.

    entry: what the manifest says of this source beside its files.
    Raises:
        PublicationError: a partition is missing or damaged; nothing has changed.
        DeliveryError: only the bucket lacks it.
    """
    _check_partitions(run_folder, "rejected", plan.rejected_parts, plan.rejected)
    _check_partitions(run_folder, "scores", len(plan.parts), plan.accepted)
    texts = {
        f"_texts-{run_folder.slug}-{number:05d}": _write_texts(run_folder, number)
        for number in range(len(plan.parts))
    }
    with changing(run_folder, scores_url):
        for folder, kind, count, others in (
            (run_folder.rejected, "rejected", plan.rejected_parts, {}),
            (run_folder.scores, "scores", len(plan.parts), texts),
        ):
            files = {
                f"part-{run_folder.slug}-{number:05d}.parquet": run_folder.staged(kind, number)
                for number in range(count)
            }
            _replace_source(folder, run_folder.source, {**files, **others}, entry)


def read_texts(part: Path) -> pa.Array | None:
    """The digests of the texts of a published part of scores, as SQL has them, row by row; None:
    an earlier version published it without, or they cannot be read."""
    name = part.name.removesuffix(".parquet").removeprefix("part-")
    try:
        digests = pq.read_table(part.with_name(f"_texts-{name}"))[TEXT_DIGEST].to_pylist()
    except (OSError, LookupError, pa.ArrowException):
        return None
    return pa.array([digest.hex() for digest in digests], pa.string())


def _write_texts(folder: RunFolder, number: int) -> Path:
    """What a roll-back needs of the texts beside the scores; data set readers skip its name."""
    file = folder.staged("texts", number)
    given = pq.read_table(folder.staged("input", number), columns=[TEXT_DIGEST])[TEXT_DIGEST]
    digests = pa.array([bytes.fromhex(digest) for digest in given.to_pylist()], pa.binary(32))
    write_parquet(pa.table({TEXT_DIGEST: digests}), file)
    return file


@contextmanager
def changing(run_folder: RunFolder, scores_url: str | None = None) -> Iterator[None]:
    """Hold the run date's folders, which runs of other sources share; then the bucket follows.

    scores_url: the bucket's address; None: there is none.
    Raises:
        PublicationError: a manifest is damaged, or a file is gone that it names.
        DeliveryError: the bucket refuses, or DeliveryAway, is away; what was changed here is so,
            and the next to publish anything lets the bucket follow.
    """
    with held(run_folder.home / "sentiment" / "locks" / f"{run_folder.scores.name}.lock"):
        if scores_url is None:
            yield
            return
        mark = run_folder.home / "sentiment" / UNDELIVERED / run_folder.scores.name
        write_bytes(mark, b"")
        yield
        with _our_errors(run_folder):
            _deliver(run_folder, open_bucket(scores_url))
        mark.unlink()


def deliver(run_folder: RunFolder, scores_url: str | None) -> None:
    """Let the bucket have what is published of the run date; what it has is looked at only.

    Raises: as `changing`.
    """
    if scores_url is not None:
        with changing(run_folder, scores_url):
            pass


def undelivered(home: Path) -> list[date]:
    """The run dates that the bucket lacks, or has as they were before."""
    marks = sorted((home / "sentiment" / UNDELIVERED).glob("run_date=*"))
    return [date.fromisoformat(mark.name.removeprefix("run_date=")) for mark in marks]


def check_bucket(scores_url: str) -> None:
    """Raises: DeliveryError: it cannot be used; DeliveryAway: its server does not answer."""
    with _our_errors():
        open_bucket(scores_url).check()


def _deliver(run_folder: RunFolder, bucket: Bucket) -> None:
    for folder in (run_folder.rejected, run_folder.scores):
        entries = read_manifest(folder)["sources"].values()
        files = [folder / name for entry in entries for name in entry["files"]]
        if missing := [file for file in files if not file.is_file()]:
            raise PublicationError(
                f"{missing[0]} is gone, which its manifest names: bring it back from a back-up, or"
                " run the sources of that run date again"
            )
        mirror(bucket, f"{folder.parent.name}/{folder.name}", files, folder / MANIFEST)


@contextmanager
def _our_errors(run_folder: RunFolder | None = None) -> Iterator[None]:
    try:
        yield
    except BucketError as error:
        kind = DeliveryAway if isinstance(error, BucketAway) else DeliveryError
        rest = ""
        if run_folder is not None:
            rest = (
                f"; {run_folder.run_date} is as it should be here, and the next run brings it there"
            )
        raise kind(f"{error}{rest}") from error


def _check_partitions(folder: RunFolder, kind: str, count: int, rows: int) -> None:
    found = 0
    for number in range(count):
        file = folder.staged(kind, number)
        try:
            found += pq.read_metadata(file).num_rows
        except (OSError, pa.ArrowException) as error:
            raise PublicationError(
                f"{file} cannot be published ({first_line(error)}): delete {folder.staging} and run"
                " again"
            ) from error
    if found != rows:
        raise PublicationError(
            f"the {kind} parts in {folder.staging} hold {counted(found, 'row')} where"
            f" {rows:,} belong: delete that folder and run again"
        )


def remove_source(folder: Path, source: str) -> None:
    """Publish the folder without a source; one that holds no other goes as a whole."""
    _replace_source(folder, source, {}, None)


def restore_source(
    folder: Path,
    source: str,
    files: Mapping[str, Path],
    entry: Mapping[str, Any],
    order: Sequence[str],
) -> None:
    """Publish a source as it was before `remove_source`.

    files: name there -> where it lies now. order: of the sources in the manifest, as it was.
    """
    _replace_source(folder, source, files, entry, order)


def _replace_source(
    folder: Path,
    source: str,
    files: Mapping[str, Path],
    entry: Mapping[str, Any] | None,
    order: Sequence[str] = (),
) -> None:
    """Exchange the files of one source in `folder` for `files` (name there -> where it is now).

    entry: None takes the source out of the folder.
    """
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two renames of `exchange`
        old.rename(folder)
    aside = folder.with_name(f".{folder.name}.new")  # dot: data set readers skip it
    shutil.rmtree(aside, ignore_errors=True)  # a killed publisher's, or the state before last
    sources = read_manifest(folder)["sources"]
    if entry is None and not set(sources) - {source}:
        if folder.exists():
            folder.rename(aside)
            sync_folder(folder.parent)
        return
    aside.mkdir(parents=True)
    for name, other in sources.items():
        if name != source:
            if not is_whole(folder, other):
                raise PublicationError(
                    f"{folder} lacks files of {name} that its manifest names: run {name} of that"
                    " run date again first"
                )
            for file in other["files"]:
                place(folder / file, aside / file)
    for name, file in files.items():
        place(file, aside / name)
    if entry is None:
        del sources[source]
    else:
        sources[source] = {**entry, "files": sorted(files)}
    known = [name for name in order if name in sources]
    sources = {name: sources[name] for name in dict.fromkeys([*known, *sources])}
    write_json(aside / MANIFEST, {"sources": sources})
    sync_folder(aside)
    exchange(aside, folder)
    sync_folder(folder.parent)


def place(file: Path, target: Path) -> None:
    """Let a file lie there too: linked, or copied."""
    try:
        os.link(file, target)
    except OSError:  # a file system without hard links
        shutil.copy2(file, target)

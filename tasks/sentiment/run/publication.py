"""Publishing the Parquet files of a run: all at once, or not at all.

The folder of a run date holds the files of every source scored on it, and `_manifest.json`
names them. A new state of the folder is assembled beside it, with hard links to what stays,
its manifest last, and then exchanged with the published one in a single step. A reader of the
folder sees the old state or the new one, never a mixture. What is put in
place is looked at first: a file that is missing or damaged leaves the published state as it is.
The replaced state stays beside it, hidden, until the next change, for readers that have begun
with it.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.reporting.figures import counted
from services.storage.exchange import exchange
from services.storage.files import sync_folder
from services.storage.locks import held
from tasks.sentiment.errors import PublicationError, first_line
from tasks.sentiment.run.plan import Plan, write_parquet
from tasks.sentiment.run.run_folder import RunFolder, write_json

MANIFEST = "_manifest.json"
TEXT_DIGEST = "text_digest"


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


def publish(run_folder: RunFolder, plan: Plan, entry: Mapping[str, Any]) -> None:
    """Publish the finished run: rejected rows first, then scores.

    entry: what the manifest says of this source beside its files.
    Raises: PublicationError: a partition is missing or damaged; nothing has changed.
    """
    _check_partitions(run_folder, "rejected", plan.rejected_parts, plan.rejected)
    _check_partitions(run_folder, "scores", len(plan.parts), plan.accepted)
    texts = {
        f"_texts-{run_folder.slug}-{number:05d}": _write_texts(run_folder, number)
        for number in range(len(plan.parts))
    }
    with changing(run_folder):
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
def changing(run_folder: RunFolder) -> Iterator[None]:
    """Hold the run date's folders, which runs of other sources share."""
    with held(run_folder.home / "sentiment" / "locks" / f"{run_folder.scores.name}.lock"):
        yield


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

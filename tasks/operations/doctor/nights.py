"""Published nights, against the manifests that vouch for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.reporting.figures import counted
from tasks.operations.doctor.check import Check, absent, fault, ok
from tasks.operations.status.night_command import night_command
from tasks.sentiment.errors import DeliveryError, PublicationError
from tasks.sentiment.run import publication
from tasks.sentiment.run.publication import MANIFEST, read_manifest
from tasks.settings import Settings

SCORE = "triptych score-sentiment --help"
READ_WHOLLY = 30  # newest run dates; of older ones the ends of the files, which tell their rows
_ROWS = {"scores": ("scored", "reused"), "rejected": ("rejected",)}


def check_nights(home: Path) -> Iterator[Check]:
    """Every published night: its manifest, its files, and their rows."""
    folders = sorted((home / "sentiment").glob("*/run_date=*"))
    folders = [folder for folder in folders if folder.parent.name in _ROWS]
    days = sorted({folder.name for folder in folders})
    newest = days[-READ_WHOLLY:]
    found = [each for one in folders for each in _check_night(one, wholly=one.name in newest)]
    yield from found
    if not days:
        yield absent("nights", f"no night is published; type: {SCORE}")
    elif not found:
        yield ok("nights", f"{len(days)} published, each file whole and with its rows")
    yield from _check_staging(home)


def check_bucket(settings: Settings) -> Iterator[Check]:
    """Whether the bucket of published nights, if there is one, answers and has followed them."""
    if settings.scores_url is None:
        return
    meaning = f"who reads {settings.scores_url} sees nights as they were, or not at all"
    try:
        publication.check_bucket(settings.scores_url)
    except DeliveryError as error:
        yield fault("nights", str(error), meaning, "do so; the next night brings what is missing")
        return
    if late := publication.undelivered(settings.home):
        some = ", ".join(map(str, late[:3]))
        told = f"{settings.scores_url} has not followed {counted(len(late), 'night')} yet: {some}"
        yield ok("nights", f"{told}; the next run sees to it")
        return
    yield ok("nights", f"{settings.scores_url} answers, and has followed them")


def _check_night(folder: Path, *, wholly: bool) -> Iterator[Check]:
    day = folder.name.removeprefix("run_date=")
    meaning = f"readers of {folder.parent.name} of {day} see less than was scored, or nothing"
    if not (folder / MANIFEST).is_file():
        cure = f"mv {folder} /somewhere/else, and run the sources of that date again"
        yield fault("nights", f"{folder} has no {MANIFEST}", meaning, cure)
        return
    try:
        sources = read_manifest(folder)["sources"]
    except PublicationError as error:
        again = "its sources are named in the table sentiment_runs"
        yield fault("nights", str(error), meaning, f"do so; {again}")
        return
    for source, entry in sources.items():
        if wrong := _wrong(folder, entry, wholly=wholly):
            yield fault(
                "nights",
                f"{wrong} (source {source})",
                meaning,
                "bring it back from a back-up, or"
                f" {night_command(entry.get('request') or {}, source, day)} --rescore",
            )


def _wrong(folder: Path, entry: dict[str, Any], *, wholly: bool) -> str | None:
    """What is wrong with the files of a source."""
    rows = 0
    for name in entry.get("files", ()):
        file = folder / name
        try:
            with pq.ParquetFile(file) as content:
                if wholly:
                    found = sum(batch.num_rows for batch in content.iter_batches())
                else:
                    found = content.metadata.num_rows
                rows += found if name.startswith("part-") else 0  # others go beside the parts
        except FileNotFoundError:
            return f"{file} is missing"
        except (OSError, pa.ArrowException) as error:
            return f"{file} is damaged: {str(error).splitlines()[0][:120]}"
    counts = entry.get("counts") or {}
    expected = sum(int(counts.get(name, 0)) for name in _ROWS[folder.parent.name])
    if counts and rows != expected:
        return f"{folder} holds {rows:,} rows where its manifest says {expected:,}"
    return None


def _check_staging(home: Path) -> Iterator[Check]:
    """Runs that were interrupted: what they have done waits for the same command."""
    waiting = sorted((home / "sentiment" / "staging").glob("run_date=*/*"))
    if waiting:
        some = ", ".join(f"{one.name} of {one.parent.name[9:]}" for one in waiting[:3])
        told = f"{len(waiting)} not finished: {some}; the command that began one goes on with it"
        yield ok("runs", told)

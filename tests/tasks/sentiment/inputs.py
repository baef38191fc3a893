"""Input files of every kind with the same four rows, and how tests look at what is read."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sentiment.reading.raw_rows import RawRow
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.source import open_source

ROWS = [("a1", "good, cheap"), ("a2", 'said "wow"\nand left'), ("a3", "schön – naïve"), ("a4", "")]


COLUMNS = ["id", "text"]


def write_csv(path: Path, rows: Sequence[Sequence[object]] = ROWS, delimiter: str = ",") -> Path:
    """A CSV file as Python writes it, packed if its name says so."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows([[*COLUMNS], *rows])
    return write_bytes(path, buffer.getvalue().encode())


def write_tsv(path: Path) -> Path:
    """The same rows between tabs."""
    return write_csv(path, delimiter="\t")


def write_json_lines(path: Path) -> Path:
    """The same rows as objects."""
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS]
    return write_bytes(path, "\n".join(lines).encode())


def write_parquet(path: Path) -> Path:
    """The same rows as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(zip(COLUMNS, zip(*ROWS, strict=True), strict=True))), buffer)
    return write_bytes(path, buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> Path:
    """A file, packed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(reference: Path | str, asked: Sequence[str] = COLUMNS, **written: Any) -> list[RawRow]:
    """All rows. Args: written: how the text is written, as far as it is named."""
    return list(open_source(str(reference), TextFormat(**written)).rows(asked))


def cells(rows: Sequence[RawRow]) -> list[tuple[object, ...] | str | None]:
    """Values of the good rows, faults of the others."""
    return [tuple(row.values.values()) if row.values is not None else row.fault for row in rows]


WRITERS: dict[str, Callable[[Path], Path]] = {
    ".csv": write_csv,
    ".tsv": write_tsv,
    ".jsonl": write_json_lines,
    ".ndjson": write_json_lines,
    ".parquet": write_parquet,
}

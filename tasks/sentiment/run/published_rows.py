"""The rows of published nights, as SQL had them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.sentiment.errors import PublicationError, first_line
from tasks.sentiment.run.partitions import OF_NEUTRAL, SCORES
from tasks.sentiment.run.publication import TEXT_DIGEST, read_texts
from tasks.sentiment.sql.nights import SCORE_NAMES


def rows_of_reviews(file: Path, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """The rows of a published file that are about these reviews, with the digests of their texts
    where those are known.

    Raises: PublicationError: it is missing or damaged.
    """
    try:
        yield from _rows_of_reviews(file, ids)
    except (OSError, pa.ArrowException) as error:
        raise PublicationError(
            f"{file} cannot be read ({first_line(error)}): bring it back from a back-up, or run the"
            " source of that night again"
        ) from error


def _rows_of_reviews(file: Path, ids: pa.Array) -> Iterator[pa.RecordBatch]:
    columns = [name for name in (*SCORES.names, OF_NEUTRAL.name) if name != "run_date"]
    texts, start = read_texts(file), 0
    with pq.ParquetFile(file) as parquet:
        names = [name for name in columns if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(columns=names):
            if texts is not None:
                batch = batch.append_column(TEXT_DIGEST, texts.slice(start, len(batch)))
            start += len(batch)
            part = batch.filter(pc.is_in(batch["review_id"], value_set=ids))
            if len(part):
                yield part


def as_record(row: dict[str, Any], run_dates: dict[str, date], night: date) -> tuple[Any, ...]:
    """A published row as SQL has it; where its text is not known, the next run scores it anew."""
    run_date = run_dates.get(row["run_id"], night)
    values = {TEXT_DIGEST: "", **row, "run_date": run_date}
    return tuple(values.get(name) for name in SCORE_NAMES)

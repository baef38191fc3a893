"""Score a night's transactions at once: features in Parquet in, probabilities in Parquet out.

    python -m services.fraud.night --source features.parquet --output scores.parquet

The champion answers, as it does over HTTP. A row that it cannot read, with a missing, negative or
infinite feature, gets no answer; the others are not held up by it.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from services.fraud.errors import FraudError, ModelError, TransactionsError
from services.fraud.scoring.handbook_rules import possible_rows
from services.fraud.scoring.model_input import ModelInput, describe
from services.fraud.scoring.models import Models
from services.fraud.scoring.schema import LARGEST
from services.fraud.scoring.scorer import FraudScorer
from services.fraud.settings import ServiceSettings
from services.storage.files import written_aside

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 65_536
ID = "transaction_id"  # travels along where the table has it


@dataclass(frozen=True)
class Scored:
    """What came of a night."""

    rows: int
    flagged: int
    refused: int


def main() -> int:
    """Run a night; 1 if it cannot be scored, 2 if it is asked for something else."""
    parser = argparse.ArgumentParser(prog="python -m services.fraud.night", description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="Parquet with the features")
    parser.add_argument("--output", type=Path, required=True, help="Parquet to write")
    given = parser.parse_args()
    try:
        settings = ServiceSettings()
    except ValidationError as error:
        fault = error.errors()[0]
        sys.stderr.write(f"error: TRIPTYCH_{str(fault['loc'][0]).upper()}: {fault['msg']}\n")
        return 2
    try:
        models = Models(settings.home, settings.fraud_state_url)
        scored = score_table(given.source, given.output, open_champion(models))
    except (FraudError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(
        f"{scored.rows:,} rows, {scored.flagged:,} flagged, {scored.refused:,} refused:"
        f" {given.output}\n"
    )
    return 0


def open_champion(models: Models) -> FraudScorer:
    """The model that answers.

    Raises: ModelError: there is none, or its files are damaged.
    """
    tag = models.registry().read().champion
    if tag is None:
        raise ModelError("there is no model: train one with python -m flows.train_fraud")
    return FraudScorer(models.folder(tag), tag)


def score_table(source: Path, output: Path, scorer: FraudScorer) -> Scored:
    """Score the rows of a Parquet file, and write `probability` and `is_fraud` in their order.

    Rows that the model cannot read are null in both. The output is there whole, or not at all.
    Raises:
        TransactionsError: the file cannot be read, or lacks a feature.
        OSError: the output cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = flagged = refused = 0
    try:
        with written_aside(output) as aside, pq.ParquetFile(source) as table:
            columns = _columns(table.schema_arrow.names, scorer.input, source)
            writer = None
            for batch in table.iter_batches(ROWS_AT_ONCE, columns=columns):
                answers = _answer(batch, scorer)
                writer = writer or pq.ParquetWriter(aside, answers.schema)
                writer.write_batch(answers)
                rows += answers.num_rows
                refused += answers["probability"].null_count
                flagged += answers["is_fraud"].sum().as_py() or 0
            if writer is None:
                raise TransactionsError(f"{source} has no rows")
            writer.close()
    except (pa.ArrowException, FileNotFoundError) as error:
        reason = str(error).splitlines()[0][:200]
        raise TransactionsError(f"{source} cannot be read as Parquet: {reason}") from error
    return Scored(rows, flagged, refused)


def features_of(rows: NDArray[np.float64], model_input: ModelInput) -> NDArray[np.float32]:
    """Rows as the model reads them; those with a value that it does not take, or values
    that contradict each other, are NaN.

    rows: shape (n, width).
    """
    with np.errstate(invalid="ignore"):
        good = (rows >= model_input.least) & (rows <= LARGEST)  # NaN is neither
    refused: NDArray[np.bool_] = np.logical_not(good.all(axis=1))
    if model_input.is_handbook:
        refused |= ~possible_rows(rows)
    features = rows.astype(np.float32)
    features[refused] = np.nan
    return features


def _answer(batch: "pa.RecordBatch", scorer: FraudScorer) -> "pa.RecordBatch":
    import pyarrow as pa

    names = scorer.input.names
    columns = (batch[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names)
    features = features_of(np.stack(list(columns), axis=1), scorer.input)
    refused = np.isnan(features[:, 0])
    probability = scorer.probabilities(np.nan_to_num(features)).astype(np.float64)
    answers = {
        "probability": pa.array(probability, mask=refused),
        "is_fraud": pa.array(probability >= scorer.threshold, mask=refused),
        "model": pa.array([scorer.tag] * len(probability), pa.string()),
    }
    if ID in batch.schema.names:
        answers = {ID: batch[ID], **answers}
    return pa.RecordBatch.from_pydict(answers)


def _columns(present: list[str], model_input: ModelInput, source: Path) -> list[str]:
    missing = [name for name in model_input.names if name not in present]
    if missing:
        raise TransactionsError(
            f"{source} lacks {', '.join(missing[:5])}: the model reads"
            f" {describe(model_input.names)}"
        )
    return [*(ID for name in present if name == ID), *model_input.names]


if __name__ == "__main__":
    sys.exit(main())

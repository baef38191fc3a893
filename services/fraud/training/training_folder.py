"""A training run's folder: what one step leaves for the next, so that steps pass on small facts.

transactions.parquet   the table
features.npy           its features
candidate/             the model folder
"""

import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from services.fraud.simulator import simulate
from services.fraud.state.completeness import Coverage
from services.fraud.state.snapshot import coverage_of_table, write_snapshot
from services.fraud.training.candidate import TrainingData, prepare_data
from services.fraud.transactions.features import DAY_S, table_features
from services.fraud.transactions.transactions import read_transactions


@dataclass(frozen=True)
class SimulationSpec:
    """What is simulated where no transactions are given."""

    customers: int
    terminals: int
    days: int
    end: date  # the day after the last
    seed: int


@dataclass(frozen=True)
class Periods:
    """Which days train and which test; see `prepare_data`."""

    train_days: int
    delay_days: int
    test_days: int
    start_test: date | None


@dataclass(frozen=True)
class TrainingFolder:
    """The folder, and the steps that need nothing else."""

    folder: Path

    @property
    def candidate(self) -> Path:
        """The model folder."""
        return self.folder / "candidate"

    def read(self, source: Path | SimulationSpec, now: datetime | None = None) -> int:
        """Read or simulate the transactions; how many.

        now: as in `read_transactions`.
        """
        if isinstance(source, SimulationSpec):
            start = source.end - timedelta(days=source.days)
            table = simulate(source.customers, source.terminals, source.days, start, source.seed)
        else:
            table = read_transactions(source, now)
        self.folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(self.folder / "transactions.parquet")
        return len(table)

    def compute_features(self) -> None:
        """The features of all transactions that are labelled."""
        table = self._table()
        if "is_fraud" in table:  # else `data` says what is missing
            np.save(self.folder / "features.npy", table_features(table))

    def data(self, periods: Periods) -> TrainingData:
        """Transactions, features and split.

        Raises: TransactionsError: they cannot be split like that.
        """
        file = self.folder / "features.npy"
        return prepare_data(
            self._table(),
            rows=np.load(file) if file.exists() else None,
            **vars(periods),
        )

    def write_snapshot(self, home: Path, source: Path | SimulationSpec) -> Path:
        """Hand the last weeks to the service, as the history that its state starts from."""
        table = self._table()
        if isinstance(source, SimulationSpec):  # nothing is missing of its first and last day
            end = (source.end - date(1970, 1, 1)).days * DAY_S
            covered = Coverage(end - source.days * DAY_S, end - 1, end - 1)
        else:
            covered = coverage_of_table(table, int(table["time"].max()))
        return write_snapshot(table, covered.as_of, home, covered)

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _table(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "transactions.parquet")

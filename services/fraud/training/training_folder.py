"""A training run's folder: what one step leaves for the next, so that steps pass on small facts.

transactions.parquet   the table
assumed.json           how its file was read, where it is not of the documented form
features.npy           its features
table.npz, table.json  instead of these, a table of any columns
candidate/             the model folder
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from services.fraud.simulator import simulate
from services.fraud.state.completeness import Coverage
from services.fraud.state.snapshot import (
    GIVEN,
    SIMULATED,
    check_source,
    coverage_of_table,
    write_snapshot,
)
from services.fraud.training.candidate import TrainingData, prepare_data
from services.fraud.training.free_table import TableSpec, read_table
from services.fraud.training.table_data import TableData, read_object
from services.fraud.transactions.features import DAY_S, table_features
from services.fraud.transactions.foreign import Reading, as_history, read_foreign


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

    def read(
        self,
        source: Path | SimulationSpec | TableSpec,
        now: datetime | None = None,
        reading: Reading | None = None,
    ) -> int:
        """Read or simulate the transactions, or read a table; how many rows.

        now: as in `read_transactions`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        assumed: Mapping[str, str] = {}
        if isinstance(source, TableSpec):
            data = read_table(source)
            data.write(self.folder)
            return len(data.rows)
        if isinstance(source, SimulationSpec):
            start = source.end - timedelta(days=source.days)
            table = simulate(source.customers, source.terminals, source.days, start, source.seed)
        else:
            table, assumed = read_foreign(source, reading or Reading(), now)
        (self.folder / "assumed.json").write_text(json.dumps(assumed), encoding="utf-8")
        table.to_parquet(self.folder / "transactions.parquet")
        return len(table)

    def assumed(self) -> dict[str, str]:
        """How the file was read, in words, where it is not of the documented form."""
        if TableData.lies_in(self.folder):
            return dict(TableData.read(self.folder).assumed)
        return read_object(self.folder / "assumed.json")

    def compute_features(self) -> None:
        """The features of all transactions that are labelled; a table has its own."""
        if TableData.lies_in(self.folder):
            return
        table = self._table()
        if "is_fraud" in table:  # else `data` says what is missing
            np.save(self.folder / "features.npy", table_features(table))

    def data(self, periods: Periods) -> TrainingData | TableData:
        """Transactions, features and split.

        Raises: TransactionsError: they cannot be split like that.
        """
        if TableData.lies_in(self.folder):
            return TableData.read(self.folder)
        file = self.folder / "features.npy"
        return prepare_data(
            self._table(),
            rows=np.load(file) if file.exists() else None,
            **vars(periods),
            assumed=self.assumed(),
        )

    @staticmethod
    def check_source(home: Path, source: Path | SimulationSpec) -> None:
        """Raises: TransactionsError: `write_snapshot` would refuse such transactions."""
        check_source(home, SIMULATED if isinstance(source, SimulationSpec) else GIVEN)

    def write_snapshot(self, home: Path, source: Path | SimulationSpec) -> Path:
        """Hand the last weeks to the service, as the history that its state starts from."""
        table = as_history(self._table(), self.assumed())
        if isinstance(source, SimulationSpec):  # nothing is missing of its first and last day
            end = (source.end - date(1970, 1, 1)).days * DAY_S
            covered, whose = Coverage(end - source.days * DAY_S, end - 1, end - 1), SIMULATED
        else:
            covered, whose = coverage_of_table(table, int(table["time"].max())), GIVEN
        return write_snapshot(table, covered.as_of, home, covered, whose)

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _table(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "transactions.parquet")

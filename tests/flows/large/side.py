"""A home with its settings: what is done there, and what it has afterwards."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from tests.flows.command import command


@dataclass(frozen=True)
class Side:
    """A home and the settings of its processes; `database` has its results."""

    home: Path
    database: str
    settings: Mapping[str, str]

    def start(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        """`python -m module`."""
        return command(module, self.home, *arguments, environment=self.settings)

    def rows(self, table: str, without: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
        """Those of a table of its database, as `in_order` gives them."""
        engine = sa.create_engine(self.database, poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = pd.read_sql(sa.text(f"SELECT * FROM {table}"), connection)
        return in_order(found, without, order)


def in_order(rows: pd.DataFrame, without: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Rows that can be compared, whichever database or file has them.

    without: columns that are left out. order: those by which the rows are sorted.
    """
    kept = rows.drop(columns=list(without)).sort_values(list(order)).reset_index(drop=True)
    is_number = pd.api.types.is_numeric_dtype  # also of truth values, which SQLite has as 0 and 1
    return kept.astype({name: "float" if is_number(kept[name]) else "str" for name in kept})

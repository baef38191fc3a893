"""The records of a home, read only: its database, its files, and its releases."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.fraud.scoring.models import Models
from services.storage.database import Database
from services.storage.errors import StorageError
from tasks.operations.lineage.model_records import read_object
from tasks.settings import Settings

Row = Mapping[str, Any]


class Records:
    """What was written down.

    Attributes:
        faults: places that could not be read, in a line each; a search goes on without them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.home = settings, settings.home
        self.fraud_models = Models(settings.home, settings.fraud_state_url)
        self.faults: list[str] = []
        self._tables: dict[str, list[str]] | None = None

    @cached_property
    def database(self) -> Database | None:
        """None: there is none, or its address is wrong. Nothing is made."""
        try:
            database = Database(self.settings.warehouse_url, patience_s=10)
        except StorageError as error:
            self.faults.append(str(error))
            return None
        file = None if database.is_postgres else sa.make_url(self.settings.warehouse_url).database
        return None if file is not None and not Path(file).is_file() else database

    def rows(
        self,
        table: sa.Table,
        *where: sa.ColumnElement[bool],
        order: Sequence[sa.ColumnElement[Any]] = (),
        limit: int = 20,
    ) -> list[Row]:
        """Rows of a table by the names of their columns; a column that an older database lacks is
        None, and a table that it lacks is empty."""
        names = self._columns(table)
        if not names:
            return []
        columns = [column for column in table.columns if column.name in names]
        query = sa.select(*columns).where(*where).order_by(*order).limit(limit)
        absent = {column.name: None for column in table.columns if column.name not in names}
        return [{**absent, **row} for row in self._execute(query)]

    def one(
        self, table: sa.Table, *values: sa.ColumnElement[Any], where: sa.ColumnElement[bool]
    ) -> tuple[Any, ...]:
        """One row of aggregates; zeros where there is no such table."""
        if not self._columns(table):
            return tuple(0 for _ in values)
        query = sa.select(*(value.label(f"v{n}") for n, value in enumerate(values))).where(where)
        found = self._execute(query)
        return tuple(found[0].values()) if found else tuple(0 for _ in values)

    def _columns(self, table: sa.Table) -> Sequence[str]:
        if self._tables is None:
            self._tables = {}
            if self.database is not None:
                try:
                    with self.database.transaction(writes=False) as connection:
                        inspector = sa.inspect(connection)
                        for name in inspector.get_table_names():
                            columns = inspector.get_columns(name)
                            self._tables[name] = [column["name"] for column in columns]
                except StorageError as error:
                    self.faults.append(str(error))
        return self._tables.get(table.name, ())

    def _execute(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        assert self.database is not None
        try:
            with self.database.transaction(writes=False) as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except StorageError as error:
            self.faults.append(str(error))
            return []

    def night_manifests(self, run_date: object) -> Mapping[str, Any]:
        """What the published folder of a run date says of its sources, by their names."""
        folder = self.home / "sentiment" / "scores" / f"run_date={run_date}"
        content = read_object(folder / "_manifest.json") or {}
        sources = content.get("sources")
        entries = sources.items() if isinstance(sources, dict) else ()
        return {name: entry for name, entry in entries if isinstance(entry, dict)}

    def close(self) -> None:
        """Close the connections."""
        if self.database is not None:
            self.database.close()

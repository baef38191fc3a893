"""A night to break: reviews of our own, each with an id, scored by the real flow.

What must come of it is known beforehand: each id once, in SQL and in Parquet.
"""

import csv
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from services.storage import sqlite_file
from tasks.operations.rehearsal.errors import Broken

ROWS, ROWS_PER_PART = 400, 20
RUN_DATE = "2000-01-01"  # no night of the home's own
_WORDS = (
    "Excellent, I love it and use it every day.",
    "Terrible, it broke at once and nobody answered.",
    "It fits well and looks good.",
    "The colour faded and the seams came apart.",
)


@dataclass(frozen=True)
class Night:
    """A source and the home in which it is scored."""

    home: Path
    file: Path
    name: str

    @property
    def words(self) -> list[str]:
        """The command that scores it, or goes on with it."""
        return [
            *("flows.score_sentiment", "--source", str(self.file), "--source-name", self.name),
            *("--text-column", "review", "--id-column", "id", "--run-date", RUN_DATE),
            *("--precision", "float32", "--rows-per-part", str(ROWS_PER_PART)),
        ]

    def rows(self) -> int:
        """In SQL by now; 0 as long as there is no table."""
        return len(self._ids_in_sql())

    def status(self) -> str:
        """Of its last run, as SQL has it; empty before the first."""
        query = "SELECT status FROM sentiment_runs WHERE source = ? ORDER BY started_at DESC"
        found = self._ask(query)
        return str(found[0][0]) if found else ""

    def check(self) -> None:
        """Raises: Broken: a row is lost or doubled, or the night is not finished."""
        if (status := self.status()) != "finished":
            raise Broken(f"the night ended as {status or 'nothing'}")
        for where, ids in {"SQL": self._ids_in_sql(), "Parquet": self._ids_in_parquet()}.items():
            counts = Counter(ids)
            lost = ROWS - len(counts)
            doubled = len(ids) - len(counts)
            if lost or doubled:
                raise Broken(f"{where} has lost {lost} rows and doubled {doubled}")

    def leftovers(self) -> list[str]:
        """Half-written files."""
        return [str(file.relative_to(self.home)) for file in self.home.rglob(".tmp-*")]

    def _ids_in_sql(self) -> list[str]:
        query = "SELECT review_id FROM review_sentiment WHERE source = ?"
        return [str(row[0]) for row in self._ask(query)]

    def _ask(self, query: str) -> list[tuple[object, ...]]:
        file = self.home / "triptych.db"
        if not file.is_file():
            return []
        try:
            return sqlite_file.look(
                file, lambda connection: connection.execute(query, (self.name,)).fetchall()
            )
        except sqlite3.Error:  # no such table yet, or its first moments
            return []

    def _ids_in_parquet(self) -> list[str]:
        import pyarrow.parquet as pq

        folder = self.home / "sentiment" / "scores" / f"run_date={RUN_DATE}"
        parts = [file for file in folder.glob("*.parquet") if f"-{self.name}-" in file.name]
        return [
            str(found)
            for file in parts
            for found in pq.read_table(file, columns=["review_id"])["review_id"].to_pylist()
        ]


def make_night(home: Path, folder: Path, name: str) -> Night:
    """A night of a source that the home has not seen."""
    file = folder / f"{name}.csv"
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("id", "review"))
        for number in range(ROWS):
            writer.writerow((f"r{number}", f"{_WORDS[number % len(_WORDS)]} Item {number}."))
    return Night(home, file, name)

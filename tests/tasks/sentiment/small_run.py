"""A small run for tests: good and bad rows, run through all steps without Prefect."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pyarrow.parquet as pq
import sqlalchemy as sa

from tasks.sentiment.reading.origin import Origin
from tasks.sentiment.reading.source import Source, open_source
from tasks.sentiment.run import steps
from tasks.sentiment.run.partitioner import partition_source
from tasks.sentiment.run.partitions import Outcome
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.scoring_run import Request, ScoringRun
from tasks.sentiment.run.window import Window
from tasks.sentiment.scoring.precision import Choice
from tests.fakes import FakeScorer

RUN_DATE = date(2026, 11, 22)
FLOAT32 = Choice("float32", {}, {"float32": 1.0})


def write_source(file: Path, rows: int, first: int = 0) -> Path:
    """A CSV of `rows` reviews, every 25th of them blank, every 40th with a text seen before."""
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "day", "review"])
        for i in range(first, first + rows):
            text = "" if i % 25 == 24 else "Good" if i % 40 == 39 else f"Review {i}, it is fine."
            writer.writerow([f"r{i}", f"2026-11-{i % 28 + 1:02d}", text])
    return file


def knows_all(_text: str) -> bool:
    """Stands in for a model that knows a word of every text."""
    return True


@dataclass(frozen=True)
class Job:
    """What a test varies."""

    home: Path
    source: Path
    url: str
    run_date: date = RUN_DATE
    rows_per_part: int = 70
    rescore: bool = False
    max_rejected_share: float = 0.05
    min_rows: int = 0
    id_column: str | None = "id"
    carry: tuple[str, ...] = ("day",)
    model_digest: str = "digest-of-the-fake"
    window: Window = field(default_factory=Window)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    scores_url: str | None = None

    def scoring_run(self) -> ScoringRun:
        return ScoringRun(
            folder=self.folder,
            request=Request(
                source=str(self.source),
                text_column="review",
                id_column=self.id_column,
                carry=self.carry,
                group_column="day",
                encoding="utf-8",
                rows_per_part=self.rows_per_part,
                model="fake",
                model_revision=None,
                model_digest=self.model_digest,
                precision="float32",
            ),
            origin=Origin(str(self.source), is_named=True),
            run_id=str(uuid4()),
            started_at=datetime.now(UTC),
            rescore=self.rescore,
            max_rejected_share=self.max_rejected_share,
            min_rows=self.min_rows,
            window=self.window,
            warehouse_url=self.url,
            clock=self.clock,
            scores_url=self.scores_url,
        )

    def open(self) -> Source:
        return open_source(str(self.source))

    def run(self, scorer: FakeScorer | None = None) -> Outcome:
        """All steps, in the order of the flow."""
        scorer = scorer or FakeScorer()
        run = self.scoring_run()
        source = self.open()
        with run.folder.lock():
            try:
                if finished := steps.settle(run, source):
                    return finished
                steps.begin(run)
                plan = partition_source(run, source, knows_all)
                results = []
                for number in range(len(plan.parts)):
                    result = steps.score(run, plan, number, lambda: scorer)
                    if result is not None:
                        steps.load(run, number)
                    results.append(result)
                if None in results:
                    return steps.stop(run, plan, "float32")
                outcome = steps.publish(run, plan, "float32")
                steps.clear(run)
                return outcome
            except BaseException as error:
                steps.fail(run, str(error))
                raise

    def again(self, **changes: Any) -> Self:
        return replace(self, **changes)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.home, "shop", self.run_date)


def published_rows(folder: RunFolder) -> list[dict[str, Any]]:
    """All published rows, run ids and times aside, in the order of their ids."""
    rows = []
    for file in sorted(folder.scores.glob("part-*.parquet")):
        rows += pq.read_table(file).drop_columns(["run_id", "scored_at"]).to_pylist()
    return sorted(rows, key=lambda row: str(row["review_id"]))


def sql_rows(url: str, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table, run ids and times aside."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        result = connection.execute(sa.text(f"SELECT * FROM {table}"))
        kept = [i for i, name in enumerate(result.keys()) if name not in ("run_id", "scored_at")]
        rows = sorted(tuple(str(row[i]) for i in kept) for row in result)
    engine.dispose()
    return rows


def runs(url: str) -> list[dict[str, Any]]:
    """All runs, in the order they began."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.text("SELECT * FROM sentiment_runs ORDER BY started_at")
        rows = [dict(row._mapping) for row in connection.execute(query)]
    engine.dispose()
    return rows


def wipe(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)

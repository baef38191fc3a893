"""Partitioning: what a source as a whole is accepted, warned of or refused for."""

import json
from pathlib import Path

import pytest

from tasks.sentiment.run import steps
from tasks.sentiment.run.partitioner import partition_source
from tasks.sentiment.run.plan import Plan
from tests.tasks.sentiment.small_run import Job, knows_all


@pytest.fixture
def job(tmp_path: Path) -> Job:
    url = f"sqlite:///{tmp_path}/triptych.db"
    return Job(home=tmp_path / "var", source=tmp_path / "shop.jsonl", url=url)


def partition(job: Job, rows: list[dict[str, object]]) -> Plan:
    """The plan of a run over these rows."""
    job.source.write_text("\n".join(map(json.dumps, rows)))
    run = job.scoring_run()
    steps.settle(run, job.open())
    steps.begin(run)
    return partition_source(run, job.open(), knows_all)


def test_carried_column_that_no_row_has_is_warned_of(job):
    """JSON Lines may lack a key in every object; a misspelled one looks just so."""
    plan = partition(job, [{"id": n, "review": f"Review {n}."} for n in range(3)])

    assert plan.rejected == 0
    assert plan.warnings == ("No row has the column day: is it spelled otherwise?",)

"""What the report of a run is made of."""

import json
from dataclasses import MISSING, asdict, fields, replace
from datetime import UTC, date, datetime

import pytest

from tasks.sentiment.errors import RejectedTooMany
from tasks.sentiment.report.build import build_report
from tasks.sentiment.run import steps
from tasks.sentiment.run.partitioner import partition_source
from tasks.sentiment.run.window import Window
from tasks.sentiment.text import text_digest
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import FLOAT32, Job, knows_all, write_source


def test_stopped_run_is_compared_by_all_rows_that_were_read(tmp_path):
    """Rejects are known of the whole input; its few scored rows do not make their share large."""
    source = write_source(tmp_path / "reviews.csv", 2_000)
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    job.run()
    later = job.again(
        run_date=date(2026, 11, 23),
        rescore=True,
        window=Window(datetime(2026, 11, 23, 5, 30, tzinfo=UTC)),
        clock=lambda: datetime(2026, 11, 23, 1, 0, tzinfo=UTC),
    ).scoring_run()
    steps.begin(later)
    plan = partition_source(later, job.open(), knows_all)
    steps.score(later, plan, 0, FakeScorer)
    outcome = steps.stop(later, plan, "float32")
    assert outcome.rejected > 0.3 * outcome.rows_read  # of what has a result by now

    report = build_report(later, plan, FLOAT32, outcome)

    assert not [text for text in report.comparison.warnings if "rejected" in text]


def test_texts_without_a_known_word_are_counted_over_a_kill(tmp_path):
    """They are accepted and scored; the next run finds the count in the plan."""
    source = write_source(tmp_path / "reviews.csv", 200)
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    first, second = job.scoring_run(), job.scoring_run()
    steps.begin(first)
    steps.begin(second)

    plan = partition_source(first, job.open(), lambda text: "7" not in text)
    again = partition_source(second, job.open(), lambda _: pytest.fail("done anew"))

    assert again == plan
    assert (plan.unknown, plan.unknown_rows) == (35, (8, 18, 28, 38, 48))
    assert (plan.accepted, plan.rejected) == (192, 8)
    outcome = steps.stop(second, again, "float32")
    report = build_report(second, again, FLOAT32, outcome)
    assert (report.plan.accepted, report.plan.unknown) == (192, 35)
    assert any("no word of 18.2 % of the texts" in text for text in report.warnings)


def test_texts_without_a_known_word_are_rejected_on_demand(tmp_path):
    """All rows are read, and each is scored, reused or rejected."""
    source = write_source(tmp_path / "reviews.csv", 200)
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    run = job.again(max_rejected_share=1.0).scoring_run()
    run = replace(run, request=replace(run.request, reject_unknown_text=True))
    steps.begin(run)

    plan = partition_source(run, job.open(), lambda text: "7" not in text)

    assert (plan.rows_read, plan.accepted, plan.rejected) == (200, 157, 43)
    assert plan.unknown == 0
    assert plan.rejected_reasons["no word that the model knows"] == (35, (8, 18, 28, 38, 48))


def test_wish_to_reject_is_part_of_the_request_and_its_absence_is_not(tmp_path):
    """Runs of the last version, which had no such wish, count as asked for the same."""
    request = Job(tmp_path, tmp_path / "r.csv", "sqlite://").scoring_run().request
    first = [field.name for field in fields(request) if field.default is MISSING]
    assert len(first) == 11
    before = {name: value for name, value in asdict(request).items() if name in first}
    assert request.digest == text_digest(json.dumps(before, sort_keys=True))[:16]
    assert replace(request, reject_unknown_text=True).digest != request.digest
    assert replace(request, columns=("a", "b")).digest != request.digest
    assert replace(request, delimiter=";").digest != request.digest


def test_how_files_were_read_is_kept_and_shown(tmp_path):
    """What was guessed of a file stands in the plan, for a run that goes on, and in the report."""
    source = tmp_path / "reviews.csv"
    source.write_text("id;day;review\n1;2026-11-22;Good, cheap\n2;2026-11-22;Bad\n", "utf-8")
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    run = job.scoring_run()
    steps.begin(run)

    plan = partition_source(run, job.open(), knows_all)

    assert plan.read_as == {"CSV (delimiter ;)": 1}
    assert partition_source(run, job.open(), knows_all) == plan
    outcome = steps.stop(run, plan, "float32")
    assert build_report(run, plan, FLOAT32, outcome).parameters["read as"] == "CSV (delimiter ;)"


def test_encoding_is_suggested_where_the_bytes_say_cp1252(tmp_path):
    """A run that fails for it says what to give; one that passes warns."""
    source = tmp_path / "reviews.csv"
    body = "".join(f"{n},2026-11-22,Review {n}\n" for n in range(30))
    source.write_bytes(f"id,day,review\n{body}x,2026-11-22,It’s “fine”\n".encode("cp1252"))
    job = Job(tmp_path / "var", source, f"sqlite:///{tmp_path / 'warehouse.db'}")
    run = job.scoring_run()
    steps.begin(run)

    plan = partition_source(run, job.open(), knows_all)
    with pytest.raises(RejectedTooMany, match="--encoding cp1252 reads them"):
        partition_source(replace(run, max_rejected_share=0.01), job.open(), knows_all)

    report = build_report(run, plan, FLOAT32, steps.stop(run, plan, "float32"))
    assert any("--encoding cp1252 reads them" in text for text in report.warnings)

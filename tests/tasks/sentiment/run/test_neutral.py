"""A run of a model with a neutral label: it is a label of its own wherever results go."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.report import summary
from tasks.sentiment.report.build import build_report
from tasks.sentiment.report.page import render_html
from tasks.sentiment.run.partitions import Outcome, finished_partitions, merged_statistics
from tasks.sentiment.run.plan import read_plan
from tasks.sentiment.run.statistics import ScoreStatistics
from tasks.sentiment.scoring.labels import ClassLabels
from tests.fakes import FakeScorer
from tests.tasks.sentiment.small_run import FLOAT32, Job, published_rows, runs, sql_rows

SHARES = {"Great": (0.9, 0.08), "Okay": (0.2, 0.75), "Bad": (0.05, 0.1), "Meh": (0.02, 0.97)}
LABELS = {"Great": "POSITIVE", "Okay": "NEUTRAL", "Bad": "NEGATIVE", "Meh": "NEUTRAL"}


class ThreeLabels(FakeScorer):
    """Answers with the probability of POSITIVE and of NEUTRAL."""

    def score(self, texts: Sequence[str]) -> np.ndarray:
        self.scored += texts
        return np.array([SHARES[text] for text in texts])


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = tmp_path / "shop.csv"
    lines = [f"{text},2026-11-22,{text}" for text in SHARES]
    source.write_text("\n".join(["id,day,review", *lines]) + "\n")
    url = f"sqlite:///{tmp_path}/triptych.db"
    return Job(tmp_path / "var", source, url, rows_per_part=3)


def test_rows_bear_the_label_and_both_probabilities(job):
    """In Parquet and in SQL; a score is that of the label."""
    job.run(ThreeLabels())

    rows = {row["review_id"]: row for row in published_rows(job.folder)}
    assert {name: row["label"] for name, row in rows.items()} == LABELS
    scores = {name: row["score"] for name, row in rows.items()}
    assert scores == pytest.approx({"Great": 0.9, "Okay": 0.75, "Bad": 0.85, "Meh": 0.97})
    stored = {row[1]: (row[2], row[4], row[-1]) for row in sql_rows(job.url, "review_sentiment")}
    for name, (positive, neutral) in SHARES.items():
        assert rows[name]["positive_probability"] == positive
        assert rows[name]["neutral_probability"] == neutral
        assert stored[name] == (LABELS[name], str(positive), str(neutral))
    (run,) = runs(job.url)
    assert (run["positive_share"], run["neutral_share"]) == (0.25, 0.5)


def test_results_that_are_taken_over_keep_all_of_it(job):
    """The next run scores what is new; a part of old rows alone is whole too."""
    job.run(ThreeLabels())
    with job.source.open("a") as file:
        file.write("new,2026-11-23,Okay\n")
    scorer, tomorrow = ThreeLabels(), job.again(run_date=date(2026, 11, 23))
    tomorrow.run(scorer)

    assert scorer.scored == ["Okay"]
    kept = ("review_id", "label", "score", "positive_probability", "neutral_probability")
    before, after = (
        {row["review_id"]: [row[name] for name in kept] for row in published_rows(folder)}
        for folder in (job.folder, tomorrow.folder)
    )
    assert {name: after[name] for name in before} == before
    assert after["new"][1:] == before["Okay"][1:]
    schemas = [pq.read_schema(file) for file in sorted(tomorrow.folder.scores.glob("*.parquet"))]
    assert len(schemas) == 2 and schemas[0].equals(schemas[1])


def test_report_shows_neutral_and_which_class_is_which(job, monkeypatch):
    """On the page, in the UI and on the terminal."""
    monkeypatch.setattr("tasks.sentiment.run.steps.clear", lambda run: None)
    job.run(ThreeLabels())
    run = job.scoring_run()
    plan = read_plan(run.folder)
    assert plan is not None
    results = finished_partitions(run.folder, plan)
    outcome = Outcome.of("finished", run.run_id, plan, results)
    labels = ClassLabels(("1", "2", "3"), ("NEGATIVE", "NEUTRAL", "POSITIVE"))

    report = build_report(run, plan, FLOAT32, outcome, labels)

    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", render_html(report)))
    assert "50.0 % are neutral" in page and "neutral or negative" in render_html(report)
    assert "1 = NEGATIVE; 2 = NEUTRAL; 3 = POSITIVE" in page
    assert {"figure": "Neutral", "value": "50.0 %"} in summary.render_table(report)
    assert "25.0 % positive** and 50.0 % neutral of 4" in summary.render_markdown(report)
    shown: Any = summary.render_terminal(report)
    terminal = str([str(line) for line in shown.renderables])
    assert "neutral   50.0 % of 4  (before 50.0 %)" in terminal
    assert "1 = NEGATIVE; 2 = NEUTRAL; 3 = POSITIVE" in terminal
    statistics = merged_statistics(run.folder, results)
    assert [example.text for example in statistics.most_negative][:2] == ["Bad", "Okay"]


def test_statistics_of_parts_add_up_to_those_of_the_whole():
    """And to JSON and back; a model without the label counts none."""
    texts = [*SHARES] * 2
    shares = np.array([SHARES[text] for text in texts])
    whole = ScoreStatistics.of(texts, shares, texts)
    parts = [
        ScoreStatistics.of(texts[i : i + 3], shares[i : i + 3], texts[i : i + 3]) for i in (0, 3, 6)
    ]
    merged = ScoreStatistics()
    for part in reversed(parts):
        merged = merged.merge(ScoreStatistics.from_json(asdict(part)))
    assert merged == whole
    assert (whole.positive, whole.neutral, whole.neutral_share) == (2, 4, 0.5)
    assert ScoreStatistics.of(texts, shares[:, 0], texts).neutral is None

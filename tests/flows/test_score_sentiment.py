"""The nightly flow as its users run it: on a real Prefect API, from a terminal, on Dask."""

import os
import re
import signal
import subprocess
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect_dask.task_runners import DaskTaskRunner

from flows.score_sentiment import ScoreSentiment, score_sentiment
from tasks.operations.backup import back_up
from tasks.orchestration.command_line import parse
from tasks.orchestration.task_runner import open_task_runner
from tasks.sentiment.errors import SentimentError, SourceError
from tasks.sentiment.run.partitions import Outcome
from tests.benchmarks.texts import DEMO, varied_texts
from tests.flows.command import command
from tests.flows.traced import traced

pytestmark = pytest.mark.slow

FLOW = "flows.score_sentiment"
DEMO_ROWS, DEMO_REJECTED = 619, 12


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "var"
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    return home


def demo(**changes: Any) -> ScoreSentiment:
    return ScoreSentiment(
        **{
            "source": str(DEMO),
            "text_column": "review",
            "id_column": "review_id",
            "source_name": "demo",
            "carry": ("product", "stars"),
            "report_by": "written_on",
            "run_date": "2026-11-22",
            "precision": "float32",
            **changes,
        }
    )


def run(params: ScoreSentiment) -> Outcome:
    return score_sentiment(params)


def rows_of(home: Path, run_date: str = "2026-11-22") -> pd.DataFrame:
    frame = pd.read_parquet(home / "sentiment" / "scores" / f"run_date={run_date}")
    return frame.drop(columns=["run_id", "scored_at"]).set_index("review_id").sort_index()


def sql(home: Path, query: str) -> list[Any]:
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        rows = list(connection.execute(sa.text(query)))
    engine.dispose()
    return rows


def write_reviews(file: Path, rows: int) -> Path:
    frame = pd.DataFrame({"review": list(varied_texts(rows))})
    frame["id"] = [f"r{i}" for i in frame.index]
    frame.to_csv(file, index=False)
    return file


def test_demo_scores_its_reviews_and_shows_them(prefect_api, home):
    """Counts add up, results are on disk and in SQL, and the run can be looked at in the UI."""
    outcome = run(demo())

    assert (outcome.rows_read, outcome.rejected) == (DEMO_ROWS, DEMO_REJECTED)
    assert outcome.scored == DEMO_ROWS - DEMO_REJECTED == len(rows_of(home))
    assert sql(home, "SELECT count(*) FROM review_sentiment") == [(outcome.scored,)]
    agreement = _agreement_with_stars(rows_of(home))
    assert agreement > 0.6  # its reviewers like irony
    report = next((home / "sentiment" / "reports").glob("2026-11-22-demo-*.html")).read_text()
    assert "<svg" in report and "<script" not in report
    with get_client(sync_client=True) as client:
        seen = client.read_flow_run(UUID(outcome.run_id))
        of_the_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[seen.id]))
        artifacts = {a.key: a for a in client.read_artifacts(artifact_filter=of_the_run)}
    assert seen.name == "score-sentiment 2026-11-22 demo"
    assert {"score-sentiment", "score-sentiment-figures"} <= artifacts.keys()
    assert artifacts["score-sentiment-progress"].data == 100.0
    origin = traced(home, str(rows_of(home).index[0]))
    assert origin["scoring run"].id == outcome.run_id
    assert origin["training data"].id and origin["code"].id
    assert len(list((home / "lineage").glob("sentiment-*.json"))) == 1


def _agreement_with_stars(frame: pd.DataFrame) -> float:
    clear = frame[frame["input_stars"].isin(["1", "5"])]
    return float(((clear["label"] == "POSITIVE") == (clear["input_stars"] == "5")).mean())


def test_texts_that_the_model_cannot_read_are_told_and_can_be_rejected(
    prefect_api, home, tmp_path, capfd
):
    """Other scripts are scored with a warning, or rejected with their reason."""
    texts = ["Good product", "Очень хороший товар", "非常好", "منتج رائع", "12345", "ok 好"]
    source = tmp_path / "mixed.csv"
    pd.DataFrame({"id": range(6), "review": texts}).to_csv(source, index=False)
    params = demo(source=str(source), id_column="id", carry=(), report_by=None)

    scored = run(params)
    told = " ".join(capfd.readouterr().out.split())
    rejecting = {"reject_unknown_text": True, "max_rejected_share": 1.0}
    rejected = run(params.model_copy(update=rejecting))

    assert (scored.scored, scored.rejected) == (6, 0)
    assert "4 of 6 texts have no word that the model knows" in told
    assert "--reject-unknown-text" in told
    assert (rejected.rows_read, rejected.reused, rejected.rejected) == (6, 2, 4)
    reasons = sql(home, "SELECT DISTINCT reason FROM rejected_reviews")
    assert reasons == [("no word that the model knows",)]


def test_second_run_of_the_same_run_date_scores_nothing(prefect_api, home, tmp_path):
    """The flow says so and leaves everything as it is."""
    source = write_reviews(tmp_path / "few.csv", 20)
    asked = demo(source=str(source), id_column="id", carry=(), report_by=None)
    first = run(asked)
    files = {f: f.stat().st_mtime_ns for f in (home / "sentiment").rglob("*") if f.is_file()}

    second = run(asked)

    assert (second.status, second.scored, second.reused) == ("finished", 0, first.scored)
    assert len(sql(home, "SELECT * FROM sentiment_runs")) == 1
    kept = {f: f.stat().st_mtime_ns for f in (home / "sentiment").rglob("*") if f.is_file()}
    assert {k: v for k, v in kept.items() if k.suffix != ".lock"} == {
        k: v for k, v in files.items() if k.suffix != ".lock"
    }


def test_night_after_a_restore_scores_only_what_is_new(prefect_api, home, tmp_path, monkeypatch):
    """In a home of another name, from the copy alone; no row is lost or doubled."""
    source = write_reviews(tmp_path / "few.csv", 20)
    asked = demo(source=str(source), id_column="id", carry=(), report_by=None)
    run(asked)
    back_up(home, tmp_path / "copy.tar")
    new = tmp_path / "new"
    new.mkdir()
    subprocess.run(["tar", "-xpf", tmp_path / "copy.tar", "-C", new], check=True)
    home.rename(tmp_path / "gone")
    monkeypatch.setenv("TRIPTYCH_HOME", str(new))

    same = run(asked)
    write_reviews(source, 25)
    next_night = run(asked.model_copy(update={"run_date": date(2026, 11, 23)}))

    assert (same.status, same.scored, same.reused) == ("finished", 0, 20)
    assert (next_night.scored, next_night.reused) == (5, 20)
    query = "SELECT count(*), count(DISTINCT review_id) FROM review_sentiment"
    assert sql(new, query) == [(25, 25)]


def test_second_input_under_a_known_name_is_refused_until_it_is_named(prefect_api, home, tmp_path):
    """Two shops' files of one name: nothing is replaced without a word."""
    plain: dict[str, Any] = {"id_column": "id", "carry": (), "report_by": None}
    for shop in ("a", "b"):
        (tmp_path / shop).mkdir()
        write_reviews(tmp_path / shop / "reviews.csv", 20)
    a, b = (
        demo(source=str(tmp_path / shop / "reviews.csv"), source_name=None, **plain)
        for shop in ("a", "b")
    )
    run(a)

    with pytest.raises(SourceError, match=r"have a source reviews already, from .*/a/reviews.csv"):
        run(b)
    assert sql(home, "SELECT count(*) FROM sentiment_runs") == [(1,)]

    run(b.model_copy(update={"source_name": "b"}))
    counts = sql(home, "SELECT source, count(*) FROM review_sentiment GROUP BY source")
    assert sorted(counts) == [("b", 20), ("reviews", 20)]
    assert run(a).scored == 0


def test_query_that_would_change_the_results_is_refused(prefect_api, home, tmp_path):
    """By default a query runs on the database of the results; it only reads them."""
    source = write_reviews(tmp_path / "reviews.csv", 20)
    run(demo(source=str(source), id_column="id", carry=(), report_by=None))
    query = "WITH x AS (SELECT 1) DELETE FROM review_sentiment RETURNING review_id, label AS review"

    with pytest.raises(SourceError, match="a source is only read: the query would delete from"):
        run(demo(source=query, carry=(), report_by=None, source_name="again"))

    assert sql(home, "SELECT count(*) FROM review_sentiment") == [(20,)]


def test_words_for_nothing_are_rejected_unless_they_are_meant(prefect_api, home, tmp_path):
    """A switch of the flow, as of its form and command."""
    source = tmp_path / "reviews.csv"
    source.write_text("id,review\n1,Lovely\n2,N/A\n3,nan\n4,\u200b\n5,None of it broke\n")
    plain: dict[str, Any] = {"id_column": "id", "carry": (), "report_by": None}
    params = demo(source=str(source), max_rejected_share=1.0, **plain)

    assert (run(params).scored, run(params).rejected) == (2, 3)
    outcome = run(params.model_copy(update={"keep_null_words": True}))

    assert (outcome.scored, outcome.reused, outcome.rejected) == (2, 2, 1)


def test_query_without_rows_is_a_finished_run(prefect_api, home, tmp_path, monkeypatch):
    """In SQL, in Parquet and in the report; with --min-rows it is an alarm instead."""
    shop = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(shop)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE reviews (id INTEGER, review TEXT)"))
    engine.dispose()
    monkeypatch.setenv("TRIPTYCH_SOURCE_DATABASE_URL", shop)
    asked = {
        "source": "-- of today\nSELECT id, review FROM reviews",
        "id_column": "id",
        "carry": (),
        "report_by": None,
        "precision": "auto",
    }

    outcome = run(demo(**asked))

    assert (outcome.status, outcome.rows_read) == ("finished", 0)
    assert len(rows_of(home)) == 0
    assert sql(home, "SELECT status, rows_read FROM sentiment_runs") == [("finished", 0)]
    (report,) = (home / "sentiment" / "reports").glob("*.html")
    assert "The source was empty" in report.read_text()
    with pytest.raises(SentimentError, match="--min-rows"):
        run(demo(**asked, min_rows=1))
    assert sql(home, "SELECT status FROM sentiment_runs ORDER BY started_at") == [
        ("finished",),
        ("failed",),
    ]


def test_run_by_hand_says_first_when_its_window_ends(prefect_api, home, tmp_path, capfd):
    """It may be tomorrow: on the terminal, and in the run's log."""
    source = write_reviews(tmp_path / "few.csv", 3)
    asked = {"source": str(source), "id_column": "id", "carry": (), "report_by": None}

    run(demo(**asked, stop_at="05:30", time_zone="Europe/Berlin"))

    told = [line for line in capfd.readouterr().err.splitlines() if "The window ends at" in line]
    assert told and re.search(r"05:30 Europe/Berlin.* in \d+ h \d+ min", told[0])


def test_dask_workers_give_the_same_rows_as_threads_also_if_one_is_killed(
    prefect_api, tmp_path, monkeypatch
):
    """Two worker processes, each with the model opened once; the parts that a killed one held are
    done by another."""
    from distributed.deploy.spec import SpecCluster

    workers: list[int] = []

    def kill_after_first_part() -> None:
        while not list((tmp_path / "dask").rglob("scores-*.json")):
            time.sleep(0.02)
        (cluster,) = SpecCluster._instances
        workers.extend(nanny.pid for nanny in cluster.workers.values())
        os.kill(workers[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_after_first_part, daemon=True)
    results = {}
    for runner in ("threads", "dask"):
        monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / runner))
        monkeypatch.setenv("TRIPTYCH_TASK_RUNNER", runner)
        if runner == "dask":
            killer.start()
        outcome = run(demo(rows_per_part=75))
        assert (outcome.status, outcome.parts) == ("finished", 9)
        results[runner] = rows_of(tmp_path / runner)

    assert len(workers) == 2 and not psutil.pid_exists(workers[0])
    assert len(results["dask"]) == DEMO_ROWS - DEMO_REJECTED
    pd.testing.assert_frame_equal(results["dask"], results["threads"])


@pytest.mark.parametrize(
    ("url", "code", "told"),
    [
        ("s3://no-such-bucket/x", 1, "error: there is no bucket s3://no-such-bucket/x: make it"),
        ("https://bucket/x", 2, "error: TRIPTYCH_SCORES_URL: use s3://bucket/prefix"),
    ],
)
def test_bucket_for_scores_that_cannot_be_used_is_told_in_one_line(
    home, own_bucket, url, code, told, run_here, monkeypatch
):
    """Before anything is scored."""
    monkeypatch.setenv("TRIPTYCH_SCORES_URL", url)
    asked = ("--source", str(DEMO), "--text-column", "review", "--id-column", "review_id")

    status, output, errors = run_here("score_sentiment", home, *asked)

    assert status == code and told in errors
    assert "Traceback" not in output + errors
    assert not (home / "sentiment" / "staging").exists()


@pytest.mark.filterwarnings("error:Port")
def test_clusters_of_one_machine_do_not_meet_in_a_port(home, monkeypatch):
    """Nor does anything of theirs listen for other machines."""
    from distributed import LocalCluster

    monkeypatch.setenv("TRIPTYCH_TASK_RUNNER", "dask")
    runner = open_task_runner()
    assert isinstance(runner, DaskTaskRunner)
    asked = {**runner.cluster_kwargs, "n_workers": 0}

    with LocalCluster(**asked) as one, LocalCluster(**asked) as other:
        servers = [cluster.scheduler.http_server for cluster in (one, other)]

    assert {server.address for server in servers} == {"127.0.0.1"}
    assert servers[0].port != servers[1].port


def test_scheduler_of_another_machine_is_used_as_it_is(home, monkeypatch):
    """Its address is given, and no workers are started here."""
    monkeypatch.setenv("TRIPTYCH_TASK_RUNNER", "tcp://10.0.0.1:8786")

    runner = open_task_runner()

    assert isinstance(runner, DaskTaskRunner)
    assert runner.address == "tcp://10.0.0.1:8786"
    assert runner.cluster_kwargs == {}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--source", str(DEMO)), 2, "required: --text-column"),
        (("--source", str(DEMO), "--text-column", "review", "--stop-at", "25:00"), 2, "--stop-at"),
        (
            ("--source", str(DEMO), "--text-column", "review", "--time-zone", "Berlin"),
            2,
            "Berlin is no IANA time zone",
        ),
        (("--source", "nowhere.csv", "--text-column", "review"), 1, "nowhere.csv"),
        (
            ("--source", str(DEMO), "--text-column", "text"),
            1,
            "review_id, product, stars, written_on, review",
        ),
        (("--source", str(DEMO), "--text-column", "review", "--model", "no/such"), 1, "no/such"),
    ],
)
def test_command_answers_a_mistake_in_one_line(home, arguments, code, message, run_here):
    """The line says what was wrong and what would be right; there is no traceback."""
    status, output, errors = run_here("score_sentiment", home, *arguments)

    assert status == code, errors
    assert message in errors
    assert "Traceback" not in output + errors
    assert len([line for line in errors.splitlines() if "error:" in line]) == 1


def test_command_killed_while_scoring_is_finished_by_running_it_again(home, tmp_path):
    """SIGKILL in the middle of the real thing; finished parts keep their time, none is lost. What
    then does it all leaves a clean terminal, and its summary names the counts and the places."""
    source = tmp_path / "many.csv"
    kinds = ("A good buy", "An awful buy")  # few texts, so that measuring precisions takes little
    texts = ["" if i % 100 == 0 else f"{kinds[i % 2]}, item {i % 60}" for i in range(800)]
    pd.DataFrame({"id": range(800), "review": texts}).to_csv(source, index=False)
    arguments = (
        *("--source", str(source), "--text-column", "review", "--id-column", "id"),
        *("--rows-per-part", "100", "--run-date", "2026-11-22"),
    )
    process = command(FLOW, home, *arguments, own_server=True)
    while not list(home.rglob("scores-00001.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    before = {file.name: file.read_text() for file in home.rglob("scores-*.json")}
    assert 2 <= len(before) < 8
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive  # its Prefect server went with it

    process = command(FLOW, home, *arguments, own_server=True)
    output, errors = process.communicate(timeout=240)

    assert process.returncode == 0, errors
    assert not re.search(r"Traceback|Warning|Error|ERROR", output + errors), output + errors
    assert "800 = 792 scored + 0 reused + 8 rejected" in output
    assert "triptych.db" in output and ".html" in output
    assert len(rows_of(home)) == 792
    statuses = sql(home, "SELECT status FROM sentiment_runs ORDER BY started_at")
    assert statuses == [("failed",), ("finished",)]
    scored_by = sql(home, "SELECT count(DISTINCT run_id) FROM review_sentiment")
    assert scored_by == [(2,)]


def test_command_ended_by_sigterm_says_so_and_can_go_on(home, tmp_path):
    """A polite end leaves status 130 and a run marked as failed."""
    source = write_reviews(tmp_path / "many.csv", 2_000)
    process = command(
        FLOW,
        home,
        *("--source", str(source), "--text-column", "review", "--rows-per-part", "100"),
        *("--precision", "float32"),
    )
    while not list(home.rglob("scores-00000.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.terminate()
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert sql(home, "SELECT status FROM sentiment_runs") == [("failed",)]


def test_command_refuses_a_precision_that_gives_other_labels(home, tmp_path, run_here):
    """One line says by how much and what to do, and no result is written."""
    from tasks.sentiment.scoring.model import find_model
    from tests.tasks.sentiment.tiny_model import sample_texts, write_crude_model

    model = write_crude_model(tmp_path / "model")
    source = tmp_path / "reviews.csv"
    texts = list(dict.fromkeys(sample_texts(60)))
    pd.DataFrame({"id": range(len(texts)), "review": texts}).to_csv(source, index=False)
    arguments = ("--source", str(source), "--text-column", "review", "--id-column", "id")
    asked = ("--model", str(model), "--precision", "int8")

    status, _, errors = run_here("score_sentiment", home, *arguments, *asked)

    assert status == 1, errors
    (line,) = [line for line in errors.splitlines() if "error:" in line]
    assert "int8 gives" in line and "another label than float32" in line
    assert "use --precision float32, or auto" in line
    assert "Traceback" not in errors
    assert not (home / "sentiment" / "scores").exists()
    assert sql(home, "SELECT count(*) FROM review_sentiment") == [(0,)]
    assert find_model(str(model), cache=tmp_path)  # the model itself is fine


def test_source_that_is_not_there_is_told_before_a_server_is_started(tmp_path):
    """In a second, and nothing is left behind."""
    home = tmp_path / "var"
    arguments = ("--source", "nowhere.csv", "--text-column", "review")
    process = command("flows.score_sentiment", home, *arguments, own_server=True)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 1
    assert errors.startswith("error: nowhere.csv does not exist")
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--delimiter", "tab"], "\t"),
        (["--delimiter", "\\t"], "\t"),
        (["--delimiter", ","], ","),
        (["--delimiter", "; "], "; "),
        (["--delimiter", "semicolon"], ";"),
    ],
)
def test_delimiter_can_be_written_as_people_write_it(arguments, expected):
    """Also one that a shell does not let through as it is."""
    needed = ["--source", "a.csv", "--text-column", "text"]

    assert parse(ScoreSentiment, "score", [*needed, *arguments]).delimiter == expected


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"delimiter": "ab"}, "one character such as ;"),
        ({"delimiter": ""}, "one character such as ;"),
        ({"quote": "''"}, "one character, or none"),
        ({"skip_lines": -1}, "greater than or equal to 0"),
        ({"columns": ("a", "a")}, "each column once"),
        ({"decimal_comma": ("price",)}, "carry it as well"),
    ],
)
def test_dialect_that_cannot_be_is_refused(wrong, says):
    """Before anything is read."""
    with pytest.raises(ValueError, match=says):
        demo(**wrong)

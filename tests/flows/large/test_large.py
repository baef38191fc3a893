"""What `make demo` does, on one machine's defaults and on what several machines share.

There a real PostgreSQL has the results, what fraud services share, and what Prefect's server knows;
Dask's scheduler and two worker processes score; a server that speaks S3's protocol has releases and
published scores; nginx stands before two replicas of the fraud service, in homes of their own. The
same comes out of it, to the last bit: kernels run with one thread, so that sums have one order.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client
from pyarrow.fs import S3FileSystem

from edge.release.repository.bucket import BucketStorage
from edge.release.repository.state import read_state, read_target
from edge.release.repository.storage import FolderStorage, Storage
from services.fraud.demo import labelled_rows
from services.storage.files import file_digest
from tasks.orchestration.prefect_access import password
from tests.bucket import OwnBucket
from tests.flows.command import done
from tests.flows.large.fraud import RECORDED, answered_by, answers_of, await_log, decided, kill
from tests.flows.large.processes import (
    balancer,
    dask_cluster,
    debian_postgres,
    new_database,
    prefect_server,
)
from tests.flows.large.side import Side, in_order
from tests.flows.small_home import ONE_THREAD, PUBLICATION, put_small_home, training
from tests.services.fraud.running import served

pytestmark = pytest.mark.slow

BUCKET = "large"
POLICY = {  # devices read releases, and nobody reads scores
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/releases/*",
        }
    ],
}
NIGHT = (
    *("--source", "tasks/sentiment/demo/reviews.csv", "--source-name", "demo"),
    *("--text-column", "review", "--id-column", "review_id", "--carry", "product,stars"),
    *("--report-by", "written_on", "--max-rejected-share", "0.05", "--run-date", "2026-11-22"),
    *("--precision", "float32", "--rows-per-part", "75"),
)
ROWS, PARTS = 607, 9
HOME = "TRIPTYCH_HOME"
OF_ANSWER = ["request_id", "answered_at", "model", "latency_ms"]


@dataclass(frozen=True)
class Pair:
    """Both set-ups, each with a home of its own: that with the defaults has a model, trained on
    `day`, and a release. `prefect` is the database of the large one's Prefect server, `dask` its
    scheduler."""

    defaults: Side
    large: Side
    day: date
    prefect: sa.URL
    dask: str
    s3: str

    def both(self, module: str, *arguments: str) -> list[str]:
        """Do the same in both at once; what each has said."""
        return done(*(side.start(module, *arguments) for side in (self.defaults, self.large)))

    def client(self) -> Any:
        """Of the bucket server."""
        given = OwnBucket.environment(self.s3)
        return boto3.client(
            "s3",
            endpoint_url=self.s3,
            region_name="us-east-1",
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, s3_server: str) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("large")
    homes = [folder / name / "var" for name in ("defaults", "large")]
    for home in homes:
        home.parent.mkdir()
    day = date.today()
    put_small_home(tmp_path_factory, homes[0], day)
    homes[1].mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(debian_postgres())
        prefect, results = (new_database(postgres, name) for name in ("prefect", "triptych"))
        address = results.render_as_string(hide_password=False)
        settings = {
            **ONE_THREAD,
            **OwnBucket.environment(s3_server),
            "PREFECT_API_URL": stack.enter_context(prefect_server(homes[1], prefect)),
            "PREFECT_API_AUTH_STRING": password(homes[1]),
            HOME: str(homes[1]),
            "TRIPTYCH_DATABASE_URL": address,
            "TRIPTYCH_FRAUD_STATE_URL": address,
            "TRIPTYCH_SCORES_URL": f"s3://{BUCKET}/scored",
            "TRIPTYCH_RELEASES_URL": f"s3://{BUCKET}/releases",
        }
        dask = stack.enter_context(dask_cluster(folder, settings))
        pair = Pair(
            defaults=Side(homes[0], f"sqlite:///{homes[0]}/triptych.db", ONE_THREAD),
            large=Side(homes[1], address, {**settings, "TRIPTYCH_TASK_RUNNER": dask}),
            day=day,
            prefect=prefect,
            dask=dask,
            s3=s3_server,
        )
        pair.client().create_bucket(Bucket=BUCKET)
        pair.client().put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(POLICY))
        yield pair


def test_night_has_the_same_rows_in_tables_and_files(pair):
    """Ids, labels and probabilities, in SQL and in what readers of the bucket see; both of Dask's
    workers have scored, and nothing that servers have lies in files of the home."""
    before = computed_by(pair.dask)
    _, said = pair.both("flows.score_sentiment", *NIGHT)

    compare(pair, "review_sentiment", ["run_id", "scored_at"], ["review_id"])
    compare(pair, "rejected_reviews", ["run_id"], ["row_number"])
    system = S3FileSystem(
        endpoint_override=pair.s3.removeprefix("http://"),
        scheme="http",
        region="us-east-1",
        access_key="testing",
        secret_key="testing",
    )
    for kind, of_run, key in (
        ("scores", ["run_id", "scored_at"], "review_id"),
        ("rejected", ["run_id"], "row_number"),
    ):
        here = pd.read_parquet(pair.defaults.home / "sentiment" / kind)
        there = pd.read_parquet(f"{BUCKET}/scored/{kind}", filesystem=system)
        assert list(there.columns) == list(here.columns) and (there.dtypes == here.dtypes).all()
        mine, theirs = (in_order(rows, of_run, [key]) for rows in (here, there))
        pd.testing.assert_frame_equal(theirs, mine, check_exact=True)
        assert kind == "rejected" or len(theirs) == ROWS
    assert f"s3://{BUCKET}/scored/scores/run_date=2026-11-22/" in said
    computed = [after - done for after, done in zip(computed_by(pair.dask), before, strict=True)]
    assert len(computed) == 2 and all(computed) and sum(computed) >= 2 * PARTS
    assert set(run_states(pair.prefect, "score-sentiment")) == {"COMPLETED"}
    assert not databases(pair.large.home)


def databases(home: Path) -> list[Path]:
    """Those in files; the counters of a service's worker, files of that name too, are none."""
    return [file for file in home.rglob("*.db") if file.parent.parent.name != "metrics"]


def computed_by(scheduler: str) -> list[int]:
    """How many tasks each of Dask's workers has done until now."""
    with Client(scheduler) as client:
        logs = client.run(lambda dask_worker: list(dask_worker.state.log))
    in_order = [logs[worker] for worker in sorted(logs)]
    return [sum("executing" in each and "memory" in each for each in log) for log in in_order]


def run_states(database: sa.URL, flow: str) -> list[str]:
    """Those of all runs of a flow that Prefect's server has written down."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    query = "SELECT state_type FROM flow_run JOIN flow ON flow.id = flow_id WHERE flow.name = :flow"
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query), {"flow": flow}))


def test_two_replicas_behind_nginx_answer_as_one_service_does(pair, tmp_path):
    """The same model is trained; transactions one after another get the same features and
    answers, though now one replica is asked and now the other; and the audit says the same."""
    done(pair.large.start(*training(pair.day)))
    asked = labelled_rows(pair.defaults.home)
    assert asked == labelled_rows(pair.large.home)
    with served(pair.defaults.home, **pair.defaults.settings) as (url, _):
        mine = answers_of(url, asked)
        await_log(pair.defaults, len(asked))
    shared = {name: pair.large.settings[name] for name in pair.large.settings if name != HOME}
    with (
        served(pair.large.home, **shared) as (one, dying),
        served(tmp_path / "other", **shared) as (two, _),
        balancer(tmp_path / "nginx.log", [one, two]) as url,
    ):
        theirs = answers_of(url, asked)
        await_log(pair.large, len(asked))
        assert min(answered_by(one), answered_by(two)) > len(asked) / 4
        kill(dying)
        repeated = answers_of(url, asked[:20], labels=False)

    assert list(map(decided, theirs)) == list(map(decided, mine))
    assert repeated == theirs[:20]  # to the byte, whichever of the two had answered
    homes = (pair.defaults.home, pair.large.home, tmp_path / "other")
    files = [file for home in homes for file in (home / "bentoml").rglob("model.tflite")]
    assert len(files) == len(homes) and len(set(map(file_digest, files))) == 1
    compare(pair, RECORDED, OF_ANSWER, ["transaction_id"])
    pair.both("flows.audit_fraud", "--delay-days", "0")
    for table, of_run, order in (
        ("fraud_labels", ["labelled_at", "received_at"], ["transaction_id"]),
        ("fraud_daily_metrics", ["model", "run_id"], ["day", "role"]),
        ("fraud_drift", ["model", "run_id"], ["day", "feature"]),
    ):
        compare(pair, table, of_run, order)


def compare(pair: Pair, table: str, of_run: list[str], order: list[str]) -> None:
    """Whether both have the same rows, of which there are some."""
    mine, theirs = (side.rows(table, of_run, order) for side in (pair.defaults, pair.large))
    pd.testing.assert_frame_equal(theirs, mine, check_exact=True)
    assert len(mine), table


def test_release_has_the_same_signed_files(pair):
    """By their sha256, but for when it was published and how fast that machine was then. A device
    takes it from the bucket, as a web server shows it."""
    done(pair.large.start(*PUBLICATION))

    mine, theirs = (
        signed_files(storage)
        for storage in (
            FolderStorage(pair.defaults.home / "releases"),
            BucketStorage(BUCKET, "releases", pair.client()),
        )
    )
    assert theirs == mine
    (model,) = (path for path in mine if path.endswith("model.tflite"))
    releases = f"{pair.s3}/{BUCKET}/releases"
    device = ("--home", str(pair.large.home / "device"), "--releases", releases)
    done(pair.large.start("edge_detector", "update", *device, "--name", "triptych-parts"))
    (taken,) = (pair.large.home / "device").rglob("model.tflite")
    assert file_digest(taken) == mine[model]


def signed_files(storage: Storage) -> dict[str, Any]:
    """The sha256 of each target; of one in JSON what it says, without instants and timings."""
    state = read_state(storage)
    assert state is not None
    found: dict[str, Any] = {}
    for path, target in state.targets.targets.items():
        found[path] = target.hashes["sha256"]
        if path.endswith(".json"):
            content = read_target(storage, state, path)
            assert content is not None
            found[path] = lasting(json.loads(content))
    return found


def lasting(content: Any) -> Any:
    """What does not change from one publishing to another."""
    if isinstance(content, list):
        return [lasting(each) for each in content]
    if not isinstance(content, dict):
        return content
    passing = ("published_at", "timings")
    return {name: lasting(each) for name, each in content.items() if name not in passing}

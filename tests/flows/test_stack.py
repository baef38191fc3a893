"""The whole stack: its deployments do the work, and a person finds it all in a browser."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import psutil
import pytest
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    DeploymentFilter,
    DeploymentFilterId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from edge.release import clip
from tasks.operations.stack.ports import DEFAULTS
from tasks.orchestration.prefect_access import password
from tasks.orchestration.running_server import running_server
from tests.browser import CHROMIUM, chromium
from tests.deployments.observed import COMPARISON, panel_queries, program, read_alerts, read_records
from tests.deployments.observer import PROGRAMS, observe
from tests.deployments.seen import SOURCE, ask_service, write_history
from tests.flows.small_home import put_small_home
from tests.threads import threads

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
START_S, RUN_S = 400, 300  # on a machine that does other things too


@dataclass(frozen=True)
class Stack:
    """A stack that is up: its home, what it has told, and its addresses by what they are for."""

    home: Path
    log: Path
    up: psutil.Process

    def address(self, what: str) -> str:
        """Of the line in its table that says this."""
        (found,) = re.findall(rf"^  (http://\S+) +.*{what}", self.log.read_text(), re.M)
        return str(found)

    def ports(self) -> dict[str, int]:
        """Those of its parts, as it hands them on to them."""
        for part in self.up.children():
            given = part.environ()
            if given.get("TRIPTYCH_PORT", "0") != "0":
                return {name: int(given[name]) for name in DEFAULTS}
        raise AssertionError("it has no parts")

    def api(self) -> SyncPrefectClient:
        """A client of its Prefect server."""
        server = running_server(self.home, patience_s=START_S)
        assert server is not None
        return SyncPrefectClient(server.url, auth_string=password(self.home))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One in a home with small models, once it says that it is up; ended as by Ctrl-C."""
    folder = tmp_path_factory.mktemp("stack")
    home, log = folder / "var", folder / "up.log"
    put_small_home(tmp_path_factory, home, date.today())
    (folder / "empty-home").mkdir()
    camera = folder / "camera.mp4"
    with patch.object(clip, "FPS", 3.0):  # at the usual rate the device takes half a core
        clip.write_clip(camera)
    up = subprocess.Popen(
        [sys.executable, "-m", "flows", "up"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "empty-home"),
            "TRIPTYCH_HOME": str(home),
            "TRIPTYCH_CAMERA": str(camera),
            **threads(),
            **dict.fromkeys(DEFAULTS, "0"),
        },
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    started: list[psutil.Process] = []
    try:
        await_answer(lambda: "Triptych is up" in log.read_text(), START_S, log)
        yield Stack(home, log, psutil.Process(up.pid))
    finally:
        started = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(signal.SIGINT)
        try:
            assert up.wait(timeout=60) == 0
        finally:
            _, alive = psutil.wait_procs(started, timeout=5)
            for stray in alive:
                stray.kill()
        assert not alive
    assert log.read_text().endswith("nothing is left running\n")


def await_answer(ask: Callable[[], object], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask():
            return
        time.sleep(0.3)
    pytest.fail(log.read_text()[-8_000:])


def test_stack_deploys_the_file_and_a_worker_does_the_runs(stack, tmp_path):
    """A real server, pool, deployment and process worker; the rows arrive in SQL and Parquet."""
    reviews = tmp_path / "reviews.csv"
    pd.DataFrame(
        {
            "id": range(40),
            "text": ["Excellent, I love it.", "Terrible, it broke at once."] * 20,
        }
    ).to_csv(reviews, index=False)
    params = {"source": str(reviews), "text_column": "text", "id_column": "id"}
    params["precision"] = "float32"  # auto would first measure them all

    with stack.api() as api:
        deployment = api.read_deployment_by_name("score-sentiment/on-demand")
        run = api.create_flow_run_from_deployment(deployment.id, parameters={"params": params})
        await_answer(lambda: api.read_flow_run(run.id).end_time, RUN_S, stack.log)
        run = api.read_flow_run(run.id)
        nightly = api.read_deployment_by_name("score-sentiment/nightly")
        nights = api.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))
        )

    assert run.state_type == StateType.COMPLETED, stack.log.read_text()[-8_000:]
    assert run.name.endswith(" reviews")
    assert len(nights) >= 3  # the server's scheduler works: the coming nights are on its calendar
    home = stack.home
    parquet = pd.read_parquet(home / "sentiment" / "scores")
    parquet = parquet[parquet["source"] == "reviews"]  # another test may have scored the demo's
    assert sorted(parquet["review_id"]) == sorted(str(number) for number in range(40))
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        query = (
            "SELECT label, count(*) FROM review_sentiment WHERE source = 'reviews'"
            " GROUP BY label ORDER BY label"
        )
        assert list(connection.execute(sa.text(query))) == [("NEGATIVE", 20), ("POSITIVE", 20)]
    engine.dispose()


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM} here")
def test_person_starts_a_run_by_its_form_and_sees_its_report_the_service_and_the_device(
    stack, tmp_path
):
    """In a browser, with the password from the file; pictures of each page are left."""
    with chromium() as page:
        page.open(stack.address("Prefect"))
        page.click("input")
        page.type(password(stack.home))
        page.click("button", "Login")
        page.click("a", "Deployments")
        page.await_text("nightly-audit")
        page.picture(tmp_path / "deployments.png")

        page.click("a", "on-demand")
        page.click("button", "Run")
        page.click("[role=menuitem], a, button", "Custom run")
        page.await_text("Text Column")
        page.picture(tmp_path / "form.png")
        page.click_until("button", "Submit", "!location.pathname.endsWith('/run')")
        with stack.api() as api:
            run = run_by_form(api)
            await_answer(lambda: api.read_flow_run(run.id).end_time, RUN_S, stack.log)
            report = report_of(api, run.id)
        page.open(f"{stack.address('Prefect')}/v2/runs/flow-run/{run.id}")
        page.await_text("Completed")
        link = f"a[href$='artifacts/artifact/{report}']"
        page.click_until("[role=tab]", "Artifacts", f'document.querySelector("{link}")')
        page.click(link)
        page.await_text("607")
        page.picture(tmp_path / "report.png")

        page.open(stack.address("fraud service"))
        page.await_text("fraud_detector:")
        page.await_text("/score_transaction")
        page.picture(tmp_path / "service.png")

        page.open(stack.address("device: what it sees"))
        page.await_text("triptych-parts 1.0.0")
        page.await_(BOXES)
        page.picture(tmp_path / "device.png")
    assert len(list(tmp_path.glob("*.png"))) == 5


def run_by_form(api: SyncPrefectClient) -> FlowRun:
    """The run that the form has asked for; the link to it stays on the page for seconds only."""
    deployment = api.read_deployment_by_name("score-sentiment/on-demand")
    (run,) = api.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    return run


def report_of(api: SyncPrefectClient, run_id: uuid.UUID) -> uuid.UUID:
    """The artifact that is the report of a run, beside its figures and its progress."""
    (found,) = api.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
            key=ArtifactFilterKey(any_=["score-sentiment"]),
        )
    )
    return found.id


@pytest.mark.skipif(not all(map(program, PROGRAMS)), reason=f"no {' and '.join(PROGRAMS)} here")
def test_every_query_has_data_and_an_alert_reaches_alertmanager(stack, tmp_path):
    """Of dashboard, records and alerts, from the parts that run; an alert without its bound."""
    write_history(stack.home, last="failed")
    alerts = {name: COMPARISON.fullmatch(rule["expr"]) for name, rule in read_alerts().items()}
    asked = {
        *panel_queries(),
        *((record, record) for record in read_records()),
        *((name, found["left"]) for name, found in alerts.items() if found),
    }
    with observe(tmp_path, stack.home, stack.ports()) as observer:
        deadline = time.monotonic() + RUN_S
        while asked and time.monotonic() < deadline:
            ask_service(stack.address("fraud service"))
            time.sleep(2)
            asked = {each for each in asked if not observer.has_data(each[1])}
        assert asked == set()
        await_answer(lambda: "NightFailed" in observer.alerts(), RUN_S, stack.log)
        assert "triptych status" in observer.alerts()["NightFailed"]["action"]
        for query in (
            'min(up{job!="alertmanager"})',
            f'triptych_night_state{{source="{SOURCE}",state="failed"}}',
        ):
            await_answer(partial(observer.says, query, 1.0), RUN_S, stack.log)


# Whether the live picture has the green of boxes in a hundred places and more.
BOXES = """(() => {
  const picture = document.querySelector("img");
  if (!picture.naturalWidth) return false;
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  let green = 0;
  for (let i = 0; i < data.length; i += 4)
    green += data[i] < 90 && data[i + 1] > 190 && data[i + 2] < 90;
  return green > 100;
})()"""

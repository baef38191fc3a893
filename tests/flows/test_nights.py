"""Nights of a deployed schedule against a real Prefect server: run, skipped, done, missed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Completed, Pending, Scheduled

from tasks.operations.nights.gate import Gate
from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.schedule import due_between, night_at
from tasks.operations.notices.trouble import Trouble
from tasks.operations.watch.missing import settle_missing
from tasks.operations.watch.survey import Survey
from tasks.settings import Settings

HOURLY = "0 * * * *"


@dataclass
class Nights:
    """A deployment that is due every full hour, and what becomes of its nights.

    now: of the whole test, whose hour may end meanwhile.
    """

    api: SyncPrefectClient
    settings: Settings
    deployment: UUID
    now: datetime
    said: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        ledger = Ledger(self.settings.warehouse_url)
        ledger.prepare()
        return ledger

    def due(self, hours_ago: int) -> datetime:
        return self.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)

    def plan(self, hours_ago: int) -> UUID:
        """A run as Prefect's scheduler makes it, which a worker has taken."""
        due = self.due(hours_ago)
        state: Any = Scheduled(scheduled_time=due)
        key = f"scheduled {self.deployment} {uuid4()} {due}"
        run = self.api.create_flow_run_from_deployment(
            self.deployment, state=state, idempotency_key=key
        )
        self.api.set_flow_run_state(run.id, Pending(), force=True)
        return run.id

    def arrive(self, run: UUID) -> str:
        """What the run's process decides: run, or the reason for which it is skipped."""
        gate = Gate(self.api, self.settings)
        if gate.is_open(self.api.read_flow_run(run), self.now):
            self.api.set_flow_run_state(run, Completed(), force=True)
            gate.finish(run)
            return "run"
        state = self.api.read_flow_run(run).state
        assert state is not None and state.name == "Skipped"
        return state.message or ""

    def rows(self) -> dict[datetime, str]:
        found = {}
        for hours in range(10):
            due = self.due(hours)
            newest = [row for row in self._all() if row[0] == due]
            if newest:
                found[due] = newest[0][1]
        return found

    def _all(self) -> list[tuple[datetime, str]]:
        import sqlalchemy as sa

        from tasks.operations.nights.ledger import NIGHTS

        engine = sa.create_engine(self.settings.warehouse_url)
        with engine.connect() as connection:
            rows = connection.execute(sa.select(NIGHTS.c.due_at, NIGHTS.c.status))
            found = [(due, status) for due, status in rows]
        engine.dispose()
        return found


@pytest.fixture
def nights(
    empty_prefect_api: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Nights]:
    with get_client(sync_client=True) as api:
        schedule = DeploymentScheduleCreate(
            schedule=CronSchedule(cron=HOURLY, timezone="UTC"), active=True
        )
        deployment = api.create_deployment(
            api.create_flow_from_name(f"flow-{uuid4().hex[:6]}"),
            name="hourly",
            schedules=[schedule],
            tags=[request.param],
            paused=True,  # its runs are those that the test makes
        )
        yield Nights(api, Settings(home=tmp_path), deployment, datetime.now(UTC))
        api.delete_deployment(deployment)


@pytest.mark.parametrize("nights", ["missed=newest"], indirect=True)
def test_newest_night_is_run_and_older_ones_leave_a_row_with_the_reason(nights):
    """Two nights were missed as no worker was there."""
    older, newest = nights.plan(2), nights.plan(0)

    assert nights.arrive(older).startswith("Missed, and a newer night is due")
    assert nights.arrive(newest) == "run"

    assert nights.rows() == {nights.due(2): "skipped", nights.due(0): "done"}


@pytest.mark.parametrize("nights", ["missed=skip"], indirect=True)
def test_missed_night_is_skipped_unless_a_person_asks_for_it_again(nights):
    """The same run, asked for once more, is run."""
    run = nights.plan(5)
    assert nights.arrive(run).startswith("Missed: it was due")
    assert nights.arrive(run) == "run"
    assert nights.rows() == {nights.due(5): "skipped"}


@pytest.mark.parametrize("nights", ["missed=all"], indirect=True)
def test_night_that_is_done_is_recognised(nights):
    """A second run for the same night does nothing, and the row stays as it is."""
    assert nights.arrive(nights.plan(3)) == "run"
    assert "is done by run" in nights.arrive(nights.plan(3))
    assert nights.rows() == {nights.due(3): "done"}


@pytest.mark.parametrize("nights", ["missed=all"], indirect=True)
def test_blackout_day_is_obeyed_by_scheduled_runs_alone(nights):
    """Whoever starts a run by hand means it."""
    days = "\n".join(f"{nights.due(hours).date()} # freeze" for hours in (-48, -24, 0, 24, 48))
    (nights.settings.home / "blackout-days.txt").write_text(days)
    assert nights.arrive(nights.plan(1)).endswith("is a blackout day (freeze).")
    by_hand = nights.api.create_flow_run_from_deployment(nights.deployment)
    assert nights.arrive(by_hand.id) == "run"


@pytest.mark.parametrize("nights", ["missed=newest"], indirect=True)
def test_database_that_is_away_keeps_no_night_from_running(nights, tmp_path):
    """Its row is missing, and that is all."""
    (tmp_path / "triptych.db").mkdir()
    assert nights.arrive(nights.plan(0)) == "run"


@pytest.mark.parametrize(
    ("nights", "expected"),
    [
        ("missed=skip", {2: "skipped", 3: "skipped", 4: "skipped", 5: "done"}),
        ("missed=newest", {3: "skipped", 4: "skipped", 5: "done"}),
        ("missed=all", {5: "done"}),
    ],
    indirect=["nights"],
)
def test_nights_that_were_never_planned_are_found(nights, expected):
    """The server was away: they get runs or rows, once, however often it is looked."""
    deployment = nights.api.read_deployment(nights.deployment).model_copy(update={"paused": False})
    schedule = deployment.schedules[0]
    flow = nights.api.read_flow(deployment.flow_id).name
    nights.ledger.record(night_at(f"{flow}/hourly", schedule, nights.due(5), {}), "done")
    now = nights.due(2) + timedelta(minutes=30)
    assert len(due_between(schedule, nights.due(5), now)) == 3

    for _ in range(2):
        settle_missing(nights.api, nights.ledger, deployment, now, nights.said.append)

    assert nights.rows() == {nights.due(hours): status for hours, status in expected.items()}
    runs = {
        run.expected_start_time
        for run in nights.api.read_flow_runs(limit=200)
        if run.deployment_id == nights.deployment
    }
    with_run = {hours for hours in range(6) if nights.due(hours) in runs}
    assert with_run == {hours for hours in (2, 3, 4) if hours not in expected}


@pytest.mark.parametrize("nights", ["missed=skip"], indirect=True)
def test_nights_before_a_change_of_the_schedule_are_not_missed(nights):
    """Neither by another cron, nor by one that was paused; deploying the same again is no change,
    and after it nights are missed as ever."""
    paused = nights.api.read_deployment(nights.deployment)
    hourly = paused.model_copy(update={"paused": False})
    flow = nights.api.read_flow(paused.flow_id).name
    nights.ledger.record(night_at(f"{flow}/hourly", paused.schedules[0], nights.due(9), {}), "done")

    def settle(deployment: DeploymentResponse, hours_ago: int) -> set[int]:
        now = nights.due(hours_ago) + timedelta(minutes=30)
        settle_missing(nights.api, nights.ledger, deployment, now, nights.said.append)
        rows = nights.rows()
        return {hours for hours in range(9) if nights.due(hours) in rows}

    assert settle(hourly, 8) == {8}
    assert settle(paused, 7) == {8}
    assert settle(paused, 6) == {8}
    assert settle(hourly, 5) == {8}  # those of the pause are none
    assert settle(hourly, 4) == {8, 4}
    cron = CronSchedule(cron="*/20 * * * *", timezone="Europe/Berlin")
    schedule = hourly.schedules[0].model_copy(update={"schedule": cron, "id": uuid4()})
    often = hourly.model_copy(update={"schedules": [schedule]})
    assert settle(often, 3) == {8, 4}
    again = schedule.model_copy(update={"id": uuid4(), "updated": datetime.now(UTC)})
    again_often = often.model_copy(update={"schedules": [again]})
    assert settle(again_often, 2) == {8, 4, 2}


@pytest.mark.parametrize("nights", ["missed=skip"], indirect=True)
def test_mistyped_time_zone_is_told_and_hides_no_other_deployment(nights):
    """Also where a night of it was missed, and where a run of it is at work."""
    sound = nights.api.read_deployment(nights.deployment).model_copy(update={"paused": False})
    wrong = {"params": {"stop_at": "05:30", "time_zone": "Europe/Berln"}}
    mistyped = sound.model_copy(
        update={
            "id": uuid4(),
            "name": "mistyped",
            "parameters": wrong,
            "schedules": sound.schedules,
        }
    )
    flow, schedule = nights.api.read_flow(sound.flow_id).name, sound.schedules[0]
    for name in ("hourly", "mistyped"):
        night = night_at(f"{flow}/{name}", schedule, nights.due(4), wrong)
        assert night.ends_at is None
        nights.ledger.record(night, "done")
    run = nights.api.create_flow_run_from_deployment(nights.deployment, parameters=wrong)
    run = run.model_copy(update={"state_type": StateType.RUNNING})
    told: list[Trouble] = []
    survey = Survey(nights.settings, nights.said.append, told.extend)

    survey.look(nights.api, {mistyped.id: mistyped, sound.id: sound}, [run], datetime.now(UTC), 0.0)

    (trouble,) = [each for each in told if each.key.startswith("tag:")]
    assert trouble.what == (
        "mistyped: there is no time zone 'Europe/Berln': write one as Europe/Berlin"
    )
    assert "deployments/prefect.yaml" in trouble.cure


@pytest.mark.parametrize("nights", ["missed=all"], indirect=True)
def test_survey_tells_of_wrong_blackout_days_and_of_failed_nights_until_they_are_well(nights):
    """Each once, and once when it is over."""
    file = nights.settings.home / "blackout-days.txt"
    file.write_text("tomorrow\n")
    survey = Survey(nights.settings, nights.said.append)

    def look(clock: float) -> None:
        survey.look(nights.api, {}, [], nights.now, clock)

    look(0)
    look(60)
    file.write_text("2027-01-01\n")
    look(120)

    first, last = nights.said
    assert "line 1: 'tomorrow' is no date" in first and last.startswith("no more: ")

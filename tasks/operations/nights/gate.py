"""What a run decides at its start: whether the night that it is for is run, skipped, or done."""

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectException
from prefect.states import Cancelled

from services.storage.errors import StorageError
from tasks.operations.nights.blackout import blackout_days
from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.policy import (
    IN_BLACKOUT,
    Known,
    Night,
    policy_of,
    reason_to_skip,
)
from tasks.operations.nights.schedule import due_between, is_scheduled, night_of
from tasks.settings import Settings

SKIPPED = "Skipped"  # the name of the state

log = logging.getLogger(__name__)


class Gate:
    """Decides for one run, and writes down what became of its night."""

    def __init__(self, api: SyncPrefectClient, settings: Settings) -> None:
        """Nothing is asked yet."""
        self._api = api
        self._settings = settings
        self._ledger = Ledger(settings.warehouse_url)
        self._has_begun = False

    def is_open(self, run: FlowRun, now: datetime) -> bool:
        """Whether the run goes on; otherwise it is marked as skipped, with the reason.

        A database that is away keeps no night from running.

        Raises: httpx.HTTPError: the Prefect API is away. ValueError: a policy that there is not.
        """
        if run.deployment_id is None or not is_scheduled(run):
            return True
        deployment = self._api.read_deployment(run.deployment_id)
        policy = policy_of(deployment.tags)
        if policy is None:
            return True
        night = night_of(run, deployment, self._api.read_flow(run.flow_id).name)
        known = self._known(night)
        if known is not None and known.run_id == str(run.id):
            return True  # somebody asks for it again
        newer = self._newer(run, deployment, night, now) if policy == "newest" else []
        blackout = self._blackout(deployment, night)
        reason = reason_to_skip(night, policy, now, newer, known, blackout)
        if reason is None:
            self._record(night, "begun", run.id)
            self._has_begun = True
            return True
        if known is None or known.status == "skipped":
            self._record(night, "skipped", run.id, reason)
        state: State[None] = Cancelled(name=SKIPPED, message=reason)
        self._api.set_flow_run_state(run.id, state)
        return False

    def finish(self, run_id: UUID) -> None:
        """Write down how the night ended that `is_open` has begun; where not, the watcher does."""
        if not self._has_begun:
            return
        try:
            finish(self._ledger, run_id, self._api.read_flow_run(run_id).state)
        except (StorageError, httpx.HTTPError, PrefectException) as error:
            log.warning("how the night ended is not written down: %s", error)

    def _known(self, night: Night) -> Known | None:
        try:
            self._ledger.prepare()
            known = self._ledger.find(night)
        except StorageError as error:
            log.warning("it is not known whether the night is done: %s", error)
            return None
        if known is None or known.status != "begun" or not known.run_id:
            return known
        states = FlowRunFilter.model_validate({"id": {"any_": [known.run_id]}})
        runs = self._api.read_flow_runs(flow_run_filter=states)
        state = runs[0].state if runs else None
        if state is None or (state.is_final() and not state.is_completed()):
            return Known("failed", known.run_id)
        return Known("done" if state.is_completed() else "begun", known.run_id)

    def _record(self, night: Night, status: str, run_id: UUID, reason: str = "") -> None:
        try:
            self._ledger.record(night, status, str(run_id), reason)
        except StorageError as error:
            log.warning("what became of the night is not written down: %s", error)

    def _newer(
        self, run: FlowRun, deployment: DeploymentResponse, night: Night, now: datetime
    ) -> list[datetime]:
        schedules = [each for each in deployment.schedules if each.active]
        found = [due for each in schedules for due in due_between(each, night.due, now)]
        # Less than a minute apart is the same night, as its run was asked for again.
        return [due for due in found if due - night.due > timedelta(minutes=1)]

    def _blackout(self, deployment: DeploymentResponse, night: Night) -> str | None:
        if IN_BLACKOUT in deployment.tags:
            return None
        days = blackout_days(self._settings)
        for line in days.wrong:
            log.warning("a blackout day is not obeyed: %s", line)
        return days.reason(night.due.astimezone(night.zone).date())


def finish(ledger: Ledger, run_id: UUID, state: State[Any] | None) -> None:
    """Write down how the night ended whose run is in a final state.

    Raises: StorageError: the database refused.
    """
    if state is None or not state.is_final():
        return
    status = "done" if state.is_completed() else "crashed" if state.is_crashed() else "failed"
    ledger.finish(str(run_id), status, "" if status == "done" else (state.message or ""))

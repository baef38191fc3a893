"""What the watcher looks at besides dead runs: missed nights, delays, the file of blackout days.

What is wrong is handed on as troubles; whoever takes them works out what is new.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectException

from services.storage.errors import StorageError
from tasks.operations.nights.blackout import blackout_days
from tasks.operations.nights.gate import finish
from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.schedule import window_end
from tasks.operations.notices.trouble import Trouble
from tasks.operations.watch.delays import LATE_AFTER, Delays, RunAtWork, RunDue, at_most_of
from tasks.operations.watch.failures import find_failures
from tasks.operations.watch.missing import settle_missing
from tasks.operations.watch.runs import is_ours, read_runs
from tasks.operations.watch.troubles import night_troubles
from tasks.orchestration.alive.heartbeat import Beat
from tasks.settings import Settings

ROUND_S = 30.0
WAITING = {"name": {"any_": ["Scheduled", "Late"]}}  # and not for the place of another run

log = logging.getLogger(__name__)

Report = Callable[[Sequence[Trouble]], None]


class Survey:
    """Looks at nights and delays, and reports troubles."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], report: Report | None = None
    ) -> None:
        """report: takes all that is wrong at a moment; by default it is said in lines."""
        self._settings = settings
        self._say = say
        self.tell = report or SaidOnce(say)
        self._ledger = Ledger(settings.warehouse_url)
        self._delays = Delays()
        self._round_at: float | None = None
        self._of_round: list[Trouble] = []

    def look(
        self,
        api: SyncPrefectClient,
        deployments: Mapping[UUID, DeploymentResponse],
        runs: Sequence[FlowRun],
        now: datetime,
        clock: float,
    ) -> None:
        """One look.

        Raises: httpx.HTTPError: the Prefect API is away.
        """
        if self._round_at is None or clock - self._round_at >= ROUND_S:
            self._round_at = clock
            self._of_round = list(self._round(api, deployments, now))
        running = [
            _at_work(run, deployments) for run in runs if run.state_type == StateType.RUNNING
        ]
        due = _waiting(api, deployments, now)
        self.tell([*self._delays.look(running, due, now, clock), *self._of_round])

    def _round(
        self, api: SyncPrefectClient, deployments: Mapping[UUID, DeploymentResponse], now: datetime
    ) -> Iterator[Trouble]:
        """What changes slowly, and asks the database."""
        for line in blackout_days(self._settings).wrong:
            yield Trouble(
                f"blackout:{line}",
                f"a blackout day is not obeyed: {line}",
                "nights run on that day",
                "mend the line, or the file",
            )
        failures = find_failures(api, deployments, now)
        yield from failures.troubles
        try:
            self._ledger.prepare()
        except StorageError as error:
            yield _database_away(error)
            return
        for deployment in deployments.values():
            try:
                at_most_of(deployment.tags)
                window_end(deployment.parameters, now)
                if is_ours(deployment):
                    settle_missing(api, self._ledger, deployment, now, self._say)
            except StorageError as error:
                yield _database_away(error)
                return
            except (httpx.HTTPError, PrefectException, RuntimeError):
                raise  # the API is away
            except Exception as error:  # one deployment hides no other, whatever is wrong with it
                yield _wrong(deployment, error)
        try:
            self._finish_nights(api)
            nights = night_troubles(self._ledger.latest(), now)
            yield from (each for each in nights if not failures.are_told(each))
        except StorageError as error:
            yield _database_away(error)

    def _finish_nights(self, api: SyncPrefectClient) -> None:
        """Nights whose process could not write down how they ended."""
        for run_id in self._ledger.begun():
            states = {"id": {"any_": [run_id]}}
            runs = read_runs(api, states)
            if runs:
                finish(self._ledger, runs[0].id, runs[0].state)
            else:
                self._ledger.finish(run_id, "failed", "Prefect knows nothing of the run any more.")


class SaidOnce:
    """Says each trouble when it comes and when it is over, in lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._known: dict[str, Trouble] = {}

    def __call__(self, troubles: Sequence[Trouble]) -> None:
        """Take all that is wrong at this moment."""
        now = {each.key: each for each in troubles}
        for key, trouble in now.items():
            if key not in self._known:
                self._say(f"{trouble.what}: {trouble.meaning}; {trouble.cure}")
        for key, trouble in self._known.items():
            if key not in now:
                self._say(f"no more: {trouble.what}")
        self._known = now


def _at_work(run: FlowRun, deployments: Mapping[UUID, DeploymentResponse]) -> RunAtWork:
    deployment = deployments.get(run.deployment_id) if run.deployment_id else None
    at_most: timedelta | None = None
    ends_at: datetime | None = None
    began = run.start_time or datetime.now(UTC)
    with suppress(ValueError):  # the round tells of it
        at_most = at_most_of(deployment.tags) if deployment else None
    with suppress(ValueError):
        ends_at = window_end(run.parameters, run.expected_start_time or began)
    return RunAtWork(
        id=run.id,
        name=run.name,
        began=began,
        ends_at=ends_at,
        at_most=at_most,
        beat=Beat.of(run.labels),
    )


def _waiting(
    api: SyncPrefectClient, deployments: Mapping[UUID, DeploymentResponse], now: datetime
) -> list[RunDue]:
    """Runs of our deployments that should have begun by now."""
    before = {"before_": now - LATE_AFTER}
    of_any = {"is_null_": False}
    runs = read_runs(
        api, {"deployment_id": of_any, "state": WAITING, "expected_start_time": before}
    )
    found = []
    for run in runs:
        deployment = deployments.get(run.deployment_id) if run.deployment_id else None
        if deployment is not None and is_ours(deployment) and run.expected_start_time:
            found.append(RunDue(deployment.name, run.expected_start_time))
    return found


def _wrong(deployment: DeploymentResponse, error: Exception) -> Trouble:
    if not isinstance(error, ValueError):
        log.error("%s cannot be looked at", deployment.name, exc_info=error)
    what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return Trouble(
        f"tag:{deployment.id}",
        f"{deployment.name}: {what}",
        "what was declared with it does not hold, and its missed nights are not seen",
        "mend it in deployments/prefect.yaml and deploy again",
    )


def _database_away(error: StorageError) -> Trouble:
    return Trouble(
        "nights-database",
        f"what becomes of nights cannot be written down: {error}",
        "nights go on as far as they do not need it",
        "see that the database of TRIPTYCH_DATABASE_URL runs",
    )

"""`triptych watch`: declares dead runs crashed, frees what they held, and finds missed nights.

Prefect's server does none of it by itself. Looks every few seconds; survives a server or a
database that is away, and says once that it is, and once that it is back.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectException
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Cancelled, Crashed

from tasks.operations.exporter import ExporterError, serve
from tasks.operations.notices.teller import teller_of
from tasks.operations.notices.trouble import Trouble
from tasks.operations.watch.figures import Figures
from tasks.operations.watch.runs import is_ours, read_deployments, read_runs
from tasks.operations.watch.survey import SaidOnce, Survey
from tasks.operations.watch.verdicts import RunSeen, Verdicts
from tasks.orchestration.alive.heartbeat import Beat
from tasks.orchestration.command_line import fail
from tasks.orchestration.faults import is_refusal
from tasks.orchestration.prefect_access import AccessError, describe_refusal
from tasks.orchestration.running_server import NoAnswer, RunningServer, running_server
from tasks.orchestration.terminal import print_notice
from tasks.settings import Settings

log = logging.getLogger(__name__)

ERRORS = (AccessError, ExporterError)
LOOK_EVERY_S = 3.0
AWAY_S = 60.0  # that a server takes to start is no trouble
LEAKED_S = 45.0  # a slot that no run holds for so long is freed
AT_WORK = {"type": {"any_": [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]}}
AWAY = Trouble(
    "prefect-away",
    "the Prefect server does not answer",
    "nothing is begun until it does; what is running goes on",
    "start it, or see its log",
)


@dataclass
class Watcher:
    """One look after another at what a Prefect API knows.

    Attributes:
        say: told what happens, in lines.
        survey: what else is looked at, and by whom troubles are told; None: nothing.
        clock: seconds, never jumping.
    """

    say: Callable[[str], None]
    survey: Survey | None = None
    clock: Callable[[], float] = time.monotonic
    _verdicts: Verdicts = field(default_factory=Verdicts)
    _leaked_since: dict[UUID, float] = field(default_factory=dict)
    _away_since: float | None = None
    _stumbled: str = ""

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Look for as long as the process lives. Raises as `try_look`."""
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while True:
                self.try_look()
                sleep(LOOK_EVERY_S)

    def try_look(self) -> bool:
        """One look; whether the API answered.

        Raises: AccessError: it refuses the password, which waiting does not mend.
        """
        try:
            with get_client(sync_client=True) as api:
                self.look(api)
        except (httpx.HTTPError, PrefectException, RuntimeError) as error:
            if is_refusal(error):
                raise AccessError(describe_refusal(error.request.url)) from error
            if self._away_since is None:
                self._away_since = self.clock()
                self.say(f"the Prefect server does not answer; waiting for it ({_line(error)})")
            elif self.survey is not None and self.clock() - self._away_since >= AWAY_S:
                self.survey.tell([AWAY])
            return False
        except Exception as error:  # a bug ends no watch: what is dead is ended by the next look
            self._stumble(error)
            return False
        if self._away_since is not None:
            self.say("the Prefect server is back")
        self._away_since, self._stumbled = None, ""
        return True

    def _stumble(self, error: Exception) -> None:
        line = f"{type(error).__name__}: {_line(error)}"
        if line != self._stumbled:
            log.error("a look was not finished", exc_info=error)
            self.say(f"a look was not finished: {line}")
        self._stumbled = line
        if self.survey is not None:
            self.survey.tell(
                [
                    Trouble(
                        "watcher",
                        f"triptych watch cannot finish its look: {line}",
                        "what comes after that is not seen: missed nights, late runs",
                        "see the watcher's log, and report it",
                    )
                ]
            )

    def look(self, api: SyncPrefectClient) -> None:
        """One look; what is dead is ended.

        Raises: httpx.HTTPError: the API is away.
        """
        deployments = {each.id: each for each in read_deployments(api)}
        runs = read_runs(api, {"state": AT_WORK})
        now = self.clock()
        seen = [_seen(run, deployments) for run in runs]
        dead = self._verdicts.look(seen, now, was_away=self._away_since is not None)
        for run in runs:
            if run.id in dead:
                self._end(api, run, dead[run.id])
        self._free_leaked_slots(api, deployments.values(), runs, now)
        if self.survey is not None:
            alive = [run for run in runs if run.id not in dead and run.deployment_id is not None]
            self.survey.look(api, deployments, alive, datetime.now(UTC), now)

    def _end(self, api: SyncPrefectClient, run: FlowRun, reason: str) -> None:
        end = Cancelled if run.state_type == StateType.CANCELLING else Crashed
        state: State[None] = end(message=f"{reason[0].upper()}{reason[1:]}.")
        # Not by force: a run that has ended in this moment stays as it ended.
        api.set_flow_run_state(run.id, state)
        self.say(f"{run.name}: {state.name}, {reason}")

    def _free_leaked_slots(
        self,
        api: SyncPrefectClient,
        deployments: Iterable[DeploymentResponse],
        runs: Sequence[FlowRun],
        now: float,
    ) -> None:
        """A slot is lost where the server died between taking it and writing down for whom."""
        since, self._leaked_since = self._leaked_since, {}
        for deployment in deployments:
            limit = deployment.global_concurrency_limit
            held = sum(run.deployment_id == deployment.id for run in runs)
            if not is_ours(deployment) or limit is None or limit.active_slots <= held:
                continue
            first = self._leaked_since[deployment.id] = since.get(deployment.id, now)
            if now - first >= LEAKED_S:
                update = GlobalConcurrencyLimitUpdate(active_slots=held)
                api.update_global_concurrency_limit(str(limit.id), update)
                self.say(f"{deployment.name}: freed a slot that no run held")


def watch(_given: object) -> int:
    """Watch the configured API, or else the server of the home folder, until it is ended.

    Raises:
        AccessError: the server's password cannot be used, or the server refuses it.
        ExporterError: TRIPTYCH_METRICS_PORT cannot be listened on.
    """
    settings = Settings()
    server = None if PREFECT_API_URL.value() else _server_of(settings.home)
    if server is None and not PREFECT_API_URL.value():
        fail(
            "no Prefect server runs for this home: `triptych up` starts one; or set PREFECT_API_URL"
        )
        return 1
    found = (
        {PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: server.password} if server else {}
    )
    with temporary_settings(found):
        print_notice(f"watching {PREFECT_API_URL.value()}")
        figures = Figures()
        if settings.metrics_port is not None:
            port = serve(settings.metrics_host, settings.metrics_port, figures)
            print_notice(f"metrics: http://{settings.metrics_host}:{port}/metrics")
        with suppress(KeyboardInterrupt):
            teller = teller_of(settings, _say, SaidOnce(_say), figures)
            teller.start()
            Watcher(_say, Survey(settings, _say, teller)).run()
    return 0


def _server_of(home: Path) -> RunningServer | None:
    """The home's server, which may not answer yet."""
    try:
        return running_server(home)
    except NoAnswer as silence:
        return silence.server


def _seen(run: FlowRun, deployments: dict[UUID, DeploymentResponse]) -> RunSeen:
    beat = Beat.of(run.labels)
    is_near = beat is not None and beat.process.is_near
    ours = run.deployment_id is not None and is_ours(deployments.get(run.deployment_id))
    return RunSeen(
        id=run.id,
        name=run.name,
        state=run.state_type.value if run.state_type else "",
        state_id=run.state_id,
        is_ours=ours,
        beat=beat,
        is_gone=beat.process.is_gone() if beat is not None and is_near else None,
    )


def _line(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it says {error.response.status_code} {error.response.reason_phrase}"
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _say(line: str) -> None:
    print_notice(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {line}")

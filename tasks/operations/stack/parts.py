"""What the stack consists of: the processes of deployments/Procfile, and what is done before them.

The Procfile says what runs; here stands what each is for, when it is started, and how it is known
to be ready. A process that is only in the Procfile is started after the worker.
"""

import platform
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tasks.operations.stack.errors import StackError
from tasks.operations.stack.part import Part
from tasks.orchestration.prefect_access import AccessError
from tasks.orchestration.running_server import running_server

ASK_S = 2.0  # for an answer
DEVICE = "demo-device"  # its name, as in the Procfile
# Under another name until it is whole: whoever renders it may be interrupted.
_CLIP = (
    'python -m edge.release.clip "$TRIPTYCH_HOME/edge/conveyor.part.mp4"'
    ' && mv "$TRIPTYCH_HOME/edge/conveyor.part.mp4" "$TRIPTYCH_HOME/edge/conveyor.mp4"'
)
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
# These serve the network, and run no flow: they need no password of Prefect's.
_NO_PREFECT = {"PREFECT_API_AUTH_STRING": None, "PREFECT_API_URL": None}


def build(
    procfile: Path,
    home: Path,
    ports: Mapping[str, int],
    *,
    train: bool,
    publish: bool,
    without: Collection[str] = (),
) -> list[Part]:
    """All parts, in the order in which they are started and shown.

    train: there is no fraud model yet; publish: no release yet; without: processes to leave out,
    with the steps that they alone need.

    Raises:
        StackError: the Procfile cannot be read, or a name is none of its processes.
    """
    commands = read_procfile(procfile)
    for name in without:
        if name not in commands or name == "server":
            others = ", ".join(other for other in commands if other != "server")
            raise StackError(f"--without {name}: give one or more of {others}")
    details = {part.name: part for part in _details(home, ports)}
    wanted = {
        name: replace(details.get(name, Part(name, "", ("worker",))), command=command)
        for name, command in commands.items()
        if name not in without
    }
    steps = [
        step
        for step in _steps(train, publish, clip=not (home / "edge" / "conveyor.mp4").exists())
        if any(step.name in part.after for part in wanted.values())
    ]
    names = wanted.keys() | {step.name for step in steps}
    return [
        replace(part, after=tuple(name for name in part.after if name in names))
        for part in (*wanted.values(), *steps)
    ]


def read_procfile(file: Path) -> dict[str, str]:
    """The command of each process by its name.

    Raises:
        StackError: it is not there, or holds something else.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise StackError(
            f"{file} cannot be read ({error.strerror}): start the stack from a checkout"
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise StackError(f"{file}, line {number}: write it as NAME: COMMAND")
            found[match[1]] = match[2]
    return found


def _steps(train: bool, publish: bool, clip: bool) -> list[Part]:
    """What is done once before the processes that need it."""
    deploy = Part("deploy", "exec deployments/deploy", ("server",), once=True, purpose="the flows")
    first_model = Part(
        "train",
        "exec python -m flows.train_fraud",
        ("server",),
        once=True,
        purpose="the first fraud model is trained, on simulated transactions",
    )
    first_release = Part(
        "publish",
        "exec python -m flows.publish_detector --model bundled",
        ("server",),
        once=True,
        purpose="the bundled detector is converted, proved, signed and published",
    )
    video = Part("clip", _CLIP, once=True, purpose="a video is rendered for the device")
    asked = ((deploy, True), (first_model, train), (first_release, publish), (video, clip))
    return [step for step, is_asked in asked if is_asked]


def _details(home: Path, ports: Mapping[str, int]) -> list[Part]:
    """What the Procfile does not say of its processes."""
    prefect, fraud, releases, preview, metrics = (
        f"http://127.0.0.1:{ports[f'TRIPTYCH_{name}PORT']}"
        for name in ("", "FRAUD_", "RELEASES_", "PREVIEW_", "METRICS_")
    )
    return [
        Part(
            "server",
            "",
            is_ready=_answers(f"{prefect}/api/health"),
            purpose="Prefect: start flows by their forms, read reports, see runs and schedules",
            address=prefect,
        ),
        Part("worker", "", ("deploy",), is_ready=_worker_is_online(home)),
        Part(
            "watch",
            "",
            ("worker",),
            is_ready=_answers(f"{metrics}/metrics"),
            purpose="for Prometheus: how all stands; deployments/observe has rules and a dashboard",
            address=f"{metrics}/metrics",
        ),
        *_panels(fraud, releases, preview),
    ]


def _panels(fraud: str, releases: str, preview: str) -> list[Part]:
    """What serves the network, by its addresses."""
    return [
        Part(
            "fraud",
            "",
            ("train",),
            is_ready=_answers(f"{fraud}/readyz"),
            purpose="the fraud service: POST /score_transaction; its page explains the rest",
            address=fraud,
            environment=_NO_PREFECT,
        ),
        Part(
            "releases",
            "",
            is_ready=_answers(f"{releases}/health"),
            purpose="for devices: signed releases, and where their telemetry goes",
            address=f"{releases}/releases",
            environment=_NO_PREFECT,
        ),
        Part(
            "device",
            "",
            ("publish", "clip", "releases"),
            is_ready=_answers(f"{preview}/status.json"),
            vital=False,  # it shows what the others are for
            purpose="a device: what it sees, with boxes",
            address=preview,
            environment=_NO_PREFECT,
        ),
    ]


def _answers(url: str) -> Callable[[], bool]:
    """Whether an address answers well."""

    def ask() -> bool:
        try:
            return httpx.get(url, timeout=ASK_S).is_success
        except httpx.HTTPError:
            return False

    return ask


def _worker_is_online(home: Path) -> Callable[[], bool]:
    """Whether this machine's worker has told the server of itself since now."""
    since = datetime.now(UTC)

    def ask() -> bool:
        try:
            server = running_server(home, patience_s=ASK_S)
            if server is None:
                return False
            with server.requests(timeout_s=ASK_S) as api:
                answer = api.post("/work_pools/triptych/workers/filter", json={})
                workers = answer.raise_for_status().json()
        except (AccessError, OSError, httpx.HTTPError, ValueError):
            return False
        return any(
            worker["name"] == platform.node()
            and datetime.fromisoformat(worker["last_heartbeat_time"]) >= since
            for worker in workers
        )

    return ask

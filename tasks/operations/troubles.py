"""What needs a person: everything that is wrong in a home, each with its meaning and its cure.

It decides on what `read_status` has read.
"""

import shlex
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Device, Edge, Night, RealTime, Schedule, Status

NIGHT_LONG = timedelta(hours=12)
STOPPED_NIGHTS = 3  # in a row: the window is too short for what comes in
GIVEN_UP_DAYS = 14  # a source that has not come for longer is not waited for
AUDIT_DAYS = 2  # that the newest audited day may lie behind
JUDGED = timedelta(hours=2)
NAMED_DEVICES = 20  # more of one health are one trouble
EXPIRES = {"root": timedelta(days=30), "targets": timedelta(days=7), "snapshot": timedelta(days=1)}
FREE_SHARE, FREE_BYTES = 0.03, 1 << 30


def troubles(status: Status) -> list[Trouble]:
    """What of a status needs a person, the worst first as a reader would act."""
    return [
        *_of_databases(status),
        *_of_disk(status),
        *_of_schedule(status.schedule, status.nights),
        *_of_night_files(status),
        *(trouble for night in status.nights for trouble in _of_night(night, status.at)),
        *_of_real_time(status.real_time, status.at),
        *_of_edge(status.edge, status.at),
    ]


def _of_databases(status: Status) -> Iterator[Trouble]:
    for fault in status.faults:
        yield Trouble(
            "database",
            fault,
            "results can be neither read nor written",
            "start the database, or correct TRIPTYCH_DATABASE_URL; then triptych status",
        )


def _of_disk(status: Status) -> Iterator[Trouble]:
    free, total = status.free_bytes, status.total_bytes
    if free < FREE_BYTES or (total and free < FREE_SHARE * total):
        yield Trouble(
            "disk",
            f"{free / 1e9:.1f} GB are free on the disk of {status.home}",
            "runs fail when it is full, and answers wait in memory",
            "triptych prune shows what may go",
        )


def _of_schedule(schedule: Schedule, nights: tuple[Night, ...]) -> Iterator[Trouble]:
    if schedule.fault:
        yield Trouble(
            "prefect",
            f"the Prefect server {schedule.address or ''} cannot be asked: {schedule.fault}",
            "nothing that is scheduled runs while it is away",
            schedule.cure or "triptych up, or correct PREFECT_API_URL and PREFECT_API_AUTH_STRING",
        )
    if schedule.late and not schedule.workers:
        yield Trouble(
            "no-worker",
            f"{schedule.late} runs are late, and no worker is there",
            "nothing that is scheduled runs",
            "triptych up, or start a worker: deployments/worker",
        )
    told = any(night.status == "failed" for night in nights)
    for run in schedule.failed:
        if not (told and run.deployment.startswith("score-sentiment/")):
            when = f" at {run.at:%Y-%m-%d %H:%M} UTC" if run.at else ""
            yield Trouble(
                f"run-failed:{run.deployment}",
                f"{run.deployment} ended as {run.state}{when}: {run.message or run.name}",
                "what it does has not been done since",
                f"prefect deployment run {run.deployment}",
            )


def _of_night_files(status: Status) -> Iterator[Trouble]:
    for each in status.interrupted:
        yield Trouble(
            f"rollback-interrupted:{each.source}/{each.run_date}",
            f"the night of {each.source} on {each.run_date} was being {each.way}, and the roll-back"
            " was interrupted",
            "SQL and Parquet of it may say different things",
            shlex.join(("triptych", "rollback", "night", "--source", each.source)),
        )
    for fault in status.damaged:
        what, _, cure = fault.partition("): ")
        yield Trouble(
            f"night-damaged:{what.partition(' ')[0]}",
            f"{what})",
            "what is published, or was taken back, of that night is not known",
            f"{cure}; triptych doctor looks at all files",
        )


def _of_night(night: Night, now: datetime) -> Iterator[Trouble]:
    again = night.command or "start the same command again; what is done is not done twice"
    since = f"its newest results are those of {night.finished or 'no night'}"
    if night.status == "failed":
        yield Trouble(
            f"night-failed:{night.source}",
            f"the night of {night.source} on {night.run_date} failed: {night.message}",
            since,
            again,
        )
    elif night.status == "running" and now - night.started_at > NIGHT_LONG:
        hours = (now - night.started_at) / timedelta(hours=1)
        yield Trouble(
            f"night-long:{night.source}",
            f"the night of {night.source} on {night.run_date} says since {hours:,.0f} h that it"
            " runs",
            f"it is stuck or was killed; {since}",
            again,
        )
    elif night.stopped >= STOPPED_NIGHTS:
        yield Trouble(
            f"night-behind:{night.source}",
            f"{night.stopped} nights of {night.source} in a row were stopped by their window;"
            f" {night.rows_waiting:,} rows wait",
            f"more comes in than the window lets through; {since}",
            f"without the window: {again}",
        )
    yield from _of_missing_night(night, now)


def _of_missing_night(night: Night, now: datetime) -> Iterator[Trouble]:
    if night.usual_days is None or night.finished is None or night.status == "running":
        return
    behind = (now.date() - date.fromisoformat(night.run_date)).days
    if max(2.0, 2 * night.usual_days) <= behind <= GIVEN_UP_DAYS:
        yield Trouble(
            f"night-missing:{night.source}",
            f"{night.source} had its last night {behind} days ago; it has one every"
            f" {'day' if night.usual_days == 1 else f'{night.usual_days:g} days'}",
            f"its newest results are those of {night.finished}",
            "triptych status shows what is scheduled; triptych backfill does nights of the past",
        )


def _of_real_time(panel: RealTime, now: datetime) -> Iterator[Trouble]:
    if panel.fault:
        yield Trouble(
            "champion",
            panel.fault,
            "the service may answer from memory alone, and a new process would find no model",
            "triptych manage-models --list-models, then --promote one that can answer",
        )
    if panel.blocked:
        yield Trouble(
            "promotion-blocked",
            f"promotion is blocked: {panel.blocked}",
            "the champion stays, whatever is trained",
            "look at the audit's report, then triptych manage-models --unblock or --rollback",
        )
    if panel.drift and panel.drift.large:
        yield Trouble(
            "drift",
            f"transactions of {panel.drift.day} differ from those of training in"
            f" {', '.join(panel.drift.large)}",
            "the champion judges what it has not learnt; its labels will tell how well",
            "look at the audit's report; triptych train-fraud with newer transactions",
        )
    if panel.spilled:
        yield Trouble(
            "answers-waiting",
            f"{panel.spilled} files of answers wait for the database",
            "the service answers; the log, the audit and the state lack these answers",
            "start the database; files of a service that has ended are loaded when it starts again",
        )
    if panel.last_answer and panel.last_audit:
        behind = (now.date() - date.fromisoformat(panel.last_audit)).days - 1
        if behind > AUDIT_DAYS:
            yield Trouble(
                "audit-missing",
                f"the newest day that was audited is {panel.last_audit}",
                "nobody would notice that the champion got worse, and the state starts from old"
                " transactions",
                "triptych audit-fraud",
            )


def _of_edge(edge: Edge, now: datetime) -> Iterator[Trouble]:
    if edge.fault:
        yield Trouble(
            "releases",
            edge.fault,
            "devices may get no update",
            "see that TRIPTYCH_RELEASES_URL is right and answers; a damaged file comes back from a"
            " copy",
        )
    for role, expires in (edge.expires or {}).items():
        left = expires - now
        if left < EXPIRES.get(role, timedelta(hours=12)):
            state = "has expired" if left < timedelta() else "expires"
            yield Trouble(
                f"metadata-expires:{role}",
                f"the signature of {role} {state} ({expires:%Y-%m-%d %H:%M} UTC)",
                "devices take nothing from releases whose signatures have expired",
                "triptych manage-releases --renew",
            )
    if edge.devices and (edge.judged_at is None or now - edge.judged_at > JUDGED):
        yield Trouble(
            "telemetry-old",
            "devices were last judged "
            + (f"at {edge.judged_at:%Y-%m-%d %H:%M} UTC" if edge.judged_at else "never"),
            "a device that has failed since is not known",
            "triptych collect-telemetry",
        )
    for health in ("silent", "degraded"):
        yield from _of_devices([one for one in edge.devices if one.health == health], health)


def _of_devices(devices: list[Device], health: str) -> Iterator[Trouble]:
    meaning = {
        "silent": "nobody knows whether it sees anything",
        "degraded": "it reports, and does not do its work as it should",
    }[health]
    if len(devices) > NAMED_DEVICES:
        some = ", ".join(one.device for one in devices[:3])
        yield Trouble(
            f"devices-{health}",
            f"{len(devices)} devices are {health}: {some}, …",
            meaning,
            "triptych collect-telemetry lists them; look for what they share",
        )
        return
    for one in devices:
        yield Trouble(
            f"device-{health}:{one.device}",
            f"device {one.device} is {health}: {one.reason or 'no reason was noted'}",
            meaning,
            f"look at it: power, network, camera; triptych trace {one.device} --as device",
        )

"""A status for the terminal: a few lines for each part, and at the end what needs a person."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from services.reporting.figures import counted
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Edge, Night, RealTime, Run, Schedule, Status

SHOWN = 5  # devices, runs and sources
WIDTH = 11  # of the names on the left


def render_status(status: Status, troubles: Sequence[Trouble]) -> RenderableType:
    """Everything; in a home in which nothing has run yet, what to type first."""
    if not status.has_home:
        return Text(f"Nothing has run in {status.home} yet. First type: triptych up")
    lines = [
        *_lines("schedule", _schedule(status.schedule, status.at)),
        *_lines("batch", _nights(status.nights, status.at)),
        *_lines("real time", _real_time(status.real_time, status.at)),
        *_lines("edge", _edge(status.edge)),
        *_lines("disk", [_disk(status)]),
        Text(),
        *_troubles(troubles),
    ]
    return Group(*lines)


def _lines(name: str, texts: Sequence[str] | Iterator[str]) -> Iterator[Text]:
    for place, text in enumerate(texts):
        yield Text.assemble(((name if place == 0 else "").ljust(WIDTH), "bold"), text)


def _schedule(schedule: Schedule, now: datetime) -> Iterator[str]:
    if schedule.address is None:
        yield "no Prefect server runs for this home: nothing is scheduled (triptych up)"
        return
    if schedule.fault:
        yield f"the Prefect server {schedule.address} cannot be asked: {schedule.fault}"
        return
    workers = "" if schedule.workers is None else f", {counted(schedule.workers, 'worker')}"
    yield f"Prefect at {schedule.address.removesuffix('/api')}{workers}"
    for run in schedule.running[:SHOWN]:
        yield f"runs now: {run.deployment} ({run.state}{_since(run, now)})"
    if not schedule.running:
        yield "nothing runs now"
    elif len(schedule.running) > SHOWN:
        yield f"and {len(schedule.running) - SHOWN} more"
    coming = [f"{run.deployment} {_when(run.at, now)}" for run in schedule.due[:SHOWN]]
    yield f"next: {', '.join(coming)}" if coming else "nothing is scheduled"


def _nights(nights: Sequence[Night], now: datetime) -> Iterator[str]:
    if not nights:
        yield "no night yet: triptych score-sentiment --help"
    for night in nights[:SHOWN]:
        told = f"{night.describe_rows()}{night.describe_share()}"
        ended = night.ended_at or night.started_at
        yield f"{night.source}: {night.run_date} {night.status}, {told} ({_ago(ended, now)})"
    if len(nights) > SHOWN:
        yield f"and {len(nights) - SHOWN} more sources"


def _real_time(panel: RealTime, now: datetime) -> Iterator[str]:
    if panel.champion is None:
        yield "no champion yet: triptych train-fraud"
        return
    shadow = f"; shadow {panel.shadow}" if panel.shadow else ""
    yield f"champion {panel.champion}{shadow}"
    if quality := panel.quality:
        yield f"audit of {quality.day}: {quality.describe()}"
    else:
        yield "its quality is not known yet: triptych audit-fraud, once labels have come"
    if panel.drift:
        yield f"drift on {panel.drift.day}: {panel.drift.describe()}"
    last = f", the last {_ago(panel.last_answer, now)}" if panel.last_answer else ""
    yield f"{counted(panel.answers, 'answer')} in the last day{last}"


def _edge(edge: Edge) -> Iterator[str]:
    if edge.fault:
        yield f"releases: {edge.fault}"
    elif not edge.releases:
        yield "no release yet: triptych publish-detector --model bundled"
    else:
        *_, newest = edge.releases
        yield f"release {edge.newest or newest}; published: {', '.join(edge.releases[-SHOWN:])}"
    if edge.devices:
        counts = ", ".join(f"{count} {health}" for health, count in edge.health.items())
        runs: dict[str, int] = {}
        for device in edge.devices:
            runs[device.release] = runs.get(device.release, 0) + 1
        what = ", ".join(f"{count} on {release}" for release, count in runs.items())
        yield f"{counted(len(edge.devices), 'device')}: {counts}; {what}"
    else:
        yield "no device has reported yet"


def _troubles(troubles: Sequence[Trouble]) -> Iterator[Text]:
    if not troubles:
        yield Text("nothing needs a person", style="green")
        return
    noun = "thing needs" if len(troubles) == 1 else "things need"
    yield Text(f"{len(troubles)} {noun} a person:", style="yellow")
    for number, trouble in enumerate(troubles, start=1):
        yield Text(f"{number}. {trouble.what}")
        yield Text(f"   {trouble.meaning}", style="dim")
        yield Text.assemble("   type: " if _is_command(trouble.cure) else "   do: ", trouble.cure)


def _is_command(cure: str) -> bool:
    return cure.startswith(("triptych ", "prefect "))


def _disk(status: Status) -> str:
    return f"{_gigabytes(status.free_bytes)} free of {_gigabytes(status.total_bytes)}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.0f} GB" if size >= 1e10 else f"{size / 1e9:.1f} GB"


def _since(run: Run, now: datetime) -> str:
    return f" since {_length(now - run.at)}" if run.at else ""


def _ago(at: datetime, now: datetime) -> str:
    return f"{_length(now - at)} ago"


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    return f"in {_length(at - now)}" if at >= now else f"late by {_length(now - at)}"


def _length(span: timedelta) -> str:
    seconds = max(0.0, span.total_seconds())
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"

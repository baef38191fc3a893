"""The morning's digest of all three panels, as Markdown and as plain text. Does no I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.reporting.figures import counted
from services.reporting.markdown import escape
from tasks.operations.notices.message import MAX_BODY, Message, shorten
from tasks.operations.notices.trouble import Trouble
from tasks.operations.status.state import Edge, Night, RealTime, Status

SOURCES, DEVICES, TROUBLES = 5, 5, 5  # that are named; the others are counted
RECENT = timedelta(days=2)  # older nights are told with their age
LINE = 240  # characters


@dataclass(frozen=True)
class Alerts:
    """The newest day of the fraud service that was audited; alerts: cards flagged."""

    day: date
    answers: int
    alerts: int
    budget: float | None
    drifted: tuple[str, ...] = ()  # features whose values are far from those of training


@dataclass(frozen=True)
class Digest:
    """What a morning's digest says: a headline, and lines under titles."""

    day: date
    headline: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    is_bad: bool

    def markdown(self) -> str:
        """For the Prefect UI."""
        parts = [f"# Triptych, {self.day}", f"**{escape(self.headline)}**"]
        for title, lines in self.sections:
            items = "\n".join(f"- {escape(line)}" for line in lines)
            parts.append(f"## {title}\n\n{items}")
        return "\n\n".join(parts) + "\n"

    def text(self) -> str:
        """For a terminal or a message."""
        parts = [f"{self.headline}."]
        for title, lines in self.sections:
            parts.append("\n".join((title, *(f"- {line}" for line in lines))))
        return "\n\n".join(parts)

    def message(self) -> Message:
        """For those who are told; what there is no room for is in the UI."""
        text, more = self.text(), "\n… the rest: triptych status"
        if len(text) > MAX_BODY:
            text = text[: MAX_BODY - len(more)].rpartition("\n")[0] + more
        return Message(f"Triptych, {self.day}: {self.headline}", text, self.is_bad)


def compose(day: date, status: Status, alerts: Alerts | None, found: Sequence[Trouble]) -> Digest:
    """The digest of a day, from how everything stands."""
    many = "1 thing needs" if len(found) == 1 else f"{len(found)} things need"
    sections = [
        ("Batch", _nights(status.nights, day)),
        ("Real time", _real_time(status.real_time, alerts)),
        ("Edge", _edge(status.edge)),
        ("What needs a person", _troubles(found)),
    ]
    lines = tuple((title, tuple(shorten(line, LINE) for line in each)) for title, each in sections)
    headline = f"{many} a person" if found else "nothing needs a person"
    return Digest(day, headline, lines, is_bad=bool(found))


def _nights(nights: Sequence[Night], day: date) -> Iterator[str]:
    if not nights:
        yield "no night yet"
    for night in nights[:SOURCES]:
        waiting = f", {night.rows_waiting:,} wait" if night.rows_waiting else ""
        age = day - date.fromisoformat(night.run_date)
        old = f", {age.days} days ago" if age >= RECENT else ""
        rows = f"{night.describe_rows()}{waiting}{night.describe_share()}"
        when = f"night of {night.run_date}{old}"
        yield f"{night.source}, {when}: {night.status}, {rows}"
    if len(nights) > SOURCES:
        yield f"and {len(nights) - SOURCES} more sources"


def _real_time(panel: RealTime, alerts: Alerts | None) -> Iterator[str]:
    if panel.champion is None:
        yield "no champion yet"
        return
    yield f"champion {panel.champion}, {counted(panel.answers, 'answer')} in the last day"
    if alerts is not None:
        budget = "" if alerts.budget is None else f", the budget is {alerts.budget:,.0f}"
        yield (
            f"{alerts.day}: {counted(alerts.answers, 'answer')},"
            f" {counted(alerts.alerts, 'card')} flagged{budget}"
        )
        if alerts.drifted:
            yield f"drift: {', '.join(alerts.drifted)}"
    if quality := panel.quality:
        yield f"quality on {quality.day}: {quality.describe()}"
    else:
        yield "quality: not known yet, as labels have not come"
    if panel.blocked:
        yield f"promotion is blocked: {panel.blocked}"


def _edge(edge: Edge) -> Iterator[str]:
    yield f"release {edge.newest}" if edge.newest else "no release yet"
    if not edge.devices:
        yield "no device has reported yet"
        return
    counts = ", ".join(f"{count} {health}" for health, count in sorted(edge.health.items()))
    yield f"{counted(len(edge.devices), 'device')}: {counts}"
    ill = [each for each in edge.devices if each.health != "ok"]
    for each in ill[:DEVICES]:
        yield f"{each.device} is {each.health}: {each.reason or 'no reason was noted'}"
    if len(ill) > DEVICES:
        yield f"and {len(ill) - DEVICES} more that are not ok"


def _troubles(found: Sequence[Trouble]) -> Iterator[str]:
    if not found:
        yield "nothing"
    for each in found[:TROUBLES]:
        yield f"{each.what}. Do: {each.cure}"
    if len(found) > TROUBLES:
        yield f"and {len(found) - TROUBLES} more: triptych status"

"""The page about the fleet; one without a device has a page too."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from markupsafe import Markup

from edge.fleet.devices import Rejection
from edge.fleet.health import WORST_FIRST, Device, Hour, Judgement, format_age
from edge.fleet.load import Loaded
from services.reporting.page import render

WIDE, TALL = 120, 26  # px of a device's little plot


@dataclass(frozen=True)
class FleetReport:
    """All that a reader gets to see about the fleet at an instant."""

    run_id: str
    as_of: datetime
    devices: Sequence[tuple[Device, Judgement]]
    loaded: Loaded
    rejections: Sequence[Rejection] = ()
    where: Mapping[str, str] = field(default_factory=dict)  # what -> path, table or address
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def worst_first(self) -> list[tuple[Device, Judgement]]:
        """Those in trouble at the top, the longest unheard first among equals."""
        return sorted(
            self.devices,
            key=lambda one: (WORST_FIRST.index(one[1].health), one[0].last_seen, one[0].device),
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many devices are in each state of health."""
        found = Counter(judgement.health for _, judgement in self.devices)
        return {health: found[health] for health in reversed(WORST_FIRST)}

    @property
    def releases(self) -> list[tuple[str, int]]:
        """Which releases run, and on how many devices, the most common first."""
        return Counter(device.release for device, _ in self.devices).most_common()

    @property
    def warnings(self) -> list[str]:
        """What a reader has to know first."""
        found = []
        unheard = [d.device for d, j in self.worst_first if j.health in ("silent", "late")]
        if unheard:
            more = f" and {len(unheard) - 5:,} more" if len(unheard) > 5 else ""
            found.append(f"Nothing is heard of {', '.join(unheard[:5])}{more}.")
        if self.loaded.rejected:
            found.append(f"Lines that devices sent and that do not fit: {self.loaded.rejected:,}.")
        if self.loaded.undated:
            found.append(
                "Records of devices whose clock is not set, dated by their arrival:"
                f" {self.loaded.undated:,}."
            )
        if self.loaded.staying:
            found.append(f"Files that cannot be removed from the inbox: {self.loaded.staying:,}.")
        return found


def render_html(report: FleetReport) -> str:
    """The page as text, to be written as UTF-8."""
    return render(
        Path(__file__).with_name("fleet.html"),
        filters={"figure": figure, "instant": instant, "plot": _plot, "rates": _describe_rates},
        values={
            "report": report,
            "age": lambda device: format_age(report.as_of - device.last_seen),
        },
    )


def figure(value: float | None, digits: int = 0) -> str:
    """1234.5 -> 1,234, and a dash where there is no figure."""
    return "–" if value is None else f"{value:,.{digits}f}"


def instant(moment: datetime) -> str:
    """2026-11-23 08:15 UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _plot(hours: Sequence[Hour]) -> Markup:
    """Frames per second, hour by hour, as bars. Only numbers get in here."""
    if not hours:
        return Markup("")
    highest = max(hour.fps for hour in hours) or 1.0
    first = max(hour.hour for hour in hours)
    bars = []
    for hour in hours:
        place = 23 - round((first - hour.hour).total_seconds() / 3600)
        height = max(1.0, hour.fps / highest * TALL)
        bars.append(
            f'<rect x="{place * WIDE / 24:.1f}" y="{TALL - height:.1f}"'
            f' width="{WIDE / 24 - 1:.1f}" height="{height:.1f}"/>'
        )
    return Markup(
        f'<svg viewBox="0 0 {WIDE} {TALL}" width="{WIDE}" height="{TALL}" role="img"'
        f' aria-label="{_describe_rates(hours)}">{"".join(bars)}</svg>'
    )


def _describe_rates(hours: Sequence[Hour]) -> str:
    """A device's day in words."""
    rates = [hour.fps for hour in hours]
    if not rates:
        return "no record in the last day"
    return f"{min(rates):.1f} to {max(rates):.1f} frames/s in {len(rates)} hours"

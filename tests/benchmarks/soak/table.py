"""A soak by the minute: what was answered, how soon, and what it took."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.soak.events import Happened
from tests.benchmarks.soak.records import Outcome, Sample

PARTS = ("spill", "state", "metrics", "log", "rest")
NOTHING = "-"


@dataclass
class Minute:
    """What was due in a minute, and what failed and was measured in it.

    failures: attempts that failed, by what it was. took_ms: of raw transactions, from when they
    were due.
    """

    asked: int = 0
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    took_ms: list[float] = field(default_factory=list)
    memory: Mapping[str, int] = field(default_factory=dict)
    open_files: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    def as_entries(self) -> dict[str, Any]:
        """For a file."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "failures": dict(self.failures),
            "degraded": dict(self.degraded),
            **{f"p{share}_ms": percentile(self.took_ms, share / 100) for share in (50, 99)},
            "longest_ms": max(self.took_ms, default=None),
            "memory": dict(self.memory),
            "open_files": dict(self.open_files),
            "files": dict(self.files),
            "tables": dict(self.tables),
            "events": self.events,
        }


def by_minute(
    outcomes: Iterable[Outcome],
    samples: Iterable[Sample],
    happened: Iterable[Happened],
    began_s: float,
) -> list[Minute]:
    """All that there was, in its minute; of samples the last of each counts."""
    minutes: dict[int, Minute] = {}

    def at(moment_s: float) -> Minute:
        return minutes.setdefault(max(0, int((moment_s - began_s) // 60)), Minute())

    for outcome in outcomes:
        minute = at(outcome.scheduled_s)
        minute.asked += 1
        for failed_s, what in outcome.failures:
            at(failed_s).failures[what] += 1
        if outcome.answer is not None and outcome.took_ms is not None:
            minute.answered += 1
            minute.degraded.update(outcome.answer.degraded)
            if outcome.request.path == "/score_transaction":
                minute.took_ms.append(outcome.took_ms)
    for sample in samples:
        minute = at(sample.at_s)
        minute.memory, minute.open_files = sample.memory, sample.open_files
        minute.files, minute.tables = sample.files, sample.tables or minute.tables
    for event in happened:
        at(event.since_s).events.append(event.name)
    return [minutes.get(number, Minute()) for number in range(max(minutes, default=-1) + 1)]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value within which a share lies; None of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def render(minutes: Sequence[Minute]) -> str:
    """The table, in Markdown; of several processes or folders, in the order of its head."""
    groups: dict[str, list[str]] = {}
    for name in sorted({_life_less(name) for minute in minutes for name in minute.memory}):
        groups.setdefault(name.partition(" ")[0], []).append(name)
    head = ["minute", "answered", "failed attempts", "degraded", "p50 / p99 ms"]
    head += [_heading(group, names) for group, names in groups.items()]
    head += ["open files", f"{' / '.join(PARTS)} kB", "tables MB", "events"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for number, minute in enumerate(minutes):
        cells = _cells(minute, list(groups.values()))
        lines.append("| " + " | ".join([str(number), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _heading(group: str, names: Sequence[str]) -> str:
    kinds = [name.partition(" ")[2] for name in names]
    return f"replica {group}: {' / '.join(kinds)} MB" if all(kinds) else f"{group} MB"


def _cells(minute: Minute, groups: Sequence[Sequence[str]]) -> list[str]:
    memory: Counter[str] = Counter()
    for name, size in minute.memory.items():
        memory[_life_less(name)] += size
    parts: Counter[str] = Counter()
    for name, size in minute.files.items():
        parts[name.rpartition(" ")[2]] += size
    p50, p99 = (percentile(minute.took_ms, share) for share in (0.5, 0.99))
    times = NOTHING if p50 is None or p99 is None else f"{p50:.1f} / {p99:,.0f}"
    answered = f"{minute.answered:,} of {minute.asked:,}"
    megabytes = {name: f"{size / 1e6:.0f}" for name, size in memory.items()}
    return [
        answered if minute.answered != minute.asked else f"{minute.answered:,}",
        _counted(minute.failures),
        _counted(minute.degraded),
        times,
        *(" / ".join(megabytes.get(name, NOTHING) for name in names) for names in groups),
        f"{sum(minute.open_files.values()):,}",
        " / ".join(f"{parts[part] / 1e3:,.0f}" for part in PARTS),
        f"{sum(minute.tables.values()) / 1e6:,.1f}" if minute.tables else NOTHING,
        ", ".join(minute.events),
    ]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "0"


def _life_less(name: str) -> str:
    return name.partition("#")[0]

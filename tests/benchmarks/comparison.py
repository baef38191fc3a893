"""Peers under the same loads, side by side; one that gives no answer is shown as such.

A peer's metrics: `loads`, one for each number of connections as in `Load`; `memory_mb`; `ready_s`;
or, of one that could not be measured, `fault` with what was wrong.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

NO_ANSWER = "no answer"
NOTHING = "-"
Metrics = dict[str, Any]


def median_peer(found: Sequence[Metrics]) -> Metrics:
    """Of a peer's rounds, for each number of connections the load with the median rate.

    Rounds that could not be measured are left out, unless none could.
    """
    measured = [peer for peer in found if peer.get("loads")]
    if not measured:
        return found[0]
    loads = [
        sorted(same, key=lambda load: float(load["requests_per_second"]))[len(same) // 2]
        for same in zip(*(peer["loads"] for peer in measured), strict=True)
    ]
    return {**measured[0], "loads": loads}


def format_load(load: Metrics | None) -> str:
    """One cell of the table."""
    if load is None or not load["requests_per_second"]:
        return NO_ANSWER
    times = " / ".join(
        NOTHING if load[name] is None else f"{load[name]:.{digits}f}"
        for name, digits in (("p50_ms", 2), ("p99_ms", 1))
    )
    return f"{times}, {load['requests_per_second']:,.0f}"


def format_ratio(ours: float | None, theirs: float | None) -> str:
    """How many times theirs ours is; nothing where one of them is nothing."""
    return f"{ours / theirs:.2f}" if ours and theirs else NOTHING


def format_metric(number: float | None, pattern: str) -> str:
    """A number, if there is one."""
    return NOTHING if number is None else format(number, pattern)


def table_of(peers: dict[str, Metrics], connections: Sequence[int]) -> Table:
    """All peers, one a row."""
    table = Table("", *(f"{n}: p50 / p99 ms, req/s" for n in connections), "MB", "ready s")
    for name, found in peers.items():
        cells = [format_load(_load(found, place)) for place in range(len(connections))]
        memory = format_metric(found.get("memory_mb"), ".0f")
        table.add_row(name, *cells, memory, format_metric(found.get("ready_s"), ".1f"))
    return table


def ratios(peers: dict[str, Metrics], ours: str, other: str, count: int) -> list[str]:
    """Requests per second of ours to those of another one, for each number of connections."""
    rates = [
        [(_load(peers[name], place) or {}).get("requests_per_second") for place in range(count)]
        for name in (ours, other)
    ]
    return [format_ratio(mine, theirs) for mine, theirs in zip(*rates, strict=True)]


def keep(results: Metrics, output: Path) -> None:
    """Write what is known by now, whole or not at all; called after each thing measured."""
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = output.with_suffix(".new")
    aside.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    aside.replace(output)


def _load(found: Metrics, place: int) -> Metrics | None:
    loads = found.get("loads") or []
    return loads[place] if place < len(loads) else None

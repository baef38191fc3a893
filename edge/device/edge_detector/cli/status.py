"""What `status`, `update` and `rollback` do and say."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_detector.errors import ReleaseError
from edge_detector.slots.slot import format_release
from edge_detector.slots.slots import Slots, utc_now
from edge_detector.system.atomic import no_step
from edge_detector.updates.journal import Journal, parse_time
from edge_detector.updates.rollout import AGAIN
from edge_detector.updates.trust import Trust
from edge_detector.updates.updates import Updates

_NAME_WIDTH = 10
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def status(home: Path, as_json: bool = False) -> str:
    """What `status` prints. It reads, and changes nothing; a damaged home is described.

    Raises:
        ConfigError: this user may not read the home.
    """
    report = describe(home, utc_now())
    if as_json:
        return json.dumps(report, indent=2, ensure_ascii=False)
    return "\n".join(_format_lines(report))


def update(updates: Updates) -> str:
    """Fetch, try and activate the newest release; what to print. Raises as `Updates.update`."""
    slot = updates.update()
    if slot is None:
        return f"nothing to do: {Journal.read(updates.home).found}"
    return (
        f"{slot.release} is installed, has passed its self-test and is the current release;"
        " a `run` of this home takes it over within seconds"
    )


def rollback(home: Path) -> str:
    """Go back to the previous release; what to print. Raises as `Slots.rollback`."""
    slots = Slots(home)
    left = slots.state().current
    slot = slots.rollback()
    return (
        f"back to {slot.release}; {format_release(str(left))} will not be taken again, unless"
        " by `edge-detector update --again`; a `run` of this home takes it over within seconds"
    )


def describe(home: Path, now: datetime) -> dict[str, Any]:
    """What is known of a device's releases, as plain JSON values."""
    slots, journal = Slots(home), Journal.read(home)
    state = slots.state()
    return {
        "home": str(home),
        "current": _describe_slot(slots, state.current),
        "on_trial": state.probation is not None,
        "crashes": state.probation.crashes if state.probation else 0,
        "activated_at": state.activated_at,
        "previous": _describe_slot(slots, state.previous),
        "refused": [asdict(refusal) for refusal in state.refused.values()],
        "releases": journal.releases,
        "channel": journal.channel,
        "root_sha256": Trust(home, None, no_step).pinned(),
        "refreshed_at": journal.refreshed_at,
        "offline_s": _seconds_since(journal.refreshed_at, now),
        "tried_at": journal.tried_at,
        "tried_s_ago": _seconds_since(journal.tried_at, now),
        "error": journal.error,
        "found": journal.found,
    }


def _describe_slot(slots: Slots, slot: str | None) -> dict[str, Any] | None:
    if slot is None:
        return None
    try:
        manifest = slots.store.read(slot).manifest
    except ReleaseError as error:
        return {"slot": slot, "damaged": str(error)}
    return {
        "slot": slot,
        "damaged": None,
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.model.sha256,
        "variant": manifest.model.variant,
        "published_at": manifest.lineage.published_at,
    }


def _format_lines(report: Mapping[str, Any]) -> list[str]:
    """The same for people."""
    rows = [("current", _format_current(report))]
    if report["previous"]:
        rows.append(("previous", _format_slot(report["previous"])))
    for refusal in report["refused"]:
        release = f"{refusal['name']} {refusal['version']}"
        rows.append(("refused", f"{release}: {refusal['reason']} ({refusal['at']}); {AGAIN}"))
    if report["releases"]:
        rows.append(("releases", f"{report['releases']}, channel {report['channel']}"))
    if report["root_sha256"]:
        rows.append(("trusts", f"the root with sha256 {report['root_sha256']}"))
    updates = "the repository was never reached"
    if report["offline_s"] is not None:
        found = f"; then: {report['found']}" if report["found"] else ""
        updates = f"last refreshed {_format_duration(report['offline_s'])} ago{found}"
    rows.append(("updates", updates))
    if report["error"]:
        ago = report["tried_s_ago"]
        when = "" if ago is None else f", {_format_duration(ago)} ago,"
        rows.append(("", f"the last try{when} failed: {report['error']}"))
    return [f"{name:<{_NAME_WIDTH}}{text}" for name, text in rows]


def _format_current(report: Mapping[str, Any]) -> str:
    if not report["current"]:
        return "none: fetch one with `edge-detector update --releases ADDRESS`"
    text = _format_slot(report["current"])
    if report["activated_at"]:
        text += f", since {report['activated_at']}"
    if report["on_trial"]:
        text += ", on probation until it has run for a minute"
    if report["crashes"]:
        text += f" (it has crashed {report['crashes']} times, and there is nothing to go back to)"
    return text


def _format_slot(slot: Mapping[str, Any]) -> str:
    if slot["damaged"]:
        return f"{format_release(slot['slot'])}, DAMAGED: {slot['damaged']}"
    return f"{slot['name']} {slot['version']} ({slot['variant']}, sha256 {slot['sha256'][:12]}…)"


def _seconds_since(at: str | None, now: datetime) -> int | None:
    moment = parse_time(at)
    # Whole ones: moments are kept without their fractions.
    return None if moment is None else int((now - moment).total_seconds())


def _format_duration(seconds: int) -> str:
    """Two units of a time: 3 days 4 hours."""
    left = max(seconds, 0)
    parts: list[str] = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count or (unit == "second" and not parts):
            parts.append(f"{count} {unit}{'s' if count != 1 else ''}")
    return " ".join(parts[:2])

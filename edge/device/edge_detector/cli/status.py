"""What `status`, `update` and `rollback` do and say."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from edge_detector.errors import ReleaseError
from edge_detector.slots.slots import Slots, utc_now
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
    """Fetch, try and activate the newest release; what to print.

    Raises:
        ModelError: the release was refused; the device goes on with what it has.
        ReleaseError, DownloadError, ConfigError, BusyError: as `Updates.check`.
    """
    slot = updates.update()
    if slot is None:
        return f"nothing to do: {Journal.read(updates.home).found}"
    return (
        f"{slot.release} is installed, has passed its self-test and is the current release;"
        " a `run` of this home takes it over within seconds"
    )


def rollback(home: Path) -> str:
    """Go back to the previous release; what to print.

    Raises:
        NoModelError: there is none, or it is damaged.
    """
    slots = Slots(home)
    left = slots.state().current
    slot = slots.rollback()
    return (
        f"back to {slot.release}; {_release_of(str(left))} will not be taken again, unless"
        " by `edge-detector update --again`; a `run` of this home takes it over within seconds"
    )


def describe(home: Path, now: datetime) -> dict[str, object]:
    """What is known of a device's releases, as plain JSON values."""
    slots, journal = Slots(home), Journal.read(home)
    state = slots.state()
    refreshed = journal.refreshed()
    return {
        "home": str(home),
        "current": _describe_slot(slots, state.current),
        "on_trial": state.probation is not None,
        "crashes": state.probation.crashes if state.probation else 0,
        "activated_at": state.activated_at,
        "previous": _describe_slot(slots, state.previous),
        "refused": [
            {
                "name": refusal.name,
                "version": refusal.version,
                "reason": refusal.reason,
                "at": refusal.at,
            }
            for refusal in state.refused.values()
        ],
        "releases": journal.releases,
        "channel": journal.channel,
        "root_sha256": Trust(home, None, lambda _: None).pinned(),
        "refreshed_at": journal.refreshed_at,
        "offline_s": None if refreshed is None else int((now - refreshed).total_seconds()),
        "tried_at": journal.tried_at,
        "tried_s_ago": _seconds_since(journal.tried_at, now),
        "error": journal.error,
        "found": journal.found,
    }


def _describe_slot(slots: Slots, slot: str | None) -> dict[str, object] | None:
    if slot is None:
        return None
    described: dict[str, object] = {"slot": slot, "damaged": None}
    try:
        manifest = slots.store.read(slot).manifest
    except ReleaseError as error:
        return {**described, "damaged": str(error)}
    return {
        **described,
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.model.sha256,
        "variant": manifest.model.variant,
        "published_at": manifest.lineage.published_at,
    }


def _format_lines(report: Mapping[str, object]) -> list[str]:
    """The same for people."""
    rows = [("current", _format_current(report))]
    if report["previous"]:
        rows.append(("previous", _format_slot(report["previous"])))
    refused = report["refused"]
    assert isinstance(refused, list)
    rows += [
        (
            "refused",
            f"{release['name']} {release['version']}: {release['reason']}"
            f" ({release['at']}); {AGAIN}",
        )
        for release in refused
    ]
    if report["releases"]:
        rows.append(("releases", f"{report['releases']}, channel {report['channel']}"))
    if report["root_sha256"]:
        rows.append(("trusts", f"the root with sha256 {report['root_sha256']}"))
    rows.append(("updates", _format_updates(report)))
    if report["error"]:
        ago = report["tried_s_ago"]
        when = "" if ago is None else f", {_format_duration(ago)} ago,"
        rows.append(("", f"the last try{when} failed: {report['error']}"))
    return [f"{name:<{_NAME_WIDTH}}{text}" for name, text in rows]


def _format_current(report: Mapping[str, object]) -> str:
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


def _format_updates(report: Mapping[str, object]) -> str:
    if report["offline_s"] is None:
        return "the repository was never reached"
    ago = f"last refreshed {_format_duration(report['offline_s'])} ago"
    return f"{ago}; then: {report['found']}" if report["found"] else ago


def _format_slot(slot: object) -> str:
    assert isinstance(slot, dict)
    if slot["damaged"]:
        return f"{_release_of(slot['slot'])}, DAMAGED: {slot['damaged']}"
    return f"{slot['name']} {slot['version']} ({slot['variant']}, sha256 {slot['sha256'][:12]}…)"


def _release_of(slot: str) -> str:
    parts = slot.rsplit("-", 2)
    return " ".join(parts[:2]) if len(parts) == 3 else slot


def _seconds_since(at: str | None, now: datetime) -> int | None:
    moment = parse_time(at)
    # Whole ones: moments are kept without their fractions.
    return None if moment is None else int((now - moment).total_seconds())


def _format_duration(seconds: object) -> str:
    """Two units of a time: 3 days 4 hours."""
    assert isinstance(seconds, int)
    left = max(seconds, 0)
    parts: list[str] = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count or (unit == "second" and not parts):
            parts.append(f"{count} {unit}{'s' if count != 1 else ''}")
    return " ".join(parts[:2])

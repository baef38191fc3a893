"""The device whose home lies in ours, as `triptych up` and the demo have one."""

from collections.abc import Iterator
from datetime import datetime

from tasks.operations.doctor.check import Check, absent, fault, ok
from tasks.settings import Settings


def check_device(settings: Settings, now: datetime) -> Iterator[Check]:
    """Its releases against the digests that were signed, and whom it trusts."""
    from edge_detector.cli.status import describe
    from edge_detector.errors import EdgeError

    home = settings.home / "device"
    if not home.is_dir():
        yield absent("device", "none has its home here; type: triptych up")
        return
    update = f"python -m edge_detector update --home {home} --releases {settings.releases_url}"
    try:
        told = describe(home, now)
    except EdgeError as error:
        yield fault("device", str(error), "the device may not start", f"correct it, then {update}")
        return
    current = told["current"]
    for role in ("current", "previous"):
        slot = told[role]
        if slot and slot["damaged"]:
            yield fault(
                "device",
                f"its {role} release is damaged: {slot['damaged']}",
                "it does not start with it" if role == "current" else "it cannot go back to it",
                update,
            )
    if current and not current["damaged"]:
        root = told["root_sha256"]
        pinned = f", trusts the root {root[:12]}…" if root else ""
        yield ok("device", f"runs {current['name']} {current['version']}, whole{pinned}")
    elif not current:
        yield absent("device", f"no release; type: {update}")

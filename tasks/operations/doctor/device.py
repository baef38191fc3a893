"""The device whose home lies in ours, as `triptych up` and the demo have one."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from services.storage.files import file_digest
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
                update if role == "current" else "nothing; the next release makes another of it",
            )
    if current and not current["damaged"]:
        yield ok("device", f"runs {current['name']} {current['version']}, whole")
    elif not current:
        yield absent("device", f"no release; type: {update}")
    yield from _check_root(settings, told["root_sha256"])


def _check_root(settings: Settings, pinned: str | None) -> Iterator[Check]:
    """Whether it trusts a root of the releases that lie here."""
    metadata = Path(settings.releases_url.removeprefix("file://")) / "metadata"
    roots = {file_digest(file) for file in metadata.glob("*.root.json")}
    if pinned is None or not roots:
        return
    if pinned in roots:
        yield ok("device", f"trusts the root {pinned[:12]}… of the releases here")
        return
    yield fault(
        "device",
        f"it trusts the root {pinned[:12]}…, which is none of {metadata}",
        "it takes nothing from these releases, and goes on with its own",
        f"if the publisher began anew: python -m edge_detector update --home"
        f" {settings.home / 'device'} --releases {settings.releases_url} --root"
        f" {metadata / '1.root.json'}",
    )

"""A device is shown older release metadata than it has seen, as a server in wrong hands would."""

from edge.release.publishing.request import Place
from tasks.operations.rehearsal.errors import Broken, NothingToBreak
from tasks.operations.rehearsal.faults.device import PUBLISH, Device
from tasks.operations.rehearsal.stage import Stage

DONE = "the release timestamp of before the last change is put back"


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken; NothingToBreak: nothing is published, or nobody can sign."""
    device = Device(stage)
    timestamp = device.releases / "metadata" / "timestamp.json"
    device.sign("--renew")
    device.expect_update("before anything was broken")
    runs, older = device.release(), timestamp.read_bytes()
    device.sign(*_change(stage))
    device.expect_update("after a change")
    newer = timestamp.read_bytes()
    if newer == older:
        raise Broken("nothing was signed anew; nothing was rehearsed")
    timestamp.write_bytes(older)
    status, told = device.update()
    if status == 0 or "older signatures" not in told:
        raise Broken(f"the device took the older timestamp, or did not say so: {told}")
    if device.release() != runs:
        raise Broken("the device left its release")
    timestamp.write_bytes(newer)
    device.expect_update("when the newest was there again")
    return f"the device refused it, stayed with {runs}, and went on when the newest was back"


def _change(stage: Stage) -> list[str]:
    """A change that does not concern a device of the channel stable."""
    repository = Place(str(stage.home / "releases"), stage.home / "keys").open()
    listed = {channel: repository.releases(channel) for channel in ("canary", "stable")}
    offered = [one for ones in listed.values() for one in ones if one.withdrawn is None]
    if not offered:
        raise NothingToBreak(f"every release is withdrawn; type: {PUBLISH}")
    release = offered[-1]
    of_canary = {one.release: one.share for one in listed["canary"]}
    share = 0.5 if of_canary.get(release.release) == 0 else 0.0
    words = ["--promote", release.version, "--name", release.name, "--channel", "canary"]
    return [*words, "--share", str(share)]

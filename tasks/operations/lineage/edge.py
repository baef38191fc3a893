"""Origins of the edge panel: a device, the release that it runs, the network it was made of."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from edge_detector.contract.channel import CHANNELS
from edge_detector.contract.manifest import Manifest

from edge.fleet.tables import DEVICE_TELEMETRY, DEVICES
from edge.release.errors import PublisherError
from edge.release.publishing.request import Place
from tasks.operations.lineage.model_records import read_object, recorded
from tasks.operations.lineage.models import Model, detectors
from tasks.operations.lineage.node import Match, Node, fits, unknown
from tasks.operations.records import Records, Row

EARLIER = "it was published by a version that did not write it down"


@dataclass(frozen=True)
class Release:
    """A release as its manifest and the record of its publishing tell of it.

    manifest: as JSON; empty where the repository cannot be read. digest: of the manifest's file.
    """

    name: str
    version: str
    manifest: Mapping[str, Any]
    digest: str | None
    channels: Mapping[str, str]
    record: Mapping[str, Any]

    @property
    def lineage(self) -> Mapping[str, Any]:
        return self.manifest.get("lineage") or self.record.get("lineage") or {}

    @property
    def sha256(self) -> str | None:
        """Of the file that devices run."""
        return (self.manifest.get("model") or {}).get("sha256") or self.record.get("sha256")

    @property
    def ids(self) -> tuple[str | None, ...]:
        """All by which it is found."""
        title = f"{self.name} {self.version}", f"{self.name}/{self.version}", self.version
        return (*title, self.digest, self.sha256, self.record.get("run_id"))


def find_releases(records: Records, asked: str) -> Iterator[Match]:
    """Releases with that version, NAME VERSION, or digest of a file."""
    for release in releases(records):
        if (whole := fits(asked, *release.ids)) is not None:
            title = f"{release.name}/{release.version}"
            what = f"release in {', '.join(release.channels) or 'no channel'}"
            opened = partial(release_node, records, release)
            yield Match("release", title, what, whole, opened)


def find_devices(records: Records, asked: str) -> Iterator[Match]:
    """Devices with that id, also ones of this home that have not reported."""
    for row in records.rows(DEVICES, DEVICES.c.device == asked):
        what = f"{row['model'] or 'no model'} {row['version'] or ''}, last seen"
        what = f"{what} {row['last_seen']:%Y-%m-%d %H:%M} UTC"
        yield Match("device", asked, what, True, partial(_device_node, records, row))
        return
    for folder in sorted(records.home.glob("*/device-id")):
        if folder.read_text("utf-8").strip() == asked:
            home = folder.parent
            what = f"its home is {home}; it has not reported"
            yield Match("device", asked, what, True, partial(_local_node, records, asked, home))


def find_models(records: Records, asked: str) -> Iterator[Match]:
    """Networks with that name, digest or training run."""
    for model in detectors(records):
        if (whole := fits(asked, *model.ids)) is not None:
            what = f"detector {model.name}"
            yield Match("model", model.id, what, whole, partial(model_node, records, model))


def releases(records: Records) -> list[Release]:
    """All that was ever published, as far as the repository or the records know of it."""
    known = {(r["name"], r["version"]): r for r in recorded(records.home, "release")}
    listed: dict[tuple[str, str], dict[str, str]] = {}
    manifests: dict[tuple[str, str], Manifest] = {}
    try:
        repository = Place(records.settings.releases_url, records.settings.release_keys).open()
        for channel in CHANNELS:
            for one in repository.releases(channel):
                state = f"withdrawn: {one.withdrawn}" if one.withdrawn else f"share {one.share:g}"
                listed.setdefault(one.release, {})[channel] = state
        for key in listed:
            manifests[key] = repository.manifest(*key)
    except PublisherError as error:
        records.faults.append(str(error))
    return [
        _release(key, manifests.get(key), listed.get(key, {}), known.get(key, {}))
        for key in dict.fromkeys([*listed, *known])
    ]


def release_node(records: Records, release: Release) -> Node:
    """A release, all that made it, and who runs it."""
    manifest, lineage = release.manifest, release.lineage
    facts = {
        "channels": dict(release.channels),
        "published at": lineage.get("published_at"),
        "variant": (manifest.get("model") or release.record).get("variant"),
        "sha256": release.sha256,
        "manifest": release.digest,
    }
    return Node(
        "release",
        f"{release.name} {release.version}",
        facts,
        tuple(_made_by(records, release)),
        _devices_of(records, DEVICES.c.sha256 == release.sha256),
    )


def model_node(records: Records, model: Model) -> Node:
    """A network with the releases that were made of it."""
    made = [r for r in releases(records) if r.lineage.get("source_sha256") == model.id]
    shas = [r.sha256 for r in made]
    also = {"releases": [f"{r.name} {r.version}" for r in made]}
    return model.node({**also, **_devices_of(records, DEVICES.c.sha256.in_(shas))})


def _release(
    key: tuple[str, str],
    manifest: Manifest | None,
    channels: Mapping[str, str],
    record: Mapping[str, Any],
) -> Release:
    if manifest is None:
        return Release(*key, {}, None, channels, record)
    return _of_json(manifest.to_json(), channels, record)


def _of_json(content: bytes, channels: Mapping[str, str], record: Mapping[str, Any]) -> Release:
    plain = json.loads(content)
    digest = hashlib.sha256(content).hexdigest()
    return Release(plain["name"], plain["version"], plain, digest, channels, record)


def _made_by(records: Records, release: Release) -> Iterator[Node]:
    source = release.lineage.get("source_sha256")
    known = {model.id: model for model in detectors(records)}
    if source is None:
        yield unknown("model", "neither the repository nor a record of the publishing is here")
    elif source in known:
        yield known[source].node()
    else:
        yield _stranger(release, source).node()
    if measured := release.lineage.get("data_sha256"):
        images = ((release.manifest.get("measured") or {}).get("accuracy") or {}).get("images")
        yield Node("evaluation data", measured, {"images": images})
    else:
        yield unknown("evaluation data", "it was measured on no labelled images")
    if run_id := release.record.get("run_id"):
        facts = {"flow": "publish-detector", "recorded at": release.record.get("recorded_at")}
        yield Node("publishing run", run_id, facts)
    else:
        yield unknown("publishing run", EARLIER)
    if code := release.lineage.get("code_version"):
        yield Node("code", code)


def _stranger(release: Release, source: str) -> Model:
    """The network of a release that is not here: what the manifest or the record says of it."""
    told = (release.manifest.get("measured") or {}).get("training")
    card = release.record.get("card") or told or {}
    name = str(card.get("name") or release.record.get("source") or source)
    return Model("detector", source, name, frozenset((source,)), card)


def _device_node(records: Records, row: Row) -> Node:
    count, lost = records.one(
        DEVICE_TELEMETRY,
        sa.func.count(),
        sa.func.max(DEVICE_TELEMETRY.c.lost),
        where=DEVICE_TELEMETRY.c.device == row["device"],
    )
    facts = {
        "health": row["health"],
        "reason": row["reason"] or None,
        "last seen": row["last_seen"].isoformat(),
        "runtime": row["runtime"],
        "records": count,
        "records lost": lost,
    }
    return Node("device", row["device"], facts, (_running(records, row),))


def _running(records: Records, row: Row) -> Node:
    if row["sha256"] is None:
        return unknown("release", "the device runs no model")
    title = f"{row['model']} {row['version']}"
    for release in releases(records):
        if release.sha256 == row["sha256"]:
            return release_node(records, release)
    why = f"no release here has the file that it runs, {row['sha256']}"
    return Node("release", None, {"said to be": title}, why=why)


def _local_node(records: Records, device: str, home: Path) -> Node:
    slots = sorted((home / "slots").glob("*/manifest.json"), key=lambda file: file.stat().st_mtime)
    facts = {"home": str(home), "health": "it has not reported"}
    known = {(one.name, one.version): one for one in releases(records)}
    made = []
    for file in reversed(slots):
        content = read_object(file) or {}
        here = known.get((str(content.get("name")), str(content.get("version"))))
        if here is None and not {"name", "version"} <= content.keys():
            records.faults.append(f"{file} is damaged: triptych doctor looks at all files")
            continue
        made.append(release_node(records, here or _of_json(file.read_bytes(), {}, {})))
    if not made:
        made.append(unknown("release", "the device has none"))
    return Node("device", device, facts, tuple(made))


def _devices_of(records: Records, where: sa.ColumnElement[bool]) -> dict[str, Any]:
    """How many devices run something, by health, and some of them."""
    rows = records.rows(DEVICES, where, order=(DEVICES.c.last_seen.desc(),), limit=10_000)
    health: dict[str, int] = {}
    for row in rows:
        health[row["health"] or "not judged"] = health.get(row["health"] or "not judged", 0) + 1
    newest = [f"{row['device']}: {row['last_seen'].isoformat()}" for row in rows[:3]]
    return {"devices": len(rows), "by health": health, "newest": newest}

"""What `trace` will ask for one day, written down where models are made and used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefect.runtime

from services.storage.files import file_digest
from tasks.operations.lineage.model_records import read_object, remember

if TYPE_CHECKING:
    from services.fraud.training.free_table import TableSpec
    from services.fraud.training.training_folder import SimulationSpec
    from tasks.sentiment.run.scoring_run import ScoringRun
    from tasks.sentiment.scoring.model import ModelFolder


def remember_scorer(run: ScoringRun, model: ModelFolder) -> None:
    """The model of a night: its folder may hold another one some day, and rows name this one."""
    remember(
        run.folder.home,
        "sentiment",
        model.digest,
        again=False,
        name=model.name,
        folder=model.path,
        revision=run.request.model_revision,
        card=read_object(model.path / "card.json"),
        first_used_by=run.run_id,
    )


def remember_sentiment(home: Path, folder: Path, card: Mapping[str, Any], data: Path) -> None:
    """A sentiment model that was trained here."""
    remember(
        home,
        "sentiment",
        card["digest"],
        name=folder.name,
        folder=folder,
        card=card,
        data=data.resolve(),
        **_run("train-sentiment"),
    )


def remember_fraud(
    home: Path, tag: str, folder: Path, source: Path | SimulationSpec | TableSpec
) -> str:
    """A fraud model that was trained here, from its folder outside the store; returns the tag."""
    data = source if isinstance(source, Path) else {type(source).__name__: asdict(source)}
    _remember_fraud(home, tag, folder, data=data, **_run("train-fraud"))
    return tag


def remember_registered(
    home: Path, tag: str, folder: Path, file: Path, evaluated_on: Path | None
) -> str:
    """A network from elsewhere that was made a fraud model; returns the tag."""
    _remember_fraud(
        home,
        tag,
        folder,
        registered_from=file,
        source_sha256=file_digest(file) if file.is_file() else None,
        evaluated_on=evaluated_on,
        **_run("register-fraud"),
    )
    return tag


def remember_detector(
    home: Path, file: Path, card: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    """A detector that was trained here; file: its network."""
    remember(
        home,
        "detector",
        file_digest(file),
        name=card["name"],
        folder=file.parent,
        card=card,
        data=card["data"],
        asked=asked,
        **_run("train-detector"),
    )


def remember_release(
    home: Path, manifest: Any, source: Path, card: Mapping[str, Any], channel: str
) -> None:
    """A release that was published; manifest: the device's."""
    remember(
        home,
        "release",
        f"{manifest.name}-{manifest.version}",
        name=manifest.name,
        version=manifest.version,
        variant=manifest.model.variant,
        sha256=manifest.model.sha256,
        lineage=asdict(manifest.lineage),
        source=source,
        channel=channel,
        card=card or None,
        **_run("publish-detector"),
    )


def _remember_fraud(home: Path, tag: str, folder: Path, **facts: Any) -> None:
    files = {file.name: file_digest(file) for file in sorted(folder.iterdir()) if file.is_file()}
    card = read_object(folder / "card.json")
    remember(home, "fraud", tag.rpartition(":")[2], tag=tag, card=card, sha256=files, **facts)


def _run(flow: str) -> dict[str, Any]:
    return {"flow": flow, "run_id": prefect.runtime.flow_run.id}

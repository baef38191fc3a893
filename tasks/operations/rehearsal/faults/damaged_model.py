"""Models that were truncated are asked for: each is refused by name, and what was good goes on."""

import os
import re
import shutil
from pathlib import Path

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken, NothingToBreak
from tasks.operations.rehearsal.faults.night import make_night
from tasks.operations.rehearsal.process import Process
from tasks.operations.rehearsal.stage import Stage

DONE = "a sentiment model and a fraud model are cut in half, then asked for"


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken; NothingToBreak: there is no champion."""
    from services.fraud.scoring.registry import Registry

    refused = _sentiment(stage)
    champion = Registry(stage.home).read().champion
    if champion is None:
        raise NothingToBreak(f"{refused} was refused; no fraud model; type: triptych train-fraud")
    _fraud(stage, champion)
    return f"both were refused by name; {champion} goes on answering"


def _sentiment(stage: Stage) -> str:
    from tasks.sentiment.scoring.model import BUNDLED

    model = shutil.copytree(next(BUNDLED.glob("*/config.json")).parent, stage.folder / "half-model")
    _halve(model / "model.safetensors")
    night = make_night(stage.home, stage.folder, "rehearsal-model")
    words = [*night.words, "--model", str(model)]
    _check_refused(*process.done(words, stage.environment()), name=model.name)
    if night.rows() or night.status() == "finished":
        raise Broken("rows were scored with a model that is cut in half")
    return "the sentiment model"


def _fraud(stage: Stage, champion: str) -> None:
    from services.fraud.errors import ModelError
    from services.fraud.scoring.model_check import check
    from services.fraud.scoring.models import Models
    from services.fraud.scoring.registry import Registry
    from services.fraud.scoring.store import store_folder

    name, _, version = champion.partition(":")
    models = store_folder(stage.home) / "models" / name
    half = shutil.copytree(models / version, models / f"{version}-half")
    told = half / "model.yaml"  # or BentoML would take it for the champion
    told.write_text(re.sub(r"(?m)^version: .*$", f"version: {half.name}", told.read_text("utf-8")))
    _halve(half / "model.tflite")
    words = ["flows.manage_models", "--promote", f"{name}:{half.name}"]
    _check_refused(*process.done(words, stage.environment()), name=half.name)
    standing = Registry(stage.home).read()
    if standing.champion != champion:
        raise Broken(f"{standing.champion} has become champion")
    try:
        check(champion, Models(stage.home))
    except ModelError as error:
        raise Broken(f"the champion answers no more: {error}") from error


def _check_refused(status: int, command: Process, name: str) -> None:
    """Raises: Broken: it was taken, or refused in words that name it not."""
    if status == 0:
        raise Broken(f"{name} was taken although it is cut in half")
    if "Traceback" in command.said() or name not in command.last_line():
        raise Broken(f"{name} was refused without its name: {command.last_line()}")


def _halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)

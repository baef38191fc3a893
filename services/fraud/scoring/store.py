"""Models as BentoML keeps them: folders by tag, with their metadata, and no pickle.

The store lies at BENTOML_HOME if that is set, else in the home folder. Versions are the instant
of saving, so that they sort by time. A folder is handed out only if its files are those that
were saved: one whose writer was killed half-way is none.
"""

import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.fraud.errors import ModelError
from services.storage.files import file_digest, sync_folder, write_bytes
from services.storage.locks import held

MODEL = "fraud_detector"
CARD = "card.json"
FILES = ("model.keras", "model.tflite", CARD)
ABOUT = "model.yaml"  # BentoML's: labels, the instant of saving, and the digests of the others
_TAG = re.compile(rf"{MODEL}:[a-z0-9][a-z0-9._-]*")


def save(folder: Path, home: Path, labels: Mapping[str, str] | None = None) -> str:
    """Copy a model folder into the store; returns its tag, `fraud_detector:version`.

    Raises: ModelError: a file is missing, or the store cannot be written.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ModelError(f"{folder} is no model: no {', '.join(missing)}")
    bentoml, store = _open(home)
    metadata = {"sha256": digests(folder)}
    try:
        with bentoml.models.create(
            # The instant to the microsecond, at which two processes hardly meet.
            f"{MODEL}:{datetime.now(UTC):%Y%m%d-%H%M%S-%f}",
            labels={"framework": "keras", "runtime": "litert", **(labels or {})},
            metadata=metadata,
            _model_store=store,
        ) as model:
            for name in FILES:
                shutil.copyfile(folder / name, model.path_of(name))
    except (OSError, bentoml.exceptions.BentoMLException) as error:
        raise ModelError(f"the model store in {store_folder(home)}: {error}") from error
    return str(model.tag)


def folder(tag: str, home: Path) -> Path:
    """The files of a model; checked against their digests.

    Raises: ModelError: no such model, or a damaged one; names those there are.
    """
    _, store = _open(home)
    check_tag(tag)
    listed = tags(home)
    if tag not in listed:  # asked of BentoML, the beginning of a version would do
        known = ", ".join(listed[:5]) or "none"
        raise ModelError(f"no model {tag} in {store_folder(home)}; newest there: {known}")
    try:
        model = store.get(tag)
        found, metadata = Path(model.path), model.info.metadata
    except Exception as error:  # BentoML raises whatever its readers do, also over many lines
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"model {tag} cannot be opened: {reason}") from error
    if not _is_whole(found, metadata):
        raise ModelError(f"model {tag} in {found} is damaged: its files are not those saved")
    return found


def put(tag: str, home: Path, files: Mapping[str, bytes]) -> None:
    """Put the files of a model that was saved elsewhere into the store: whole, or not at all.

    What lies there under its tag goes. Of several processes one does it.

    Raises: ModelError: the store cannot be written.
    """
    target, aside = place(tag, home), store_folder(home) / "incoming"  # of the same disk
    try:
        with held(store_folder(home) / "incoming.lock"):
            if fault(tag, home) is None:
                return
            for folder in (aside, target):
                shutil.rmtree(folder, ignore_errors=True)
            for name, content in files.items():
                write_bytes(aside / name, content)
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(target)
            sync_folder(target.parent)
    except OSError as error:
        raise ModelError(
            f"the model store in {store_folder(home)}: {error.strerror or error}"
        ) from error


def check_tag(tag: str) -> None:
    """Raises: ModelError: this is no tag of a fraud model."""
    if not _TAG.fullmatch(tag):
        raise ModelError(f"{tag} is no tag of a fraud model, such as {MODEL}:VERSION")


def content(tag: str, home: Path) -> dict[str, bytes]:
    """All files of a model that is in the store, for `put` elsewhere. Raises: OSError."""
    kept = place(tag, home)
    return {name: (kept / name).read_bytes() for name in (*FILES, ABOUT)}


def place(tag: str, home: Path) -> Path:
    """Where the files of a model lie, or would; `folder` looks whether they are whole."""
    return store_folder(home) / "models" / tag.replace(":", "/")


def fault(tag: str, home: Path) -> str | None:
    """What is wrong with a model's files, told without BentoML; None: they are those saved."""
    import yaml  # BentoML brings it

    kept = place(tag, home)
    if missing := [name for name in FILES if not (kept / name).is_file()]:
        return f"{kept} lacks {', '.join(missing)}"
    try:
        told = yaml.safe_load((kept / ABOUT).read_text("utf-8"))
        saved = dict(told["metadata"]["sha256"])
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{kept / ABOUT} is damaged: {str(error).splitlines()[0]}"
    others = [name for name, digest in digests(kept).items() if saved.get(name) != digest]
    return f"{', '.join(others)} in {kept} is not what was saved" if others else None


def tags(home: Path) -> list[str]:
    """All models in the store, newest first."""
    versions = store_folder(home) / "models" / MODEL
    if not versions.is_dir():
        return []
    whole = (f.name for f in versions.iterdir() if all((f / name).is_file() for name in FILES))
    return [f"{MODEL}:{name}" for name in sorted(whole, reverse=True)]


def store_folder(home: Path) -> Path:
    """Where the store lies."""
    return Path(os.environ.get("BENTOML_HOME") or home / "bentoml").expanduser()


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file of a model folder."""
    return {name: file_digest(folder / name) for name in FILES}


def _open(home: Path) -> tuple[Any, Any]:
    """BentoML, which is loaded here and not before, and the store of this home.

    The store is named to each call: BentoML itself finds one, at its first use, for the whole
    process.
    """
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # it would report usage to its makers
    import bentoml
    from bentoml._internal.models import ModelStore

    path = store_folder(home) / "models"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror}") from error
    return bentoml, ModelStore(path)


def _is_whole(path: Path, metadata: Mapping[str, Any]) -> bool:
    digests = metadata.get("sha256", {})
    return set(digests) == set(FILES) and all(
        (path / name).is_file() and file_digest(path / name) == digest
        for name, digest in digests.items()
    )

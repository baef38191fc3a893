"""Old fraud models that play no role, and old reports."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from services.fraud.errors import ModelError
from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from services.storage.locks import held
from tasks.operations.retention.kind import Found, Gone, Place, size_of

REPORTS = ("sentiment/reports", "fraud/reports", "fleet/reports")


def old_models(place: Place) -> Found:
    """Models that are neither champion nor shadow, nor were champion; the newest ones stay.

    Raises: ModelError: the registry is damaged: what plays a role is not known.
    """
    versions = store.store_folder(place.home) / "models" / store.MODEL
    tags = store.tags(place.home)

    def old(place: Place) -> list[str]:
        standing = Registry(place.home).read()
        roles = {standing.champion, standing.shadow, *standing.previous}
        until = place.before(place.rules.models_days).timestamp()
        return [
            tag
            for tag in tags[place.rules.models_keep :]
            if tag not in roles
            and _folder(versions, tag).stat().st_mtime < until
            and not place.holds.has_model(tag)
            and not place.holds.has_digest_in(_texts(_folder(versions, tag)))
        ]

    aside = store.store_folder(place.home) / "pruned"  # of the same disk, and no model's place

    def delete() -> Gone:
        if not goes and not aside.exists():
            return Gone()
        shutil.rmtree(aside, ignore_errors=True)  # what a killed prune has left
        aside.mkdir(parents=True, exist_ok=True)
        with held(place.home / "fraud" / "registry.lock"):  # nobody is given a role meanwhile
            gone = old(place.now_held())
            for tag in gone:
                _folder(versions, tag).rename(aside / _folder(versions, tag).name)
        freed = size_of([aside])
        shutil.rmtree(aside, ignore_errors=True)
        return Gone(len(gone), freed)

    goes = old(place)
    freed = size_of([_folder(versions, tag) for tag in goes])
    return Found("models", len(tags), len(goes), freed, delete)


def old_reports(place: Place) -> Found:
    """Reports by the day that they were written on; the newest of each panel stay."""
    until = place.before(place.rules.reports_days)
    there, old = 0, []
    for name in REPORTS:
        files = sorted((place.home / name).glob("*.html"), key=_written)
        there += len(files)
        old += [
            file
            for file in files[: -place.rules.reports_keep]
            if datetime.fromtimestamp(_written(file), UTC) < until and not _is_held(place, file)
        ]

    def delete() -> Gone:
        count = freed = 0
        for file in old:
            if not _is_held(place.now_held(), file):
                freed += size_of([file])
                file.unlink(missing_ok=True)
                count += 1
        return Gone(count, freed)

    return Found("reports", there, len(old), size_of(old), delete)


def _is_held(place: Place, report: Path) -> bool:
    """A night's report begins with its date."""
    return any(report.name.startswith(night) for night in place.holds.of("night"))


def _written(file: Path) -> float:
    return file.stat().st_mtime


def _folder(versions: Path, tag: str) -> Path:
    return versions / tag.partition(":")[2]


def _texts(folder: Path) -> Iterator[str]:
    """Where digests of a model and of its data stand; read only if one is asked for."""
    try:
        for name in ("model.yaml", "card.json"):
            yield (folder / name).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} cannot be read, and no model is deleted: {error}") from error

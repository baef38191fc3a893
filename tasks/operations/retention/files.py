"""Old fraud models that play no role, and old reports."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from services.fraud.errors import ModelError
from services.fraud.model_storage.model_rows import Kept
from services.fraud.scoring import store
from services.fraud.scoring.models import Models
from tasks.operations.retention.kind import Found, Gone, Place, size_of

REPORTS = ("sentiment/reports", "fraud/reports", "fleet/reports")


def old_models(place: Place) -> Found:
    """Models that are neither champion nor shadow, nor were champion; the newest ones stay.

    Raises: ModelError: the registry is damaged, or out of reach: what plays a role is not known.
    """
    models = place.models
    registry = models.registry()

    def old(place: Place) -> list[str]:
        roles, until = registry.read().named, place.before(place.rules.models_days)
        shared = models.shared()
        return [
            tag
            for tag in models.tags()[place.rules.models_keep :]
            if tag not in roles
            and _saved_at(tag, models, shared) < until
            and not place.holds.has_model(tag)
            and not place.holds.has_digest_in(_texts(models, tag))
        ]

    aside = store.store_folder(place.home) / "pruned"  # of the same disk, and no model's place

    def delete() -> Gone:
        if not goes and not aside.exists():
            return Gone()
        shutil.rmtree(aside, ignore_errors=True)  # what a killed prune has left
        aside.mkdir(parents=True, exist_ok=True)
        with registry.storage.changes():  # nobody is given a role meanwhile
            gone = old(place.now_held())
            freed = size(gone)
            models.delete_shared(gone)
            for tag in gone:
                if _folder(models, tag).exists():
                    _folder(models, tag).rename(aside / _folder(models, tag).name)
        shutil.rmtree(aside, ignore_errors=True)
        return Gone(len(gone), freed)

    def size(tags: list[str]) -> int:
        in_database = sum(kept.size for tag, kept in models.shared().items() if tag in tags)
        return in_database + size_of([_folder(models, tag) for tag in tags])

    goes = old(place)
    return Found("models", len(models.tags()), len(goes), size(goes), delete)


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
            if _written_at(file) < until and not _is_held(place, file)
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


def _written_at(file: Path) -> datetime:
    return datetime.fromtimestamp(_written(file), UTC)


def _saved_at(tag: str, models: Models, shared: Mapping[str, Kept]) -> datetime:
    return shared[tag].saved_at if tag in shared else _written_at(_folder(models, tag))


def _folder(models: Models, tag: str) -> Path:
    return store.place(tag, models.home)


def _texts(models: Models, tag: str) -> Iterator[str]:
    """Where digests of a model and of its data stand; read only if one is asked for."""
    try:
        for name in (store.ABOUT, store.CARD):
            yield models.read(tag, name).decode()
    except (OSError, ValueError) as error:
        folder = _folder(models, tag)
        raise ModelError(f"{folder} cannot be read, and no model is deleted: {error}") from error

"""The real-time panel: the registry, the models that have a role, and the snapshot of the state."""

from collections.abc import Iterator
from pathlib import Path

from services.fraud.errors import FraudError, ModelError, ModelsNotShared, ModelsUnavailable
from services.fraud.scoring.models import Models
from services.fraud.state.snapshot import read_pointer
from services.storage.files import file_digest
from tasks.operations.doctor.check import Check, absent, fault, ok

TRAIN = "triptych train-fraud"
_SERVICE = "the service may answer from memory alone, and a new process finds no model"


def check_models(models: Models) -> Iterator[Check]:
    """Champion, shadow, and the champion to go back to: their files, cards and known answers."""
    try:
        standing = models.registry().read()
    except ModelError as error:
        yield fault("fraud model", str(error), _SERVICE, _cure(error, models))
        return
    if standing.champion is None:
        yield absent("fraud model", f"no champion; type: {TRAIN}")
        return
    roles = {"champion": standing.champion, "shadow": standing.shadow}
    roles["champion before"] = next(iter(standing.previous), None)
    able = _able(models, standing.previous)
    for role, tag in roles.items():
        if tag is not None:
            yield _check_model(role, tag, models, able)


def _cure(error: ModelError, models: Models) -> str:
    """What helps where the registry cannot be read."""
    if isinstance(error, ModelsNotShared):
        return "triptych manage-models --share"
    if isinstance(error, ModelsUnavailable):
        return "start the database, or correct TRIPTYCH_FRAUD_STATE_URL; then triptych doctor"
    return f"triptych manage-models --promote {next(iter(models.tags()), 'TAG')}"


def _able(models: Models, tags: tuple[str, ...]) -> str | None:
    """The newest of these models whose files are whole."""
    return next((tag for tag in tags if models.fault(tag) is None), None)


def _check_model(role: str, tag: str, models: Models, able: str | None) -> Check:
    wrong, answers = _wrong(tag, models)
    if wrong is None:
        return ok("fraud model", f"{role} {tag}: its digests, and {answers} known answers")
    restore = f"bring it back from a back-up: tar -xpf BACKUP.tar -C {models.home}"
    if role == "champion":
        other = f"triptych manage-models --promote {able}" if able else TRAIN
        return fault(
            "fraud model", f"the champion {tag}: {wrong}", _SERVICE, f"{other}; or {restore}"
        )
    if role == "shadow":
        meaning = "nobody scores along; answers are as they were"
        end = "triptych manage-models --end-shadow"
        return fault("fraud model", f"the shadow {tag}: {wrong}", meaning, f"{end}; or {restore}")
    meaning = "triptych rollback model would be refused"
    return fault("fraud model", f"the champion before, {tag}: {wrong}", meaning, restore)


def _wrong(tag: str, models: Models) -> tuple[str | None, int]:
    """What is wrong with a model, and how many known answers it gave."""
    from services.modelling.keras import quiet

    try:
        with models.files_of(tag) as folder, quiet():  # LiteRT has a logger of its own
            from services.fraud.scoring.scorer import FraudScorer

            return None, len(FraudScorer(folder, tag).card.golden)
    except FraudError as error:
        return str(error), 0
    except ImportError as error:
        return f"it cannot be opened here: extra serve is not installed (no {error.name})", 0


def check_snapshot(home: Path) -> Iterator[Check]:
    """The snapshot that the service starts its state from."""
    meaning = "a service that starts has no history, and answers as degraded"
    again = "triptych audit-fraud writes a new one"
    try:
        pointer = read_pointer(home)
    except FraudError as error:
        yield fault("snapshot", str(error), meaning, again)
        return
    if pointer is None:
        yield absent("snapshot", f"none; {again}")
        return
    try:
        digest = file_digest(pointer.file)
    except OSError as error:
        yield fault("snapshot", f"{pointer.file}: {error.strerror}", meaning, again)
        return
    if digest != pointer.digest:
        yield fault("snapshot", f"{pointer.file} is not what was written", meaning, again)
    else:
        yield ok("snapshot", f"{pointer.file.name}: {pointer.rows:,} transactions, its digest")

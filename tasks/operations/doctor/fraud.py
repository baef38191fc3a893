"""The real-time panel: the registry, the models that have a role, and the snapshot of the state."""

from collections.abc import Iterator
from pathlib import Path

from services.fraud.errors import FraudError, ModelError
from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from services.fraud.state.snapshot import read_pointer
from services.storage.files import file_digest
from tasks.operations.doctor.check import Check, absent, fault, ok

TRAIN = "triptych train-fraud"
_SERVICE = "the service may answer from memory alone, and a new process finds no model"


def check_models(home: Path) -> Iterator[Check]:
    """Champion, shadow, and the champion to go back to: their files, cards and known answers."""
    try:
        standing = Registry(home).read()
    except ModelError as error:
        newest = next(iter(store.tags(home)), "TAG")
        yield fault(
            "fraud model", str(error), _SERVICE, f"triptych manage-models --promote {newest}"
        )
        return
    if standing.champion is None:
        yield absent("fraud model", f"no champion; type: {TRAIN}")
        return
    roles = {"champion": standing.champion, "shadow": standing.shadow}
    roles["champion before"] = next(iter(standing.previous), None)
    able = _able(home, standing.previous)
    for role, tag in roles.items():
        if tag is not None:
            yield _check_model(role, tag, home, able)


def _able(home: Path, tags: tuple[str, ...]) -> str | None:
    """The newest of these models whose files are whole."""
    return next((tag for tag in tags if store.fault(tag, home) is None), None)


def _check_model(role: str, tag: str, home: Path, able: str | None) -> Check:
    wrong, answers = _wrong(tag, home)
    if wrong is None:
        return ok("fraud model", f"{role} {tag}: its digests, and {answers} known answers")
    restore = f"bring it back from a back-up: tar -xpf BACKUP.tar -C {home}"
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


def _wrong(tag: str, home: Path) -> tuple[str | None, int]:
    """What is wrong with a model, and how many known answers it gave."""
    from services.modelling.keras import quiet

    if (told := store.fault(tag, home)) is not None:
        return told, 0
    try:
        with quiet():  # LiteRT has a logger of its own
            from services.fraud.scoring.scorer import FraudScorer

            return None, len(FraudScorer(store.place(tag, home), tag).card.golden)
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

"""The fraud model that answers: the champion before becomes champion again."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from services.fraud.scoring.registry import Registry
from tasks.settings import Settings


def rollback_model(
    settings: Settings, to: str | None, *, override_block: bool, new_contract: bool, dry: bool
) -> list[str]:
    """Make the champion before, or the model of a tag, champion.

    A champion of before may come back although promotion is blocked, and no other may.

    Raises:
        FraudError: there is no such model, it cannot answer, reads other features than the
            champion, or promotion is blocked.
    """
    from services.fraud.scoring import model_check, store

    home = settings.home
    tag = None if to is None else to if ":" in to else f"{store.MODEL}:{to}"

    def change(registry: Registry) -> str | None:
        standing = registry.read()
        if tag is None:
            return registry.rollback(new_contract=new_contract)
        registry.promote(
            tag,
            f"rolled back from {standing.champion}",
            override_block=override_block or tag in standing.previous,
            new_contract=new_contract,
        )
        return tag

    real = model_check.checked_registry(home)
    before = real.read().champion
    after = _on_a_copy(real.file.parent, home, change) if dry else change(real)
    if after == before:
        return [f"champion: {after}, as before"]
    return [f"champion {'would be' if dry else 'is now'} {after}, instead of {before}"]


def _on_a_copy(folder: Path, home: Path, change: Callable[[Registry], str | None]) -> str | None:
    """The change on a copy of the registry, which refuses what the registry would refuse."""
    from services.fraud.scoring import model_check

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "fraud"
        copy.mkdir()
        for file in folder.glob("*.json"):
            shutil.copy2(file, copy)
        return change(Registry(Path(scratch), check=lambda tag: model_check.check(tag, home).names))

"""The fraud model that answers: the champion before becomes champion again."""

from services.fraud.model_storage.registry_storage import RegistryCopy
from services.fraud.scoring.models import Models
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

    models = Models(settings.home, settings.fraud_state_url)
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

    real = model_check.checked_registry(models)
    before = real.read().champion
    after = change(_copy(real, models) if dry else real)
    if after == before:
        return [f"champion: {after}, as before"]
    return [f"champion {'would be' if dry else 'is now'} {after}, instead of {before}"]


def _copy(registry: Registry, models: Models) -> Registry:
    """A registry in memory, which refuses what the real one would refuse."""
    from services.fraud.scoring import model_check

    storage = RegistryCopy(registry.storage)
    return Registry(storage, check=lambda tag: model_check.check(tag, models).names)

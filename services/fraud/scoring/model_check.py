"""Whether a model can answer: it is in the store, whole, and right about its card's transactions.

It is opened as the service opens it, so that what passes here answers there.
"""

from services.fraud.errors import ModelError
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring.card import Card
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from services.modelling.keras import quiet


def check(tag: str, models: Models) -> Card:
    """The card of a model that can answer.

    Raises: ModelError: it is not in the store, damaged, or answers otherwise than its card says.
    """
    from services.fraud.scoring.scorer import FraudScorer

    try:
        with quiet():  # BentoML and LiteRT have loggers of their own
            return FraudScorer(models.folder(tag), tag).card
    except OSError as error:
        raise ModelError(f"model {tag} cannot be read: {error.strerror}") from error


def checked_registry(models: Models) -> Registry:
    """A registry in which only models that can answer get a role."""
    return models.registry(check=lambda tag: check(tag, models).names)


def faults(standing: Standing, models: Models) -> list[str]:
    """What is wrong with the models that have a role, and with the one to go back to."""
    asked = {
        "the champion": standing.champion,
        "the shadow": standing.shadow,
        "the champion before": next(iter(standing.previous), None),
    }
    found = []
    for role, tag in asked.items():
        if tag is not None:
            try:
                check(tag, models)
            except ModelError as error:
                found.append(f"{role} {tag} cannot answer: {error}")
    return found

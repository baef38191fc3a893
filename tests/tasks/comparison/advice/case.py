"""A need of which nothing is special, and the same with differences."""

from typing import Any

from tasks.comparison.advice.checks import Case
from tasks.comparison.advice.need import Requirements
from tasks.comparison.pricing.figures import Figures
from tasks.comparison.pricing.sheet import default_sheet


def need(**given: Any) -> Requirements:
    """Nobody waits, and everything is allowed; durations in seconds."""
    usual: dict[str, Any] = {"name": "a need", "waiting": "nobody", "volume_per_day": 100_000}
    return Requirements.model_validate(usual).model_copy(update=given)


def case(known: Figures | None = None, **given: Any) -> Case:
    sheet = default_sheet()
    return Case(need(**given), sheet.typical(), sheet.currency, known)

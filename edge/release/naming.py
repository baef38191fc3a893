"""Names of models: they become folders, and parts of releases' addresses."""

import re

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # as a device's manifest has it
RIGHT_NAME = "a-z, 0-9, _ and -, at most 64, no sign first"


def is_name(text: str) -> bool:
    """Whether a model may be called so."""
    return re.fullmatch(NAME, text) is not None and not text.endswith("\n")


def fitting_name(text: str, otherwise: str = "detector") -> str:
    """The nearest name to a text; `otherwise` where nothing of it can stay."""
    slug = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:64]
    return slug or otherwise

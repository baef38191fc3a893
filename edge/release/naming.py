"""Names of models, as a publisher finds them."""

import re

from edge_detector.contract.names import MODEL_NAME

NAME = f"^{MODEL_NAME.pattern}$"  # for the form of a parameter


def fitting_name(text: str) -> str:
    """The nearest name to a text; "detector" where nothing of it can stay."""
    slug = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:64]
    return slug or "detector"

"""A trained detector's card: what it is, what it was trained on, how good it is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MODEL_FILE, LABELS_FILE, CARD_FILE = "model.keras", "labels.txt", "card.json"


@dataclass(frozen=True)
class Card:
    """Travels with the model.

    map_50, map_50_95, per_label: average precision on images that were not trained on, or None
    if there were none; thresholds: the scores with the best balance of precision and recall, for
    labels with objects enough to tell.
    """

    name: str
    labels: tuple[str, ...]
    height: int  # px, of the input
    width: int
    weights: int
    data: str  # for people
    data_digest: str
    train_images: int
    steps: int
    recipe: Mapping[str, object]
    val_images: int
    map_50: float | None
    map_50_95: float | None
    per_label: Mapping[str, float]
    thresholds: Mapping[str, float]
    trained_at: str  # ISO 8601, UTC
    code_version: str

    def write(self, folder: Path) -> None:
        """Write it, and the labels, beside the model."""
        text = json.dumps(asdict(self), indent=2)
        (folder / CARD_FILE).write_text(f"{text}\n", "utf-8")
        (folder / LABELS_FILE).write_text("".join(f"{label}\n" for label in self.labels), "utf-8")

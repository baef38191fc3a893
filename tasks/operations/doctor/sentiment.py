"""Sentiment models, bundled and trained here: their digests, and texts with known answers."""

import json
from collections.abc import Iterator
from pathlib import Path

from tasks.operations.doctor.check import Check, fault, ok


def check_models(home: Path) -> Iterator[Check]:
    """The bundled models and those trained here: their digests, and texts with known answers."""
    from tasks.sentiment.scoring.model import BUNDLED

    for folder in sorted(file.parent for file in BUNDLED.glob("*/config.json")):
        yield check_model(folder, "git checkout tasks/sentiment/models, or install this again")
    for folder in sorted(file.parent for file in (home / "models").glob("*/config.json")):
        yield check_model(
            folder,
            f"bring it back from a back-up, or triptych train-sentiment --output {folder}"
            " --data DATA",
        )


def check_model(folder: Path, cure: str) -> Check:
    """One model: its files against the digest of its card, then the known texts."""
    from tasks.sentiment.errors import SentimentError
    from tasks.sentiment.scoring.golden import check_golden, golden_texts
    from tasks.sentiment.scoring.model import find_model
    from tasks.sentiment.scoring.scorer import Scorer

    about, meaning = "sentiment model", f"nights that are scored with {folder.name} fail"
    try:
        model = find_model(str(folder), cache=folder)
        expected = _digest_of_card(folder)
        if expected is not None and expected != model.digest:
            told = f"{folder}: its files are not those of its card (sha256 {model.digest[:12]}…)"
            return fault(about, told, meaning, cure)
        check_golden(Scorer(model), texts := golden_texts(folder))
    except SentimentError as error:
        return fault(about, f"{folder} cannot be used: {error}", meaning, cure)
    except Exception as error:  # of many kinds: what reads weights is not ours
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        return fault(about, f"{folder} is damaged: {line}", meaning, cure)
    return ok(about, f"{folder.name}: its digest, and {len(texts)} known texts")


def _digest_of_card(folder: Path) -> str | None:
    """None: it has no card, or one that is older than digests."""
    try:
        told = json.loads((folder / "card.json").read_bytes()).get("digest")
    except (OSError, ValueError, AttributeError):
        return None
    return str(told) if told else None

"""The names of a network's features, in the order in which it reads them."""

import json
from dataclasses import dataclass
from pathlib import Path

from services.fraud.errors import ModelError
from services.fraud.scoring.card import Card, numbered
from services.fraud.transactions.features import FEATURES

HANDBOOK = "handbook"  # as an option, instead of a file
OUR_FILE = "model.keras"  # beside which our card lies
_LONGEST = 128


@dataclass(frozen=True)
class Named:
    """Names, and in words where they are from."""

    names: tuple[str, ...]
    source: str


def find_names(
    given: str | None, file: Path, width: int, steps: int, scaled: tuple[str, ...] | None
) -> Named:
    """The names of a network's features.

    Args:
        given: "handbook", or a file: a name in each line, or between commas, or a JSON list.
        file: the network's; a model of ours has its card beside it.
        width: how many numbers the network reads.
        steps: of these, how many groups of the same features.
        scaled: those in the scaling's file; they count where there are no others.

    Raises: ModelError: they are not as many as the network reads, or no names.
    """
    if given is None:
        card = _card_beside(file)
        if card is not None and card.width == width:
            return Named(card.names, "of its card")
        if scaled is not None and len(scaled) in (width, width // steps):
            each = 1 if len(scaled) == width else steps
            return Named(for_each_step(scaled, each), "of the scaling's file")
        return Named(numbered(width), "made up, for none were given (--features)")
    if given == HANDBOOK:
        if width != len(FEATURES):
            raise ModelError(
                f"{file} reads {width} numbers, not the Handbook's {len(FEATURES)} features:"
                f" {', '.join(FEATURES)}"
            )
        return Named(FEATURES, "the Handbook's")
    names = _read_names(Path(given))
    if len(names) == width:
        return Named(names, f"of {given}")
    if steps > 1 and len(names) * steps == width:
        return Named(for_each_step(names, steps), f"of {given}, for each of {steps} steps")
    raise ModelError(f"{given} has {len(names)} names, and {file} reads {width} numbers")


def for_each_step(names: tuple[str, ...], steps: int) -> tuple[str, ...]:
    """Names for features that come one after another several times: V1_1, V2_1, V1_2, V2_2."""
    if steps == 1:
        return names
    return tuple(f"{name}_{step}" for step in range(1, steps + 1) for name in names)


def _card_beside(file: Path) -> Card | None:
    """Of a network from our store; None: it is none."""
    if file.name != OUR_FILE:
        return None
    try:
        return Card.read(file.parent)
    except ModelError:
        return None


def _read_names(file: Path) -> tuple[str, ...]:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{file} cannot be read as names of features ({type(error).__name__}): give"
            " a text file with one in each line, or 'handbook'"
        ) from error
    names = _split(file, text)
    bad = [name for name in names if not name or len(name) > _LONGEST or not name.isprintable()]
    if bad or not names:
        raise ModelError(f"{file} holds no names of features: one in each line are needed")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ModelError(f"{file} names {twice} twice")
    return names


def _split(file: Path, text: str) -> tuple[str, ...]:
    if file.suffix.lower() == ".json":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{file} is no JSON") from error
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise ModelError(f"{file} has to be a JSON list of names")
        return tuple(name.strip() for name in found)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and "," in lines[0]:  # the header of a table
        lines = lines[0].split(",")
    return tuple(line.strip().strip('"') for line in lines)

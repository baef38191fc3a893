"""Rows to try a network with: known ones from a file, and made-up ones."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.registration.scaling import Scaling
from services.fraud.training.conversion import PARITY_ROWS
from services.fraud.transactions.features import FEATURES

ANSWER = "probability"  # the column with what the network is known to answer
SAME_ANSWER = 1e-3  # by which it may differ at most
_SAME_SMALL, _SAME_SHARE = 2e-5, 0.05  # and of a small one by no more than so much, and its share
_MOST = 10_000
_WIDE_ROWS, _LARGEST = 1_000, 6  # powers of ten
_TYPICAL = {"AVG_AMOUNT": (3.5, 0.8), "AMOUNT": (3.5, 0.8), "NB_TX": (1.5, 1.0)}  # of logarithms

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class KnownRows:
    """Rows as they will be sent, shape (n, features), and what is known of their answers."""

    rows: Array
    probabilities: Array | None  # shape (n,)


def read_known(file: Path, names: Sequence[str]) -> KnownRows:
    """Known rows from CSV.

    With a header the features are found by their names, and further columns but for `probability`
    are ignored. Without one they stand in order, and one more number in each row is its answer.

    Raises: ModelError: it cannot be read, a feature or a number is missing, or it does not say
        surely which number is what.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = [row for row in csv.reader(lines) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(
            f"{file} cannot be read as CSV in UTF-8 ({type(error).__name__})"
        ) from error
    header = [] if not table or _numbers(table[0]) else [cell.strip() for cell in table.pop(0)]
    if not table or len(table) > _MOST:
        raise ModelError(f"{file} has {len(table):,} rows: give 1 to {_MOST:,} known ones")
    width = len(header or table[0])
    if longer := [number for number, row in enumerate(table, 1) if len(row) > width]:
        above = "the header" if header else "the first"
        raise ModelError(f"{file}: row {longer[0]} has more cells than {above}, {width}")
    if shorter := [number for number, row in enumerate(table, 1) if len(row) < width]:
        above = "the header" if header else "the first"
        raise ModelError(f"{file}: row {shorter[0]} has fewer cells than {above}, {width}")
    if not header and width > 1 and [cell.strip() for cell in table[0]] == _numbered(width):
        raise ModelError(
            f"{file} begins with {', '.join(_numbered(width)[:3])}{', …' * (width > 3)}, as if its"
            " columns were numbered: name the features in its header, or leave the header out"
        )
    places, answer = _find_columns(file, header, width, names)
    numbers = np.array(
        [_row(file, number, row, places, answer) for number, row in enumerate(table, 1)]
    )
    if answer is None:
        return KnownRows(numbers.astype(np.float32), None)
    return KnownRows(numbers[:, :-1].astype(np.float32), numbers[:, -1])


def _find_columns(
    file: Path, header: list[str], width: int, names: Sequence[str]
) -> tuple[list[int], int | None]:
    """Where the features stand, and the answer if it is there."""
    if not header:
        if width not in (len(names), len(names) + 1):
            raise ModelError(
                f"{file} has {width} numbers in a row: {len(names)} are needed, and one more if"
                " it is the answer"
            )
        return list(range(len(names))), len(names) if width > len(names) else None
    missing = [name for name in names if name not in header]
    if missing:
        raise ModelError(
            f"{file} has no column {', '.join(missing[:5])}: name the features as in its header"
            " with --features, or leave the header out"
        )
    answers = [
        place
        for place, cell in enumerate(header)
        if cell.casefold() == ANSWER and cell not in names
    ]
    twice = [name for name in names if header.count(name) > 1]
    if len(answers) > 1:
        twice.append(ANSWER)
    if twice:
        raise ModelError(f"{file} has more than one column {', '.join(twice[:5])}: leave one")
    return [header.index(name) for name in names], answers[0] if answers else None


def _row(
    file: Path, number: int, row: list[str], places: list[int], answer: int | None
) -> list[float]:
    wanted = places if answer is None else [*places, answer]
    found = _numbers([row[place] for place in wanted]) if max(wanted) < len(row) else None
    if found is None or not np.isfinite(found).all():
        raise ModelError(f"{file}: row {number} has not a number in each column that counts")
    return found


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _numbered(width: int) -> list[str]:
    """What pandas calls columns without names."""
    return [str(place) for place in range(width)]


def as_known(found: Array, known: Array) -> Array:
    """Which answers are those that are known, shape (n,).

    An absolute bound alone would let pass whatever is answered to genuine transactions.
    """
    allowed = np.minimum(SAME_ANSWER, _SAME_SMALL + _SAME_SHARE * known)
    same: Array = np.abs(found - known) <= allowed
    return same


def draw_rows(names: Sequence[str], scaling: Scaling | None) -> Array:
    """Made-up rows, as many as parity asks for, float32.

    In the range of the scaling, if there is one. Else in that of card transactions, and as many
    standardised ones, for the Handbook's features; or standardised ones and as many between 0 and
    1, since it is one of these that most networks read.
    """
    draws = np.random.default_rng(0)
    width = len(names)
    normal = draws.standard_normal((PARITY_ROWS, width))
    if scaling is not None:
        scaled = draws.random((PARITY_ROWS, width)) if scaling.is_range else normal
        return np.asarray(scaling.centre + scaling.scale * scaled, np.float32)
    if tuple(names) == FEATURES:
        return np.concatenate([_draw_transactions(draws), normal]).astype(np.float32)
    uniform = draws.random((PARITY_ROWS // 2, width))
    return np.concatenate([normal[: PARITY_ROWS // 2], uniform]).astype(np.float32)


def draw_wide_rows(width: int) -> Array:
    """Made-up rows of many magnitudes, in which a network that answers at all finds some to tell
    apart, float32."""
    draws = np.random.default_rng(1)
    powers = 10.0 ** draws.uniform(0, _LARGEST, (_WIDE_ROWS, width))
    return (draws.standard_normal((_WIDE_ROWS, width)) * powers).astype(np.float32)


def _draw_transactions(draws: np.random.Generator) -> Array:
    """Rows in the range of card transactions."""
    rows: Array = draws.standard_normal((PARITY_ROWS, len(FEATURES)))
    for place, name in enumerate(FEATURES):
        kinds = [kind for kind in _TYPICAL if kind in name]
        if kinds:
            mean, spread = _TYPICAL[kinds[0]]
            rows[:, place] = np.exp(mean + spread * rows[:, place]).round(2)
        else:  # flags and risks: mostly 0, at most 1
            rows[:, place] = np.clip(rows[:, place] - 1, 0, 1)
    return rows

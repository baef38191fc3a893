"""Scaling from a file: what is taken from each feature, and what the rest is divided by.

A file has a mean and a scale for each feature, or a minimum and a maximum, as scikit-learn's
`StandardScaler` and `MinMaxScaler` hold them:

- `.json`: `{"mean": […], "scale": […]}` or `{"min": […], "max": […]}`, beside them `names` if the
  features have some;
- `.csv` or `.txt`: a line per feature under the header `name,mean,scale` or `name,min,max`, with or
  without names;
- `.npz`: arrays `mean` and `scale`, or `min` and `max`, beside them `names`.

A scaler that was pickled is not opened, since opening it would run whatever its file says.
"""

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.registration.feature_names import for_each_step
from services.modelling.keras import first_line

LEAST_SCALE = 1e-6  # below it, float32 has no room for what is divided
_CALLED = {  # what each is called, also by scikit-learn and pandas
    "mean": ("mean", "mean_", "center", "center_"),
    "scale": ("scale", "scale_", "std"),
    "min": ("min", "data_min_"),
    "max": ("max", "data_max_"),
    "names": ("names", "name", "feature", "features", "feature_names_in_"),
}
_PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".npy")
_WANTED = "mean and scale, or min and max"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Scaling:
    """(features - centre) / scale, in float64, shape (features,)."""

    centre: Array
    scale: Array
    is_range: bool  # from the least to the largest value, and not from a mean
    names: tuple[str, ...] | None = None  # of the features that are scaled

    def apply(self, rows: Array) -> Array:
        """Rows as the network was trained on them, float32."""
        scaled = (np.asarray(rows, np.float64) - self.centre) / self.scale
        return np.asarray(scaled, np.float32)

    def of_features(self, names: Sequence[str], steps: int, file: Path) -> "Scaling":
        """For the features of a network, in their order.

        Those that have no name here, where others do, stay as they are.

        steps: how often the features come one after another, each time scaled the same unless each
            has its name.

        Raises: ModelError: it is of others, or of another number.
        """
        if self.names is None:
            times = 1 if len(self.centre) == len(names) else steps
            if len(self.centre) * times != len(names):
                raise ModelError(
                    f"{file} scales {len(self.centre)} features, and the network reads {len(names)}"
                )
            return Scaling(np.tile(self.centre, times), np.tile(self.scale, times), self.is_range)
        if len(self.names) == len(names) or set(self.names) <= set(names):
            steps = 1
        named = for_each_step(self.names, steps)
        if foreign := [name for name in named if name not in names]:
            raise ModelError(
                f"{file} scales {', '.join(foreign[:5])}, and no feature is called so (--features"
                f" names them in order): {', '.join(names)}"
            )
        places = [names.index(name) for name in named]
        centre, scale = np.zeros(len(names)), np.ones(len(names))
        centre[places], scale[places] = np.tile(self.centre, steps), np.tile(self.scale, steps)
        return Scaling(centre, scale, self.is_range, named)


def read_scaling(file: Path) -> Scaling:
    """The scaling in a file.

    Raises: ModelError: it cannot be read, or is none; says what is wrong with it.
    """
    if not file.is_file():
        raise ModelError(f"{file} {'is a folder' if file.exists() else 'does not exist'}")
    suffix = file.suffix.lower()
    if suffix in _PICKLES:
        raise ModelError(
            f"{file} is a pickle, which would run code when it is opened: write its {_WANTED} into"
            " a .json, .csv or .npz file (services/fraud/BRING_YOUR_OWN.md shows how)"
        )
    readers = {".json": _read_json, ".csv": _read_csv, ".txt": _read_csv, ".npz": _read_npz}
    if suffix not in readers:
        raise ModelError(f"{file}: a scaling is a .json, .csv or .npz file with {_WANTED}")
    try:
        found = readers[suffix](file)
    except (OSError, ValueError, TypeError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file} cannot be read as a scaling: {first_line(error)}") from error
    return _checked(file, found)


def _read_json(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text("utf-8-sig"), object_pairs_hook=_object_once)
    if not isinstance(found, dict):
        raise ValueError(f"it has to be an object with {_WANTED}")
    if "min_" in found:
        raise ValueError(
            "min_ and scale_ of a MinMaxScaler are not the features' own: write its data_min_ and"
            " data_max_ as min and max"
        )
    return _by_role(found)


def _read_npz(file: Path) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as archive:
        return _by_role({name: archive[name].tolist() for name in archive.files})


def _read_csv(file: Path) -> dict[str, Any]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = [row for row in csv.reader(lines) if row]
    columns = [cell.strip() for cell in header]
    if any(map(_is_number, columns)):
        raise ValueError("it has no header: begin it with name,mean,scale or name,min,max")
    if uneven := [number for number, row in enumerate(rows, 1) if len(row) != len(columns)]:
        raise ValueError(f"row {uneven[0]} has not the {len(columns)} cells of the header")
    _refuse_twice(columns)
    named = {
        column or "name": [row[place].strip() for row in rows]
        for place, column in enumerate(columns)
    }
    return _by_role(named)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _refuse_twice(names: Sequence[str]) -> None:
    """Raises: ValueError: a name stands there twice, in whatever case, and either may be meant."""
    called = [name.strip().lower() for name in names]
    if twice := [name for name in dict.fromkeys(called) if called.count(name) > 1]:
        raise ValueError(f"it has more than one {', '.join(twice[:5])}: leave one")


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice([name for name, _ in pairs])
    return dict(pairs)


def _by_role(found: Mapping[str, Any]) -> dict[str, Any]:
    _refuse_twice([str(name) for name in found])
    called = {str(name).strip().lower(): values for name, values in found.items()}
    for names in _CALLED.values():
        same = [name for name in names if name in called]
        if any(called[name] != called[same[0]] for name in same):
            raise ValueError(f"{' and '.join(same)} mean the same and differ: leave one")
    return {
        role: called[name]
        for role, names in _CALLED.items()
        for name in reversed(names)
        if name in called
    }


def _names_in(file: Path, found: Any) -> tuple[str, ...] | None:
    """Raises: ModelError: they are no list, or one is empty."""
    if found is None:
        return None
    if not isinstance(found, list):
        raise ModelError(f"{file}: its names have to be a list")
    names = tuple(str(name).strip() for name in found)
    if "" in names:
        raise ModelError(f"{file}: name {names.index('') + 1} is empty")
    return names


def _checked(file: Path, found: Mapping[str, Any]) -> Scaling:
    """Raises: ModelError: numbers are missing, or of no use."""
    pairs = [pair for pair in (("mean", "scale"), ("min", "max")) if set(pair) <= set(found)]
    if not pairs:
        there = f"it has {', '.join(found)} alone" if found else "it has none of these"
        raise ModelError(f"{file} has to hold {_WANTED} of each feature: {there}")
    first, second = pairs[0]
    try:
        low, high = (np.asarray(found[role], np.float64) for role in (first, second))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{file}: {first} and {second} have to be lists of numbers") from error
    names = _names_in(file, found.get("names"))
    if low.ndim != 1 or low.shape != high.shape or not len(low):
        raise ModelError(f"{file}: {first} and {second} have to be lists of the same length")
    if names is not None and (len(names) != len(low) or len(set(names)) < len(names)):
        raise ModelError(f"{file}: its names are not one for each of {len(low)} features")
    is_range = first == "min"
    # What was the same everywhere, scikit-learn leaves in its unit.
    scale = np.where(high == low, 1.0, high - low) if is_range else high
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(scale) & (scale >= LEAST_SCALE)))
    if len(bad):
        which = names[bad[0]] if names else f"number {bad[0] + 1}"
        raise ModelError(
            f"{file}: {second} of feature {which} makes a scale of {scale[bad[0]]:g}, and it has"
            f" to be at least {LEAST_SCALE:g}"
        )
    return Scaling(low, scale, is_range, names)

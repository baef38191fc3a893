"""Where a training stands, as one file that is always whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.release.errors import ModelFileError
from services.storage.files import written_aside


def write_checkpoint(path: Path, step: int, variables: Sequence[Any]) -> None:
    """Exchange the file in one move."""
    with written_aside(path) as file:
        values = {f"v{place}": each.numpy() for place, each in enumerate(variables)}
        np.savez(file, allow_pickle=False, step=np.array(step), **values)


def read_checkpoint(path: Path, variables: Sequence[Any]) -> int:
    """Put the values back; the step they are of.

    Raises:
        ModelFileError: It is not a checkpoint of this network.
    """
    try:
        with np.load(path) as file:
            values = [file[f"v{place}"] for place in range(len(file.files) - 1)]
            step = int(file["step"])
        if [value.shape for value in values] != [tuple(each.shape) for each in variables]:
            raise ValueError("it is of another network")
    except (OSError, ValueError, KeyError) as error:
        raise ModelFileError(
            f"{path} is no checkpoint of this training ({error}); delete it to start anew"
        ) from error
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return step

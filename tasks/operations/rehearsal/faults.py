"""All faults that are rehearsed, by the names that they are asked for by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.operations.rehearsal import (
    damaged_model,
    frozen_camera,
    full_disk,
    killed_worker,
    locked_database,
    rewound_metadata,
)
from tasks.operations.rehearsal.stage import Stage


@dataclass(frozen=True)
class Fault:
    """done: what is done to the copy, in a line; rehearse: does it, and tells what survived."""

    done: str
    rehearse: Callable[[Stage], str]


FAULTS: Mapping[str, Fault] = {
    name: Fault(module.DONE, module.rehearse)
    for name, module in {
        "killed-worker": killed_worker,
        "locked-database": locked_database,
        "damaged-model": damaged_model,
        "frozen-camera": frozen_camera,
        "rewound-metadata": rewound_metadata,
        "full-disk": full_disk,
    }.items()
}

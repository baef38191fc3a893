"""All faults that are rehearsed, by the names that they are asked for by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.operations.rehearsal.faults import (
    damaged_model,
    frozen_camera,
    full_disk,
    killed_worker,
    locked_database,
    rewound_metadata,
)
from tasks.operations.rehearsal.names import NAMES
from tasks.operations.rehearsal.stage import Stage


@dataclass(frozen=True)
class Fault:
    """done: what is done to the copy, in a line; rehearse: does it, and tells what survived."""

    done: str
    rehearse: Callable[[Stage], str]


FAULTS: Mapping[str, Fault] = {
    name: Fault(module.DONE, module.rehearse)
    for name, module in zip(
        NAMES,
        (
            killed_worker,
            locked_database,
            damaged_model,
            frozen_camera,
            rewound_metadata,
            full_disk,
        ),
        strict=True,
    )
}

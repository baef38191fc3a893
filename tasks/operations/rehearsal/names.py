"""The faults by name, in the order in which they are rehearsed."""

NAMES = (
    "killed-worker",
    "locked-database",
    "damaged-model",
    "frozen-camera",
    "rewound-metadata",
    "full-disk",
)

"""What TFLite metadata says of how a model reads pixels: the FlatBuffer "M001" within the file.

Its fields by their places in tensorflow/lite/schema/schema.fbs and, within the metadata, in
mediapipe/tasks/metadata/metadata_schema.fbs.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table

_NAME = b"TFLITE_METADATA"
_IDENTIFIER = b"M001"
_NORMALISATION = 1  # of the union of options of a process unit
_MOST = 1_000  # entries that are looked at, in a file that may be damaged
_DAMAGED = (struct.error, IndexError, ValueError, TypeError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Normalisation:
    """A model reads (pixel - mean) / std; one value for all channels, or one for each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_normalisation(model: Path) -> Normalisation | None:
    """What the metadata of a TFLite file says; None where there is none that can be read."""
    try:
        return _find(model.read_bytes())
    except (*_DAMAGED, OSError):
        return None  # Answers and labelled pictures tell as well.


def _find(content: bytes) -> Normalisation | None:
    metadata = _metadata(content)
    if metadata is None:
        return None
    for graph in _children(_root(metadata), 3):
        for image in _children(graph, 2):
            for unit in _children(image, 4):
                kind, options = _place(unit, 0), _place(unit, 1)
                if not kind or unit.Get(Uint8Flags, unit.Pos + kind) != _NORMALISATION:
                    continue
                found = Table(unit.Bytes, unit.Indirect(unit.Pos + options))
                return _checked(_floats(found, 0), _floats(found, 1)) if options else None
    return None


def _metadata(content: bytes) -> bytes | None:
    model = _root(content)
    for entry in _children(model, 6):
        if not _place(entry, 0) or entry.String(entry.Pos + _place(entry, 0)) != _NAME:
            continue
        number = _place(entry, 1)
        wanted = entry.Get(Uint32Flags, entry.Pos + number) if number else 0
        buffer = _entry(model, 4, wanted)
        start, size = buffer.Vector(_place(buffer, 0)), buffer.VectorLen(_place(buffer, 0))
        found = content[start : start + size]
        return found if found[4:8] == _IDENTIFIER else None
    return None


def _checked(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation | None:
    sound = len(mean) == len(std) in (1, 3) and np.isfinite([*mean, *std]).all() and min(std) > 0
    if not sound:
        return None
    if len({*zip(mean, std, strict=True)}) == 1:
        mean, std = mean[:1], std[:1]
    return Normalisation(mean, std)


def _root(content: bytes) -> Table:
    return Table(content, int.from_bytes(content[:4], "little"))


def _place(table: Table, slot: int) -> int:
    return int(table.Offset(4 + 2 * slot))


def _children(table: Table, slot: int) -> Iterator[Table]:
    count = table.VectorLen(_place(table, slot)) if _place(table, slot) else 0
    for number in range(min(count, _MOST)):
        yield _entry(table, slot, number)


def _entry(table: Table, slot: int, number: int) -> Table:
    """Of a vector of tables."""
    start = table.Vector(_place(table, slot))
    return Table(table.Bytes, table.Indirect(start + 4 * number))


def _floats(table: Table, slot: int) -> tuple[float, ...]:
    if not _place(table, slot):
        return ()
    return tuple(table.GetVectorAsNumpy(Float32Flags, _place(table, slot)).tolist())

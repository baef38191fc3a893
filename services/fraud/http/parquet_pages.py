"""How large the pages of a Parquet file get, told from its footer and their headers alone.

pyarrow makes room for whatever the header of a page says, and does not show it. Of the footer it
shows all, but ends the process where some of it is wrong. So both are read here. What could be
read in another way by pyarrow is refused, so that no page is hidden from the one or the other.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Kinds of Thrift's compact protocol.
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = (*range(1, 11), 12)
BITS = {I16: 16, I32: 32, I64: 64}
DEPTH = 8  # of what a footer nests


@dataclass(frozen=True)
class Chunk:
    """A column's part of a row group."""

    values: int
    start: int
    end: int


def groups(body: bytes) -> Iterator[tuple[int, list[dict[tuple[int, int], Any]]]]:
    """Of each row group its rows and its columns, which `chunk` understands.

    Raises:
        ValueError, LookupError: the footer is no such thing.
    """
    size = struct.unpack_from("<I", body, len(body) - 8)[0]
    footer = Thrift(body, max(0, len(body) - 8 - size)).struct()
    for group in footer[4, LIST]:
        yield group[3, I64], group[1, LIST]


def chunk(column: dict[tuple[int, int], Any]) -> Chunk:
    """Where a column's pages are."""
    described = column[3, STRUCT]
    start: int = described[9, I64]
    dictionary: int = described.get((11, I64), 0)
    if 0 < dictionary < start:
        start = dictionary
    return Chunk(described[5, I64], start, start + described[7, I64])


def page_sizes(body: bytes, place: int, end: int) -> Iterator[int]:
    """The sizes that the pages from a place to another will have when unfolded.

    Raises:
        ValueError, LookupError: pages do not fill it, one after the other.
    """
    if not 0 < place <= end <= len(body):
        raise ValueError("a column outside of the file")
    while place < end:
        thrift = Thrift(body, place)
        header = thrift.struct()
        if header[2, I32] < 0 or header[3, I32] < 0:
            raise ValueError("a page with a size below 0")
        yield header[2, I32]
        place = thrift.place + header[3, I32]
    if place > end:
        raise ValueError("a page that ends behind its column")


class Thrift:
    """A reader of Thrift's compact protocol, in as far as Parquet uses it."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self.place = data, place

    def struct(self, depth: int = DEPTH) -> dict[tuple[int, int], Any]:
        """Values by number and kind of field; `place` is behind it afterwards."""
        if not depth:
            raise ValueError("nested too deeply")
        found: dict[tuple[int, int], Any] = {}
        numbers, number = set(), 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._number(I16)
            if number in numbers or not 0 <= number < 2**15:
                raise ValueError("a field that is given twice")
            numbers.add(number)
            found[number, kind] = kind if kind in (TRUE, FALSE) else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in BITS:
            return self._number(kind)
        if kind == STRUCT:
            return self.struct(depth - 1)
        if kind in (LIST, SET):
            head = self._byte()
            count, inner = head >> 4, head & 15
            count = self._varint(31) if count == 15 else count
            return [self._value(inner, depth) for _ in range(count)]
        if kind == BINARY:
            return self._bytes(self._varint(31))
        if kind == DOUBLE:
            return self._bytes(8)
        if kind in (TRUE, FALSE, BYTE):
            return self._byte()
        raise ValueError("a field of another kind")

    def _byte(self) -> int:
        self.place += 1
        return self._data[self.place - 1]

    def _bytes(self, count: int) -> None:
        """Passed over: no text and no fraction is needed."""
        self.place += count
        if self.place > len(self._data):
            raise ValueError("ends too early")

    def _number(self, kind: int) -> int:
        value = self._varint(BITS[kind])
        return (value >> 1) ^ -(value & 1)

    def _varint(self, bits: int) -> int:
        value = 0
        for shift in range(0, bits, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                if value >> bits:  # other readers would keep the last bits
                    break
                return value
        raise ValueError("a number with too many digits")

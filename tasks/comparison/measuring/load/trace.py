"""The load generator's trace: when each query was due, and how long its answers took."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SAMPLE = re.compile(
    rb'"name":"Sample","cat":"default","ph":"b",[^{]*"ts":(-?[\d.]+),"args":\{"sample_seq":(\d+),'
    rb'"query_seq":(\d+),"sample_idx":(\d+),"issue_start_ns":-?\d+,"complete_ns":(\d+)'
)


@dataclass(frozen=True)
class Trace:
    """What was asked, in the order of the schedule.

    Attributes:
        due_s: when each query was to arrive, from the first one on; shape (queries,).
        latency_s: from then to its last answer; shape (queries,).
        rows: which rows the samples were, in the order of their queries; shape (samples,).
        sample_latency_s: of each sample; shape (samples,).
    """

    due_s: Floats
    latency_s: Floats
    rows: NDArray[np.int64]
    sample_latency_s: Floats

    @property
    def gaps_s(self) -> Floats:
        """Between neighbouring arrivals; shape (queries - 1,)."""
        return np.diff(self.due_s)

    @property
    def seconds(self) -> float:
        """From the first arrival to the last answer."""
        return float((self.due_s + self.latency_s).max())


def read_trace(file: Path) -> Trace:
    """The samples of a trace file.

    Raises: ValueError: it holds none.
    """
    found = _SAMPLE.findall(file.read_bytes())
    if not found:
        raise ValueError(f"{file} holds no samples")
    table = np.array(found).astype(np.float64)
    table = table[np.argsort(table[:, 1], kind="stable")]
    due_us, queries, rows, latency_ns = table[:, 0], table[:, 2], table[:, 3], table[:, 4]
    _, first = np.unique(queries, return_index=True)
    return Trace(
        due_s=(due_us[first] - due_us[first].min()) / 1e6,
        latency_s=np.maximum.reduceat(latency_ns, first) / 1e9,
        rows=rows.astype(np.int64),
        sample_latency_s=latency_ns / 1e9,
    )

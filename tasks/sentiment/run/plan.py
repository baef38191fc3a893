"""What was found when a run's source was partitioned, and the files that staging holds.

    plan.json                 the source is partitioned; what was found
    input-00000.parquet       accepted reviews in input order
    rejected-00000.parquet    rejected rows
    scores-00000.parquet      the partition, scored
    scores-00000.json         the partition is finished; its counts, times and statistics
    reserve                   room for the database to say so when the disk is full

A file is written aside and renamed, and the JSON file that vouches for others is written last.
So whatever is found after a kill is either whole or ignored. On disk, in SQL and among the
options a partition is called a part; names there stay, since earlier runs left them.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from services.reporting.figures import counted
from services.storage.files import written_aside
from tasks.sentiment.run.run_folder import RunFolder, write_json

WAYS_SHOWN = 4
RESERVE_BYTES = 256 << 10  # SQLite needs 32 KiB beside its pages to open a database


@dataclass(frozen=True)
class Plan:
    """The fields are the keys of plan.json. `rows_read` is counted by the reader, before any
    check."""

    request_digest: str
    rescore: bool
    database: str  # digest of the address that finished partitions were loaded into
    source: str  # the reference as given
    fingerprint: str | None
    content_digest: str
    rows_read: int
    rejected: int
    parts: tuple[int, ...]  # rows of each partition
    rejected_parts: int
    rejected_reasons: Mapping[str, tuple[int, tuple[int, ...]]]  # count, first row numbers
    unknown: int = 0  # accepted reviews of which the model knows no word
    unknown_rows: tuple[int, ...] = ()  # first row numbers
    read_as: Mapping[str, int] = field(default_factory=dict)  # files by how they were read
    encoding_hint: str = ""  # where the bytes speak for another encoding: what to do
    warnings: tuple[str, ...] = ()  # sentences about the source as a whole
    left_out: str = ""  # how many files of a folder, and which
    short_rows: int = 0  # whole but for cells at their end
    copies: str = ""  # files of one name but for how they are packed

    @property
    def accepted(self) -> int:
        return sum(self.parts)

    @property
    def how_read(self) -> str:
        """What the files are and how they are written, for people; "" of a query."""
        ways = sorted(self.read_as.items(), key=lambda way: (-way[1], way[0]))
        shown = [way if files == 1 else f"{files} x {way}" for way, files in ways[:WAYS_SHOWN]]
        more = ["…"] if len(ways) > WAYS_SHOWN else []
        short = f"{counted(self.short_rows, 'row')} without the last cells"
        remarks = [self.left_out, short if self.short_rows else ""]
        return "; ".join([*shown, *more, *filter(None, remarks)])


_PLAN = TypeAdapter(Plan)


def read_plan(folder: RunFolder) -> Plan | None:
    """The plan of a complete partitioning, or None: also for a damaged one, which is made anew."""
    try:
        return _PLAN.validate_json((folder.staging / "plan.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_plan(folder: RunFolder, plan: Plan) -> None:
    """Write what vouches for the partitions that were written before."""
    write_json(folder.staging / "plan.json", asdict(plan))


def discard(folder: RunFolder) -> None:
    """Delete the staging folder: first what vouches for it, then the rest."""
    (folder.staging / "plan.json").unlink(missing_ok=True)
    shutil.rmtree(folder.staging, ignore_errors=True)


def hold_reserve(folder: RunFolder) -> None:
    """Take the room that `release_reserve` gives back.

    Raises: OSError: there is none.
    """
    with written_aside(folder.staging / "reserve") as handle:
        handle.write(bytes(RESERVE_BYTES))


def release_reserve(folder: RunFolder) -> None:
    """Make room for a few pages of the database, which may lie on the same disk."""
    with suppress(OSError):
        (folder.staging / "reserve").unlink()


def write_parquet(table: pa.Table, file: Path) -> None:
    """Write a Parquet file so that it is there whole or not at all."""
    with written_aside(file) as handle:
        pq.write_table(table, handle, compression="zstd")

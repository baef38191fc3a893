"""Snapshots: the history that a state starts from, written by the nightly flow.

A snapshot is one Parquet file of labelled transactions, those of the last `HISTORY_DAYS` + 1
days, and `current.json` beside it points to the newest. Both are replaced in a single step,
the pointer last: who follows it finds a whole file, whenever the writer is killed. Files are
named by what they hold, so that the same snapshot written twice is one file.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from services.fraud.errors import StateUnavailable, TransactionsError
from services.fraud.state.completeness import KEPT_S, Coverage
from services.storage.files import write_bytes

if TYPE_CHECKING:  # a worker loads neither before it reads a snapshot
    import pandas as pd

COLUMNS = ("transaction_id", "customer_id", "terminal_id", "cents", "time", "is_fraud")
POINTER = "current.json"
STATE_FILE = "state.db"
SIMULATED, GIVEN = "simulated", "given"  # whose transactions: of the simulator, or of a user
FILES_KEPT = 3  # a reader may still be about to open the one before

Row: TypeAlias = tuple[str, str, str, int, int, bool]  # in the order of COLUMNS


@dataclass(frozen=True)
class Pointer:
    """Which snapshot is current.

    Attributes:
        as_of: seconds since 1970, UTC; everything up to then is in it.
        digest: sha256 of the file's bytes.
        since: from when on everything is in it; None: its writer did not say.
        labelled_until: the newest transaction whose label is known; None: none is.
        source: SIMULATED or GIVEN; None: its writer did not say.
        source_since: from when on answers are of this source, in seconds since 1970; None: there
            was no other before.
    """

    file: Path
    as_of: int
    rows: int
    digest: str
    since: int | None = None
    labelled_until: int | None = None
    source: str | None = None
    source_since: float | None = None


def state_path(home: Path) -> Path:
    """Where the state lies that snapshots are loaded into."""
    return home / "fraud" / STATE_FILE


def folder(home: Path) -> Path:
    """Where snapshots lie."""
    return home / "fraud" / "snapshots"


def write_snapshot(
    transactions: "pd.DataFrame",
    as_of: int,
    home: Path,
    coverage: Coverage | None = None,
    source: str | None = None,
) -> Path:
    """Write the last days up to `as_of` of a labelled table, and make them the current snapshot.

    Labels are taken as they stand in the table. Older snapshots but the last are removed.

    Args:
        coverage: what the table covers; None: all from its first transaction on, labels too.
        source: SIMULATED or GIVEN; None: nobody knows.

    Raises:
        TransactionsError: a column is missing, a transaction_id is there twice, or the state holds
            transactions of the other source.
        OSError: the folder cannot be written.
    """
    check_source(home, source)
    recent = _recent(transactions, as_of)
    place = folder(home)
    place.mkdir(parents=True, exist_ok=True)
    content = _parquet(recent, as_of)
    digest = hashlib.sha256(content).hexdigest()
    day = datetime.fromtimestamp(as_of, UTC).strftime("%Y%m%dT%H%M%SZ")
    path = place / f"{day}-{digest[:8]}.parquet"
    write_bytes(path, content)
    covered = coverage or coverage_of_table(transactions, as_of)
    pointer = {
        "file": path.name,
        "as_of": as_of,
        "rows": len(recent),
        "digest": digest,
        "since": max(covered.since, as_of - KEPT_S + 1),
        "labelled_until": covered.labelled_until,
        "source": source,
        "source_since": _source_since(home, source),
    }
    write_bytes(place / POINTER, json.dumps(pointer).encode())
    files = sorted(place.glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    for old in files[:-FILES_KEPT]:
        old.unlink(missing_ok=True)
    return path


def check_source(home: Path, source: str | None) -> None:
    """Raises: TransactionsError: a state that is there began with transactions of the other source.

    Customers and terminals of the two would be taken for one another wherever their ids agree.
    """
    with suppress(StateUnavailable):  # a pointer that is damaged says of no source
        current = read_pointer(home)
        state = state_path(home)
        if current is not None and are_others(current.source, source) and state.exists():
            raise TransactionsError(
                f"{state} holds {current.source} transactions, with which {source} ones are not"
                f" mixed: stop the service, remove {state.name}* there, and run this again; or"
                " train with --no-promote, which hands over no history"
            )


def _source_since(home: Path, source: str | None) -> float | None:
    """From when on what is answered is of a source, that of a snapshot about to be written."""
    with suppress(StateUnavailable):  # as above
        current = read_pointer(home)
        if current is not None and are_others(current.source, source):
            return time.time()
        return current.source_since if current else None
    return None


def are_others(known: str | None, new: str | None) -> bool:
    """Whether two histories are surely of different sources."""
    return known is not None and new is not None and known != new


def steps_back(home: Path, as_of: int) -> str | None:
    """That a history up to then would end before the current one, in words; None: it does not."""
    with suppress(StateUnavailable):  # one that is damaged is replaced by any
        current = read_pointer(home)
        if current is not None and as_of < current.as_of:
            return (
                f"ends at {_utc(as_of)}, before the current one, {_utc(current.as_of)}: a new state"
                " starts from there, one that goes on keeps what it has"
            )
    return None


def _utc(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def coverage_of_table(transactions: "pd.DataFrame", as_of: int) -> Coverage:
    """What a labelled table covers up to a moment: all from its first transaction on."""
    since = int(transactions["time"].min()) if len(transactions) else as_of + 1
    return Coverage(min(since, as_of + 1), as_of, as_of)


def read_pointer(home: Path) -> Pointer | None:
    """The current snapshot; None if none has been written.

    Raises: StateUnavailable: what points to it is damaged.
    """
    path = folder(home) / POINTER
    try:
        told = json.loads(path.read_bytes())
        name, as_of, rows, digest = (told[key] for key in ("file", "as_of", "rows", "digest"))
        if Path(name).name != name or not (isinstance(digest, str) and len(digest) == 64):
            raise ValueError("no file name, or no digest")
        file, since, labelled = path.with_name(name), told.get("since"), None
        changed = told.get("source_since")
        if since is not None:
            since, labelled = int(since), told["labelled_until"]
        until = labelled and int(labelled)
        return Pointer(
            file,
            int(as_of),
            int(rows),
            digest,
            since,
            until,
            source=told.get("source"),
            source_since=changed and float(changed),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateUnavailable(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise StateUnavailable(
            f"{path} is damaged: write a snapshot again, or remove it to start without one"
        ) from error


def read_snapshot(pointer: Pointer, rows: int = 4_096) -> Iterator[list[Row]]:
    """The rows of a snapshot in its order, some at a time.

    Nothing comes out before the digest of the whole file has been compared.

    Raises: StateUnavailable: the file is gone, or not what was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pointer.file.open("rb") as file:  # opened once: what is checked is what is read
            if hashlib.file_digest(file, "sha256").hexdigest() != pointer.digest:
                raise StateUnavailable(
                    f"snapshot {pointer.file} is damaged: its digest is not the one that was"
                    " written with it; write a snapshot again"
                )
            file.seek(0)
            for batch in pq.ParquetFile(file).iter_batches(
                rows, columns=list(COLUMNS), use_threads=False
            ):
                yield list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    except FileNotFoundError as error:
        raise StateUnavailable(
            f"snapshot {pointer.file} is gone: write a snapshot again"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise StateUnavailable(f"snapshot {pointer.file} cannot be read: {error}") from error


def coverage_of(pointer: Pointer) -> Coverage:
    """What a snapshot covers. One of the last version tells by its first row.

    Raises: StateUnavailable: that has to be read, and cannot be.
    """
    if pointer.since is not None:
        return Coverage(pointer.since, pointer.as_of, pointer.labelled_until)
    times = (time for rows in read_snapshot(pointer) for *_, time, _is_fraud in rows)
    return Coverage(min(times, default=pointer.as_of + 1), pointer.as_of, pointer.as_of)


def _recent(transactions: "pd.DataFrame", as_of: int) -> "pd.DataFrame":
    missing = [name for name in COLUMNS if name not in transactions.columns]
    if missing:
        raise TransactionsError(f"a snapshot needs the columns {', '.join(missing)}")
    within = transactions["time"].between(as_of - KEPT_S, as_of, inclusive="right")
    recent = transactions.loc[within, list(COLUMNS)]
    twice = int(recent["transaction_id"].duplicated().sum())
    if twice:
        raise TransactionsError(f"{twice} rows repeat a transaction_id that came before")
    return recent


def _parquet(recent: "pd.DataFrame", as_of: int) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = (pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.bool_())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)), {"as_of": str(as_of)})
    ids = {name: [str(key) for key in recent[name].tolist()] for name in COLUMNS[:3]}
    columns = [
        pa.array(ids[name] if name in ids else recent[name].to_numpy(), kind)
        for name, kind in zip(COLUMNS, types, strict=True)
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content

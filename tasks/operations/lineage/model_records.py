"""What became a model, and from what: a small file for each model that was made or used here.

Models are replaced and cleared away; what they answered stays. These files, in `lineage/` of the
home folder, keep what is needed to say where an answer came from: the model's card, its digests,
the run that made it, and the version of the code.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from services.modelling.provenance import code_version
from services.storage.files import write_text

Kind = Literal["sentiment", "fraud", "detector", "release"]

log = logging.getLogger(__name__)


def remember(home: Path, kind: Kind, key: str, *, again: bool = True, **facts: Any) -> None:
    """Write down what is known of a model; the last that was written counts.

    A disk that refuses is told in the log and ends nothing: a model without its record is worth
    more than none.

    Args:
        key: what answers name the model by: a digest, a version. Part of the file's name.
        again: whether to write where there is a record already.
        facts: plain JSON, or text of anything else.
    """
    file = _folder(home) / f"{kind}-{key}.json"
    if not again and file.exists():
        return
    record = {
        "kind": kind,
        "key": key,
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
        **facts,
    }
    try:
        write_text(file, json.dumps(record, indent=1, ensure_ascii=False, default=str) + "\n")
    except OSError as error:
        log.warning("%s cannot be written (%s): trace will not know of it", file, error.strerror)


def recorded(home: Path, kind: Kind) -> Iterator[Mapping[str, Any]]:
    """The records of a kind, by key; files that are damaged are passed over."""
    for file in sorted(_folder(home).glob(f"{kind}-*.json")):
        record = read_object(file)
        if record is not None and isinstance(record.get("key"), str):
            yield {**record, "file": str(file)}


def read_object(file: Path) -> Mapping[str, Any] | None:
    """A JSON object, such as a model's card; None where there is none that can be read."""
    try:
        return object_in(file.read_bytes())
    except OSError:
        return None


def object_in(text: bytes) -> Mapping[str, Any] | None:
    """The JSON object that a text is; None: it is none."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _folder(home: Path) -> Path:
    return home / "lineage"

"""What a run tells Prefect: its parameters and time for its name, artifacts, and events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import prefect.runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event

NEW_CHAMPION = "triptych.fraud-model.champion"
NEW_DETECTOR = "triptych.detector.trained"


def run_parameters() -> dict[str, Any]:
    """The parameters of the run by name, for the run's name; of a deployed run plain JSON."""
    return dict(prefect.runtime.flow_run.parameters["params"])


def scheduled_time() -> datetime:
    """When the run was due, with a zone; a run started by hand was due when it started."""
    due: datetime | None = prefect.runtime.flow_run.scheduled_start_time
    return due or datetime.now(UTC)


def add_markdown(key: str, markdown: str) -> None:
    """Show a text in the UI, under the run and under the key."""
    create_markdown_artifact(markdown, key=key)


def add_table(key: str, rows: Sequence[dict[str, Any]], description: str | None = None) -> None:
    """Show a table in the UI, one dictionary a row."""
    create_table_artifact(list(rows), key=key, description=description)


def announce(event: str, what: str, **payload: Any) -> None:
    """Tell Prefect that something new is there, so that a deployment's trigger may follow.

    event: such as triptych.fraud-model.champion; what: the new thing's name.
    """
    emit_event(event, {"prefect.resource.id": f"triptych.{what}"}, payload=payload)

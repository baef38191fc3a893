"""What a run tells: its parameters and time for its name, artifacts in the UI, terminal lines.

Nothing that is printed here can style the terminal: texts come from data, paths and errors.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import prefect.runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from rich.console import Console, RenderableType

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


def print_result(what: RenderableType) -> None:
    """Print on standard output, unwrapped: paths are to be copied."""
    Console(highlight=False, markup=False, emoji=False).print(what, soft_wrap=True)


def print_notice(message: str) -> None:
    """Print a line on standard error, beside the progress."""
    Console(stderr=True, highlight=False, markup=False, emoji=False).print(message, soft_wrap=True)

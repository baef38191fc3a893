"""The verb `status`: how everything stands, and what needs a person."""

from dataclasses import asdict
from datetime import UTC, datetime

from tasks.operations.status.read import read_status
from tasks.operations.status.render import render_status
from tasks.operations.troubles import troubles
from tasks.orchestration.terminal import print_json, print_result
from tasks.settings import Settings


def show_status(*, as_json: bool) -> int:
    """Print it; 1 where a person is needed."""
    status = read_status(Settings(), datetime.now(UTC))
    found = troubles(status)
    if as_json:
        print_json({**status.to_json(), "troubles": [asdict(trouble) for trouble in found]})
    else:
        print_result(render_status(status, found))
    return 1 if found else 0

"""The history that fraud services on several machines share, brought up to a home's snapshot."""

from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from services.fraud.state.place import StatePlace
from services.fraud.state.snapshot import read_pointer
from tasks.orchestration.terminal import print_notice


def share_history(home: Path, url: SecretStr | None) -> None:
    """Load the snapshot of a home into the database that services on other machines share.

    url: of that; None: there is none, and the service of the home loads it by itself.

    Raises: StateUnavailable: the snapshot is damaged or of another source, or the database refuses.
    """
    pointer = None if url is None else read_pointer(home)
    if url is None or pointer is None:
        return
    with closing(StatePlace(home, url.get_secret_value()).open()) as state:
        loaded = state.load(pointer)
    print_notice(
        f"history of all machines: {loaded.added:,} transactions added, {loaded.labelled:,} frauds"
        f" labelled, {loaded.removed:,} removed"
    )

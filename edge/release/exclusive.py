"""Files and folders that one process at a time works on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.release.errors import ModelFileError
from services.storage.locks import Held, held


@contextmanager
def alone(place: Path, busy: str) -> Iterator[None]:
    """Hold a file, which is made if need be, or a folder that is there.

    Args:
        place: what other processes hold too.
        busy: what another holder does, for the message: "works in …".

    Raises:
        ModelFileError: another process holds it, or it cannot be held.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(place, patience_s=0))
        except Held as error:
            holder = f"process {error.holder}" if error.holder else "another process"
            raise ModelFileError(f"{holder} {busy}; try again later") from error
        except OSError as error:
            raise ModelFileError(f"{place} cannot be locked: {error.strerror}") from error
        yield

"""The process of a scoring run is killed in the middle, and nobody does anything but run again."""

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken
from tasks.operations.rehearsal.faults.night import ROWS, make_night
from tasks.operations.rehearsal.stage import Stage

DONE = "SIGKILL to a scoring run while it loads its rows"


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken."""
    night = make_night(stage.home, stage.folder, "rehearsal-killed")
    with process.started(night.words, stage.environment()) as run:
        run.until(lambda: night.rows() > 0, "its first rows were in SQL")
        run.kill()
    loaded = night.rows()
    if loaded >= ROWS:
        raise Broken("the run was over before it was killed; nothing was rehearsed")
    status, again = process.done(night.words, stage.environment())
    if status:
        raise Broken(f"the next run failed: {again.last_line()}")
    night.check()
    return f"{loaded} of {ROWS} rows were there; the next run ended the night, none lost or doubled"

"""Somebody else holds the database's write lock for a while, in the middle of a night."""

import sqlite3
import time
from contextlib import closing

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken
from tasks.operations.rehearsal.faults.night import ROWS, make_night
from tasks.operations.rehearsal.stage import Stage

HELD_S = 8.0
DONE = f"another connection holds the write lock for {HELD_S:.0f} s"


def rehearse(stage: Stage) -> str:
    """What survived. Raises: Broken."""
    night = make_night(stage.home, stage.folder, "rehearsal-locked")
    with process.started(night.words, stage.environment()) as run:
        run.until(lambda: night.rows() > 0, "its first rows were in SQL")
        with closing(sqlite3.connect(stage.home / "triptych.db", timeout=30)) as other:
            other.isolation_level = None
            other.execute("BEGIN IMMEDIATE")
            before = night.rows()
            time.sleep(HELD_S)
            if night.rows() != before:
                raise Broken("rows came although the database was locked")
            if run.status is not None:
                raise Broken(f"the run did not wait: {run.last_line()}")
            other.execute("ROLLBACK")
        if run.wait():
            raise Broken(f"the run failed: {run.last_line()}")
    if before >= ROWS:
        raise Broken("the run was over before the lock was taken; nothing was rehearsed")
    night.check()
    return f"the run stood at {before} of {ROWS} rows, waited, and ended the night"

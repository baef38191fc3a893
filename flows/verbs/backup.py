"""`triptych backup`: a copy of the home folder in one file."""

from pathlib import Path

from pydantic import Field

from tasks.operations import backup
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Backup(FlowParameters):
    """Copy everything under TRIPTYCH_HOME, and databases of PostgreSQL, into one tar file.

    What settings put into other folders goes along, and what cannot be copied is named. The stack
    may go on meanwhile; a run that is at work is waited for by you. The file holds keys and
    passwords: keep it as you keep those.
    """

    to: Path = Field(description="the file to make, such as /backups/triptych.tar")
    without_postgres: bool = Field(
        False, description="leave databases of PostgreSQL out, which are dumped where they run"
    )


COMMAND = Command(Backup, backup.run, backup.ERRORS)

"""`triptych doctor`: whether the installation and the home are sound, and what they survive."""

import os
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, model_validator

from tasks.operations.rehearsal.errors import RehearsalError
from tasks.operations.rehearsal.names import NAMES
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Doctor(FlowParameters):
    """Check the installation and the home: a line for each check, and for each fault its cure.

    It needs no server and no network, and changes nothing. Known answers of the models take some
    seconds, reading large databases and nights a minute or more. With --break, faults are done to
    a scratch copy of the home, and what survived is told: about two minutes.
    """

    home: Path | None = Field(None, description="another home than TRIPTYCH_HOME")
    break_: bool = Field(
        False,
        validation_alias=AliasChoices("break", "break_"),
        description="rehearse faults on a scratch copy of the home",
    )
    only: tuple[str, ...] = Field((), description=f"of these faults: {', '.join(NAMES)}")

    @model_validator(mode="after")
    def _faults_are_known(self) -> Self:
        if unknown := [name for name in self.only if name not in NAMES]:
            raise ValueError(f"only: {unknown[0]} is no fault; give {', '.join(NAMES)}")
        if self.only and not self.break_:
            raise ValueError("only goes with break")
        return self


def examine(given: Doctor) -> int:
    """Do it; the exit status."""
    if given.home is not None:
        os.environ["TRIPTYCH_HOME"] = str(given.home)  # for the settings of each check
    if given.break_:
        from tasks.operations.rehearsal.verb import rehearse

        return rehearse(given.only)
    from tasks.operations.doctor.show import show_checks

    return show_checks()


COMMAND = Command(Doctor, examine, (RehearsalError,), any_settings=True)

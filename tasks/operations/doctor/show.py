"""The verb `doctor`: one line for each check, and for each fault what it means and what to do."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from services.reporting.figures import counted
from tasks.operations.doctor.check import Check, State
from tasks.operations.doctor.examine import examine
from tasks.orchestration.terminal import print_result

_STYLES = {State.OK: "green", State.FAULT: "red", State.ABSENT: "dim"}
_STATE_WIDTH, _ABOUT_WIDTH = 9, 17


def show_checks() -> int:
    """Print each as soon as it is known; 1 where a person is needed."""
    faults = 0
    for check in examine(datetime.now(UTC)):
        faults += check.state is State.FAULT
        for line in render_check(check):
            print_result(line)
    if faults:
        needs = "needs" if faults == 1 else "need"
        print_result(Text(f"{counted(faults, 'thing')} {needs} a person", style="yellow"))
        return 1
    print_result(Text("nothing is wrong", style="green"))
    return 0


def render_check(check: Check) -> Iterator[Text]:
    """Its line; of a fault, two more."""
    state = check.state.ljust(_STATE_WIDTH)
    yield Text.assemble((state, _STYLES[check.state]), check.about.ljust(_ABOUT_WIDTH), check.told)
    if check.state is State.FAULT:
        indent = " " * _STATE_WIDTH
        yield Text(f"{indent}meaning: {check.meaning}", style="dim")
        yield Text(f"{indent}to do:   {check.cure}")

"""`triptych watch`: the watch over runs, which has to live when flows do not."""

from tasks.operations.watch import watcher
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Watch(FlowParameters):
    """Watch the runs of the Prefect server, until Ctrl-C.

    Runs whose process is gone are declared crashed, and what they held is free for the next ones.
    Missed nights are run or skipped as declared. Says what is late, stuck or wrong. `triptych up`
    starts it too.
    """


COMMAND = Command(Watch, watcher.watch, watcher.ERRORS)

"""`triptych notify`: who is told what is wrong, and whether they can be reached."""

from pydantic import Field

from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Notify(FlowParameters):
    """Show who is told what is wrong: the addresses of the setting TRIPTYCH_NOTIFY_URLS.

    The exit status is 1 where one of them cannot be used, or did not take the test.
    """

    test: bool = Field(False, description="send a message to each, and say which did not take it")


def notify(params: Notify) -> int:
    """Do it; the exit status."""
    from tasks.operations.notices.notify import show, test

    return test() if params.test else show()


COMMAND = Command(Notify, notify)

"""The verb `notify`: the addresses that are set, and a message to try them."""

import socket

from tasks.operations.notices.addresses import Address, read_addresses
from tasks.operations.notices.message import Message
from tasks.orchestration.command_line import fail
from tasks.orchestration.terminal import print_result
from tasks.settings import Settings

EXAMPLE = "mailtos://user:password@example.org"


def show() -> int:
    """Name the addresses; 1 where one is wrong."""
    addresses = _addresses()
    for address in addresses:
        print_result(f"{address.shown} {address.fault or 'is told what is wrong'}")
    if not addresses:
        print_result(
            "nobody is told: set TRIPTYCH_NOTIFY_URLS to Apprise addresses, such as"
            f" {EXAMPLE}; until then see `triptych status` and the log of `triptych watch`"
        )
    return int(any(address.fault for address in addresses))


def test() -> int:
    """Send a message to each address; 1 where one did not take it, or there is none."""
    settings, addresses = Settings(), _addresses()
    if not addresses:
        fail(f"TRIPTYCH_NOTIFY_URLS is not set; set it to Apprise addresses, such as {EXAMPLE}")
        return 1
    message = Message(
        "Triptych: a test",
        f"Triptych on {socket.gethostname()}, {settings.home}, can reach you."
        " You will be told here when something is wrong, and when it is well again.",
        is_bad=False,
    )
    taken = [_try(address, message) for address in addresses]
    return 0 if all(taken) else 1


def _try(address: Address, message: Message) -> bool:
    fault = address.fault
    if not fault and not address.send(message):
        fault = "did not take the message: is it reachable, and are its secrets right?"
    if fault:
        fail(f"{address.shown} {fault}")
    else:
        print_result(f"{address.shown} has taken the message")
    return not fault


def _addresses() -> list[Address]:
    return read_addresses(Settings().notify_text)

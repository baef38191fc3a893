"""What people have written for this home: blackout days, legal holds, and who is told."""

from collections.abc import Iterator

from tasks.operations.doctor.check import Check, fault, ok
from tasks.operations.nights.blackout import blackout_days
from tasks.operations.notices.addresses import read_addresses
from tasks.operations.retention.holds import RetentionError, read_holds
from tasks.settings import Settings


def check_written(settings: Settings) -> Iterator[Check]:
    """Each line that makes no sense; nothing is said of what is not there."""
    yield from _check_blackout_days(settings)
    try:
        read_holds(settings.home)
    except RetentionError as error:
        cure = "correct that line; deployments/REFERENCE.md shows how one looks"
        yield fault("legal hold", str(error), "triptych prune deletes nothing", cure)
    yield from _check_addresses(settings)


def _check_blackout_days(settings: Settings) -> Iterator[Check]:
    meaning = "nights run on days on which none should"
    days = blackout_days(settings)
    for wrong in days.wrong:
        yield fault("blackout days", wrong, meaning, "correct that line, or let it be read")
    if days.ranges and not days.wrong:
        yield ok("blackout days", f"{len(days.ranges)} dates or ranges, all read")


def _check_addresses(settings: Settings) -> Iterator[Check]:
    addresses = read_addresses(settings.notify_text)
    for address in addresses:
        if address.fault:
            yield fault(
                "notices",
                f"{address.shown} {address.fault}",
                "nobody is told there when something is wrong",
                "correct TRIPTYCH_NOTIFY_URLS, then triptych notify --test",
            )
    if addresses and not any(address.fault for address in addresses):
        yield ok("notices", f"{len(addresses)} addresses; triptych notify --test tries them")

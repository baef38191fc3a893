"""All looks at the installation and the home, in the order in which a person would act.

Each is imported when it is its turn: what is not installed is told, and the others go on.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from pydantic import ValidationError

from tasks.operations.doctor.check import Check, State, absent, fault
from tasks.settings import Settings

_MEANING = "nothing is known of what would be looked at here"


def examine(now: datetime) -> Iterator[Check]:
    """Every check, as soon as it is known. now: what the clock says."""
    for about, look in _OF_THE_INSTALLATION.items():
        yield from _guarded(about, look)
    try:
        settings = Settings()
    except ValidationError:
        yield absent("home", "it is looked at once the settings make sense")
        return
    for about, look_at in _OF_THE_HOME.items():
        yield from _guarded(about, lambda look_at=look_at: look_at(settings, now))  # type: ignore[misc]


def is_wrong(checks: Iterable[Check]) -> bool:
    """Whether a person is needed."""
    return any(check.state is State.FAULT for check in checks)


def _guarded(about: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A look that may need what is not installed, or find what nobody has thought of."""
    try:
        yield from look()
    except ImportError as error:
        yield absent(about, f"not looked at: {error.name or error} is not installed")
    except Exception as error:
        line = (str(error).splitlines() or [""])[0][:200]
        told = f"looking at it failed: {type(error).__name__}: {line}"
        yield fault(about, told, _MEANING, "if nothing else here explains it, report it as a bug")


def _installation() -> Iterator[Check]:
    from tasks.operations.doctor.machine import check_time_zones
    from tasks.operations.doctor.packages import check_packages, check_python

    yield check_python()
    yield from check_packages()
    yield check_time_zones()


def _variables() -> Iterator[Check]:
    from tasks.operations.doctor.variables import check_variables

    yield from check_variables()


def _machine(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.machine import check_clock, check_disk
    from tasks.operations.doctor.permissions import check_permissions

    if not settings.home.is_dir():
        yield absent("home", f"nothing has run in {settings.home}; first type: triptych up")
    yield check_clock(settings.home, now)
    yield from check_disk(settings.home)
    yield from check_permissions(settings)


def _written(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.written import check_written

    yield from check_written(settings)


def _databases(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.databases import check_databases

    yield from check_databases(settings)


def _nights(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.nights import check_bucket, check_nights

    yield from check_nights(settings.home)
    yield from check_bucket(settings)


def _sentiment(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.sentiment import check_models

    yield from check_models(settings.home)


def _fraud(settings: Settings, now: datetime) -> Iterator[Check]:
    from services.fraud.scoring.models import Models
    from tasks.operations.doctor.fraud import check_models, check_snapshot

    yield from check_models(Models(settings.home, settings.fraud_state_url))
    yield from check_snapshot(settings.home)


def _releases(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.releases import check_bundled, check_releases

    yield check_bundled()
    yield from check_releases(settings, now)


def _device(settings: Settings, now: datetime) -> Iterator[Check]:
    from tasks.operations.doctor.device import check_device

    yield from check_device(settings, now)


_OF_THE_INSTALLATION = {"installation": _installation, "settings": _variables}
_OF_THE_HOME = {
    "machine": _machine,
    "what people write": _written,
    "databases": _databases,
    "nights": _nights,
    "sentiment model": _sentiment,
    "fraud model": _fraud,
    "releases": _releases,
    "device": _device,
}

"""What belongs to a home and lies elsewhere, as its settings say."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tasks.settings import Settings

FOLDER = "elsewhere"  # in a copy
WAREHOUSE, PREFECT = "warehouse.db", "prefect.db"  # in that folder
WAREHOUSE_URL = "TRIPTYCH_DATABASE_URL"
FRAUD_URL = "TRIPTYCH_FRAUD_STATE_URL"
PREFECT_URL = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@dataclass(frozen=True)
class Place:
    """A file or folder outside the home.

    Attributes:
        setting: the variable that says where it lies.
        given: where, as text without a password.
        path: the same; None: it is neither a file nor a folder of this machine.
        name: what it is called in a copy of the home.
        form: what the setting is to be once the copy lies in a folder {}.
    """

    setting: str
    given: str
    path: Path | None
    name: str
    form: str = "{}"

    @property
    def kept_as(self) -> str:
        """Its path in a copy of the home."""
        return f"{FOLDER}/{self.name}"

    def setting_in(self, folder: str) -> str:
        """What to set once the copy was unpacked there."""
        return f"{self.setting}={self.form.format(f'{folder}/{self.kept_as}')}"


def places_elsewhere(settings: Settings) -> list[Place]:
    """All of them, but for databases of PostgreSQL, in the order of the settings."""
    home = settings.home.resolve()
    return [
        place
        for place in _places(settings)
        if place.path is None or not place.path.resolve().is_relative_to(home)
    ]


def _places(settings: Settings) -> Iterator[Place]:
    if settings.database_url is not None and (file := _sqlite_file(settings.warehouse_url)):
        yield Place(WAREHOUSE_URL, str(file), file, WAREHOUSE, "sqlite:///{}")
    if file := _prefects_file():
        yield Place(PREFECT_URL, str(file), file, PREFECT, "sqlite+aiosqlite:///{}")
    if settings.releases is not None:
        is_folder = "://" not in settings.releases
        folder = Path(settings.releases).expanduser().absolute() if is_folder else None
        yield Place("TRIPTYCH_RELEASES_URL", str(folder or settings.releases), folder, "releases")
    for setting, path, name in (
        ("TRIPTYCH_RELEASE_KEYS", settings.signing_keys, "keys"),
        ("TRIPTYCH_TELEMETRY", settings.telemetry_folder, "telemetry"),
        ("TRIPTYCH_BLACKOUT_DAYS", settings.blackout_days, "blackout-days.txt"),
        ("BENTOML_HOME", _bentoml(), "bentoml"),
    ):
        if path is not None:
            yield Place(setting, str(path), path, name)


def _sqlite_file(address: str) -> Path | None:
    """Where a database lies; None: it is no file of SQLite's."""
    url = sa.make_url(address)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database)).absolute()


def _prefects_file() -> Path | None:
    address = os.environ.get(PREFECT_URL)
    try:
        return _sqlite_file(address) if address else None
    except (sa.exc.ArgumentError, ValueError):  # with such an address no server starts
        return None


def _bentoml() -> Path | None:
    given = os.environ.get("BENTOML_HOME")
    return Path(given).expanduser().absolute() if given else None

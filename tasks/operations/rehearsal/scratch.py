"""A scratch copy of a home: faults do their harm there, and it is gone afterwards.

The home itself is read only; a survey of its files before and after tells whether anything in it
has changed meanwhile.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.fraud.errors import ModelError
from services.fraud.scoring.models import Models
from services.fraud.scoring.store import store_folder
from services.storage import sqlite_file
from services.storage.files import ASIDE, write_text
from tasks.operations.rehearsal.errors import RehearsalError
from tasks.settings import Settings

SPARE_BYTES = 512 << 20  # what the rehearsals write beside the copy, and some room
_LEFT_OUT = ("logs", "prefect/server.url", "prefect/server.log", "cache/hub", "detectors")
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
    "PYTHON",
    "LC_",
    "LD_",
    "OMP_",
    "MKL_",
)


@dataclass(frozen=True)
class Survey:
    """The files of a home: what would be another number if somebody wrote to one."""

    files: Mapping[str, tuple[int, int, int, int]]  # size, instant of the last write, mode, inode

    def changed(self, later: "Survey") -> list[str]:
        """The files that came, went or changed."""
        names = self.files.keys() | later.files.keys()
        return sorted(name for name in names if self.files.get(name) != later.files.get(name))


def survey(home: Path) -> Survey:
    """Look at all files; not at SQLite's index of a log, which readers touch as well."""
    found = {}
    for file in _files(home):
        if not file.name.endswith("-shm"):
            try:
                told = file.lstat()
            except FileNotFoundError:  # gone meanwhile
                continue
            state = (told.st_size, told.st_mtime_ns, told.st_mode, told.st_ino)
            found[str(file.relative_to(home))] = state
    return Survey(found)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for copies, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="triptych-rehearsal-") as folder:
        yield Path(folder)


def sources(settings: Settings) -> dict[str, Path]:
    """What is copied, by its place in the copy: the home, and what settings have put elsewhere."""
    home = settings.home
    elsewhere = {
        "bentoml": store_folder(home),
        "keys": settings.release_keys,
        "releases": Path(settings.releases_url.removeprefix("file://")),
    }
    apart = {
        name: folder
        for name, folder in elsewhere.items()
        if folder.absolute() != home / name and "://" not in str(folder) and folder.is_dir()
    }
    return {"": home, **apart}


def size_of(settings: Settings) -> int:
    """Bytes that the copy takes."""
    size = 0
    for folder in sources(settings).values():
        for file in _copied(folder):
            with suppress(FileNotFoundError):  # deleted meanwhile
                size += file.lstat().st_size
    return size


def check_room(size: int, folder: Path) -> None:
    """Raises: RehearsalError: the copy has no room."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise RehearsalError(
            f"the copy takes {(size + SPARE_BYTES) / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are"
            f" free in {folder.parent}: name a larger place,"
            " TMPDIR=/larger triptych doctor --break"
        )


def copy_home(settings: Settings, target: Path) -> None:
    """Copy all but logs, what is downloaded, and traces of a server that runs.

    Fraud models that lie in a database, and their roles, are put into the copy as its own.

    Raises: RehearsalError: something cannot be read.
    """
    for place, folder in sources(settings).items():
        for file in _copied(folder):
            name = file.relative_to(folder)
            copy = target / place / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                _copy(file, copy, as_database=sqlite_file.DAMAGED not in name.parts)
            except FileNotFoundError:  # deleted meanwhile
                continue
            except (OSError, sqlite3.Error) as error:
                raise RehearsalError(
                    f"{file} cannot be copied ({error}): triptych doctor tells what is wrong"
                ) from error
    for folder in (target / "keys", target / "prefect"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    models = Models(settings.home, settings.fraud_state_url)
    if models.is_shared:
        try:
            _bring_models(models, target)
        except ModelError as error:
            raise RehearsalError(f"{error}: triptych doctor tells what is wrong") from error


def _bring_models(models: Models, target: Path) -> None:
    standing = models.registry().read()
    for tag in standing.named:
        if models.fault(tag) is None:
            with models.files_of(tag) as files:
                place = target / "bentoml" / "models" / tag.replace(":", "/")
                shutil.copytree(files, place, dirs_exist_ok=True)
    write_text(target / "fraud" / "registry.json", standing.text())


def _copy(file: Path, copy: Path, *, as_database: bool) -> None:
    if file.is_symlink():
        copy.symlink_to(file.readlink())
    elif as_database and sqlite_file.is_sqlite(file):
        sqlite_file.copy(file, copy)
    else:
        shutil.copy2(file, copy)


def _copied(folder: Path) -> Iterator[Path]:
    for file in _files(folder):
        place = file.relative_to(folder).as_posix()
        left_out = any(place == name or place.startswith(f"{name}/") for name in _LEFT_OUT)
        if not left_out and not file.name.endswith(sqlite_file.BESIDE):
            yield file


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(ASIDE))
        for name in sorted(names):
            file = Path(parent) / name
            if not name.startswith(ASIDE) and (file.is_file() or file.is_symlink()):
                yield file


@contextmanager
def environment_of(copy: Path) -> Iterator[None]:
    """Let this process and those that it starts know the copy alone.

    No setting of the operator's is left: none leads to a database or an address of theirs.
    """
    before = dict(os.environ)
    kept = {name: value for name, value in before.items() if name.startswith(_KEPT)}
    os.environ.clear()
    os.environ.update({**kept, "TRIPTYCH_HOME": str(copy), "PREFECT_HOME": str(copy / "prefect")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

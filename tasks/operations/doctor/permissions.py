"""Who may read and change what only its owner should: the home, passwords, keys."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tasks.operations.doctor.check import Check, fault, ok
from tasks.orchestration.prefect_access import password_file, scrape_password_file
from tasks.orchestration.running_server import noted_process
from tasks.settings import Settings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOUNTED = "/run/secrets/"  # in a container, where nobody else is; of mode 0444 there
_SECRETS_IN_FILES = "_FILE"  # how a variable ends that names the file of a secret


def check_permissions(settings: Settings) -> Iterator[Check]:
    """The home, Prefect's password, the keys of releases, and files that variables name."""
    found = [*_check_home(settings.home), *_check_password(settings.home)]
    found += _check_scraping(settings.home)
    found += _check_keys(settings.release_keys)
    found += _check_secret_files()
    yield from found
    if not found:
        yield ok("permissions", "nobody else can read keys or passwords, or write into the home")


def _check_home(home: Path) -> Iterator[Check]:
    if home.is_dir() and home.stat().st_mode & stat.S_IWOTH:
        yield fault(
            "permissions",
            f"everybody can write into {home}",
            "anybody on this machine can put models and results of theirs there",
            f"chmod o-w {home}",
        )


def _check_password(home: Path) -> Iterator[Check]:
    known = password_file(home)
    for file in (known, scrape_password_file(home)):  # the second holds the same secret
        if _is_open(file):
            yield fault(
                "permissions",
                f"{file} can be read by others (mode {_mode(file)})",
                "anybody on this machine can command the Prefect server",
                f"chmod 600 {file}; for a new password: rm {known}, then triptych up",
            )


def _check_scraping(home: Path) -> Iterator[Check]:
    """What Prometheus presents, while a server runs that wants it."""
    file = scrape_password_file(home)
    if noted_process(home) is None:
        return
    try:
        wrong = "" if file.read_bytes().strip() else "is empty"
    except FileNotFoundError:
        wrong = "is missing"
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
    if wrong:
        yield fault(
            "permissions",
            f"{file} {wrong}",
            "Prometheus cannot ask the Prefect server how it is",
            "start the Prefect server again, which writes it: end triptych up, then type it again",
        )


def _check_keys(folder: Path) -> Iterator[Check]:
    keys = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    if keys and _is_open(folder):
        yield fault(
            "permissions",
            f"{folder} can be read by others (mode {_mode(folder)})",
            "publishing refuses keys that lie there",
            f"chmod 700 {folder}",
        )
    for file in keys:
        if _is_open(file):
            role = file.stem.partition("-")[0]
            yield fault(
                "permissions",
                f"{file} can be read by others (mode {_mode(file)})",
                "whoever has read it can sign releases that devices believe",
                f"chmod 600 {file}; if somebody may have read it,"
                f" triptych manage-releases --rotate {role}",
            )


def _check_secret_files() -> Iterator[Check]:
    for name, value in sorted(os.environ.items()):
        if name.startswith("TRIPTYCH_") and name.endswith(_SECRETS_IN_FILES) and value:
            if not os.access(value, os.R_OK):
                yield fault(
                    "permissions",
                    f"{name} names {value}, which cannot be read",
                    "the secret is missing",
                    f"put it there, or unset {name}",
                )
            elif not value.startswith(_MOUNTED) and Path(value).stat().st_mode & stat.S_IROTH:
                yield fault(
                    "permissions",
                    f"{value}, which {name} names, can be read by everybody",
                    "the secret in it is none",
                    f"chmod o-rwx {value}",
                )


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & _OTHERS)
    except OSError:  # not there
        return False


def _mode(file: Path) -> str:
    return f"{stat.S_IMODE(file.stat().st_mode):04o}"

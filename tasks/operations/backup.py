"""A copy of the home folder in one file, from which an empty one goes on.

Files first, then the databases: what a database says is there, is, and what is missing in a file
of a run is done again. SQLite databases are copied by SQLite itself, so that the service and the
Prefect server may go on meanwhile; by `pg_dump`, into the same file, a PostgreSQL warehouse and
what fraud services on several machines share. Files and folders that settings put elsewhere lie in
`elsewhere/` of the copy, and what cannot be copied is named. Runs write files and tables together:
while one is at work, nothing is copied.

The file holds the keys and passwords of the home: only its owner reads it.
"""

import os
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from services.storage.files import ASIDE, written_aside
from services.storage.locks import Held, held
from services.storage.sqlite_file import DAMAGED, is_sqlite
from tasks.operations.elsewhere import FRAUD_URL, Place, places_elsewhere
from tasks.settings import Settings

DUMP, FRAUD_DUMP = "warehouse.dump", "fraud.dump"
DUMP_THERE = f"docker compose exec -T postgres pg_dump -U triptych -Fc triptych > {DUMP}"
_NAMES = {
    DUMP: "the PostgreSQL warehouse",
    FRAUD_DUMP: f"the database that fraud services share ({FRAUD_URL})",
}
_NO_DUMPS: Mapping[str, str] = MappingProxyType({})
# What a run holds while it writes: nights, promotions, releases.
_LOCKS = ("sentiment/locks/*.lock", "fraud/registry.lock", "releases/.lock")
_LOCK_OF_RELEASES = ".lock"
_NOT_KEPT = ("-wal", "-shm", "-journal", ".lock", "/server.url", "/server.log")


class BackupError(Exception):
    """No copy was made; says why, and what would help."""


ERRORS = (BackupError,)


class Asked(Protocol):
    """What the command is asked for."""

    @property
    def to(self) -> Path:
        """The file that is made; it must not be there yet."""

    @property
    def without_postgres(self) -> bool:
        """Whether databases of PostgreSQL are left out."""


def run(given: Asked) -> None:
    """Copy the home of the settings, what belongs to it, and its databases.

    Raises:
        BackupError: a run is at work, the file is there already, or a database cannot be copied.
        OSError: a file cannot be read, or the copy not be written.
    """
    settings = Settings()
    postgres = _databases(settings)
    places = places_elsewhere(settings)
    kept = [place for place in places if place.path is not None and place.path.exists()]
    dumped = _NO_DUMPS if given.without_postgres else postgres
    files = back_up(settings.home, given.to.expanduser().absolute(), dumped, kept)
    print(f"copied         {files:,} files of {settings.home} into {given.to}")
    for place in kept:
        print(f"               with {place.given} ({place.setting}) as {place.kept_as}")
    for place in places:
        if place not in kept:
            why = "is not there" if place.path else "is not of this machine: copy it by its means"
            print(f"left out       {place.given} ({place.setting}) {why}")
    for name in postgres.keys() - dumped.keys():
        there = DUMP_THERE if name == DUMP else f"pg_dump -Fc > {name}"
        print(f"left out       {_NAMES[name]}; where its server runs: {there}")
    print(f"to restore     mkdir NEW && tar -xpf {given.to} -C NEW; then set TRIPTYCH_HOME to NEW")
    for place in kept:
        print(f"               and {place.setting_in('NEW')}")
    for name in dumped:
        print(
            f"               and, into an empty database: pg_restore --no-owner -d URL NEW/{name}"
        )


def _databases(settings: Settings) -> dict[str, str]:
    """Addresses of PostgreSQL by the names of their dumps; one that is both is dumped once."""
    given = {DUMP: settings.database_url, FRAUD_DUMP: settings.fraud_state_url}
    urls = {name: url.get_secret_value() for name, url in given.items() if url is not None}
    found = {name: url for name, url in urls.items() if url.startswith("postgresql")}
    if len({_without_password(url)[0] for url in found.values()}) < len(found):
        del found[FRAUD_DUMP]
    return found


def back_up(
    home: Path,
    target: Path,
    dumps: Mapping[str, str] = _NO_DUMPS,
    places: Sequence[Place] = (),
) -> int:
    """Copy a home into a tar file; how many files it holds. Raises as `run`.

    Args:
        dumps: addresses of databases of PostgreSQL, by the names of their dumps in the copy.
        places: what is copied besides, of this machine.
    """
    if target.exists():
        raise BackupError(f"{target} is there already: name another file")
    if not home.is_dir():
        raise BackupError(f"{home} is no folder: there is nothing to copy")
    roots = [(home, ""), *((place.path, place.kept_as) for place in places if place.path)]
    with (
        _no_run_at_work([root for root, _ in roots]) as check_again,
        written_aside(target, mode=0o600) as output,
        tarfile.open(fileobj=output, mode="w") as archive,
    ):
        count = _add(archive, roots, target, dumps)
        check_again()  # while there is no copy yet
    return count


def _add(
    archive: tarfile.TarFile,
    roots: Sequence[tuple[Path, str]],
    target: Path,
    dumps: Mapping[str, str],
) -> int:
    """roots: files or folders, each with its name in the copy."""
    databases, count = [], 0
    files = [
        (file, Path(name) / file.relative_to(root))
        for root, name in roots
        for file in (_files(root, target) if root.is_dir() else [root])
    ]
    for file, name in files:
        if DAMAGED not in name.parts and _is_database(file):
            databases.append((file, name))
            continue
        try:
            archive.add(file, name, recursive=False)
        except FileNotFoundError:  # deleted meanwhile, as what waited for the log is
            continue
        count += not file.is_dir()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=ASIDE) as folder:
        aside = Path(folder) / "copy"
        for database, name in databases:
            _copy_database(database, aside)
            archive.add(aside, name)
            aside.unlink()
        for dump, url in dumps.items():
            _dump(url, aside)
            archive.add(aside, dump)
            aside.unlink()
    return count + len(databases) + len(dumps)


def _files(home: Path, target: Path) -> list[Path]:
    """What is kept: folders, for their permissions, and files.

    What vouches for other files is written last, and so it is read first: pointers, cards and
    metadata are JSON.
    """
    found = []
    for folder, folders, names in os.walk(home):
        folders[:] = [name for name in folders if not name.startswith(ASIDE)]
        found += [Path(folder) / name for name in (*folders, *names) if not name.startswith(ASIDE)]
    kept = [
        file
        for file in found
        if not str(file).endswith(_NOT_KEPT)
        and file != target
        and (file.is_symlink() or file.is_file() or file.is_dir())
    ]
    return sorted(kept, key=lambda file: (not file.is_dir(), file.suffix != ".json", str(file)))


def _is_database(file: Path) -> bool:
    return file.is_file() and is_sqlite(file)


def _copy_database(database: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(database, timeout=60)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (found,) = target.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{database} cannot be copied: {error}") from error
    if found != "ok":
        raise BackupError(f"{database} is damaged ({found}): restore it from an earlier copy")
    copy.chmod(database.stat().st_mode & 0o777)


def _dump(url: str, copy: Path) -> None:
    """Let pg_dump write a database; its password is in no argument that others could see."""
    address, password = _without_password(url)
    try:
        done = subprocess.run(
            ["pg_dump", "--format=custom", "--no-owner", f"--file={copy}", f"--dbname={address}"],
            env={**os.environ, **({"PGPASSWORD": password} if password else {})},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise BackupError(
            "pg_dump is not there: install PostgreSQL's client programs, or copy all else by"
            f" --without-postgres, and dump the warehouse where its server runs: {DUMP_THERE}"
        ) from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        older = "server version mismatch" in done.stderr
        cure = (
            ": install client programs that are as new as the server, or use --without-postgres"
            f" and {DUMP_THERE}"
            if older
            else ""
        )
        raise BackupError(f"pg_dump failed: {reason[0].removeprefix('pg_dump: ')}{cure}")


def _without_password(url: str) -> tuple[str, str | None]:
    """The address for PostgreSQL's own programs, and the password that was in it."""
    from sqlalchemy.engine import URL, make_url

    given = make_url(url)
    query = {name: value for name, value in given.query.items() if name != "password"}
    plain = URL.create(
        "postgresql",
        username=given.username,
        host=given.host,
        port=given.port,
        database=given.database,
        query=query,
    )
    password = given.password or given.query.get("password")
    return plain.render_as_string(), str(password) if password else None


@contextmanager
def _no_run_at_work(roots: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Hold what runs hold; what is given sees to it that none has begun meanwhile.

    Raises: BackupError: one is at work.
    """
    with ExitStack() as stack:
        before = _locks(roots)
        for lock in before:
            try:
                stack.enter_context(held(lock, patience_s=0, note="a back-up"))
            except Held as error:
                raise BackupError(
                    f"a run is at work (process {error.holder or 'unknown'} holds {lock}): wait"
                    " for it to end"
                ) from error

        def check_again() -> None:
            if _locks(roots) != before:
                raise BackupError("a run began meanwhile: wait for it to end, and ask again")

        yield check_again


def _locks(roots: Sequence[Path]) -> list[Path]:
    home, *others = roots
    found = [lock for pattern in _LOCKS for lock in home.glob(pattern)]
    found += [root / _LOCK_OF_RELEASES for root in others if (root / _LOCK_OF_RELEASES).is_file()]
    return sorted(found)

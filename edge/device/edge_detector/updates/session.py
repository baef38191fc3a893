"""One look at a repository: its metadata refreshed and verified, then files of that state.

python-tuf decides what is believed. Here its errors become ours, by whose fault they are:
`ReleaseError` if what came cannot be trusted, `DownloadError` if nothing came, or no more than a
later try may better. In both cases the device goes on with what it has.

Clocks: signatures expire by this device's clock. A clock that is behind the last refresh, as it is
after a start without a battery, would make expired ones good, so nothing is fetched until it is
set. A clock that is ahead makes all expired; the message says what it shows.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuf.api import exceptions
from tuf.api.metadata import TargetFile
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from edge_detector.contract.limits import Limits
from edge_detector.errors import ConfigError, DownloadError, EdgeError, ReleaseError
from edge_detector.system.atomic import Step
from edge_detector.updates.address import Address
from edge_detector.updates.fetcher import NOT_FOUND, BoundedFetcher
from edge_detector.updates.trust import MAX_ROOT_BYTES, Trust

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # no release is older
CLOCK_TOLERANCE = timedelta(days=1)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DAMAGED = (errno.EIO, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)  # what a decayed disk brings

logger = logging.getLogger(__name__)


class Session:
    """A repository in one state, from `refresh` on."""

    def __init__(
        self,
        address: Address,
        fetcher: BoundedFetcher,
        trust: Trust,
        limits: Limits,
        step: Step,
    ) -> None:
        self._address = address
        self._fetcher = fetcher
        self._trust = trust
        self._limits = limits
        self._step = step
        self._updater: Updater | None = None

    def refresh(self, now: datetime, last_refresh: datetime | None) -> None:
        """Fetch and verify the metadata; on first use pin the root.

        Raises:
            ReleaseError: it is not signed as it should be, older than what was seen, or expired.
            DownloadError: it did not come, not whole, or too slowly; or the clock is not set.
            ConfigError: the root is missing or lost, or the home cannot be written.
        """
        _check_clock(now, last_refresh)
        self._trust.sweep()
        with self._faults(now), self._fetcher.within(self._limits.refresh_s):
            self._trust.metadata.mkdir(parents=True, exist_ok=True)
            root = self._trust.root(self._fetch_first_root)
            self._step("trust: root known")
            try:
                self._updater = self._refreshed(root)
            except OSError as error:
                if error.errno not in _DAMAGED:  # the cache is whole, and protects from old ones
                    raise
                logger.warning("%s is damaged (%s): fetching anew", self._trust.metadata, error)
                self._trust.forget_metadata()
                self._trust.metadata.mkdir(parents=True)
                self._updater = self._refreshed(root)
            self._step("trust: refreshed")
            self._trust.sync()
            self._trust.pin(root, self._address.base)
            self._step("trust: pinned")

    def find(self, path: str) -> TargetFile | None:
        """A file as it was signed; None: there is no such file. Raises as `refresh`."""
        with self._faults():
            return self._refreshed_updater.get_targetinfo(path)

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """The verified content of a small file; None: there is no such file.

        Raises:
            ReleaseError: it is longer than that, or not as it was signed.
            DownloadError: it did not come.
        """
        target = self.find(path)
        if target is None:
            return None
        check_length(target, max_bytes)
        with self._faults():
            place = self._trust.folder / "incoming"
            try:
                self._refreshed_updater.download_target(target, str(place))
                return place.read_bytes()
            finally:
                place.unlink(missing_ok=True)

    def fetch(self, target: TargetFile, place: Path) -> None:
        """Download a file and verify it.

        Raises:
            ReleaseError: it is not as it was signed.
            DownloadError: it did not come, or there is no space left.
        """
        with self._faults():
            self._refreshed_updater.download_target(target, str(place))

    @property
    def _refreshed_updater(self) -> Updater:
        if self._updater is None:
            raise RuntimeError("refresh comes first")
        return self._updater

    def _refreshed(self, root: bytes) -> Updater:
        updater = Updater(
            metadata_dir=str(self._trust.metadata),
            metadata_base_url=f"{self._address.base}/metadata/",
            target_base_url=f"{self._address.base}/targets/",
            fetcher=self._fetcher,
            config=UpdaterConfig(),
            bootstrap=root,
        )
        updater.refresh()
        return updater

    def _fetch_first_root(self) -> bytes:
        url = f"{self._address.base}/metadata/1.root.json"
        return self._fetcher.download_bytes(url, MAX_ROOT_BYTES)

    @contextmanager
    def _faults(self, now: datetime | None = None) -> Iterator[None]:
        """Errors of python-tuf, of the network and of the disk become ours."""
        where = self._address.base
        try:
            yield
        except EdgeError:
            raise
        except exceptions.DownloadHTTPError as error:
            if error.status_code == NOT_FOUND:
                raise DownloadError(f"{where} holds no whole repository: {error}") from error
            raise DownloadError(str(error)) from error
        except exceptions.DownloadError as error:
            raise DownloadError(str(error) or f"cannot fetch from {where}") from error
        except exceptions.RepositoryError as error:
            raise ReleaseError(_explain(error, where, self._trust, now)) from error
        except OSError as error:
            raise disk_fault(error, self._trust.folder) from error


def disk_fault(error: OSError, folder: Path) -> EdgeError:
    """Why nothing can be written in a folder: it is full for now, or not for us."""
    if error.errno in _FULL:
        return DownloadError(f"no space left in {folder}: nothing was changed")
    return ConfigError(f"cannot write in {folder}: {error.strerror or error}")


def check_length(target: TargetFile, max_bytes: int) -> None:
    """Raises: ReleaseError: a file is longer than it may be."""
    if target.length > max_bytes:
        raise ReleaseError(
            f"{target.path} has {target.length:,} bytes; {max_bytes:,} is the most it may have"
        )


def _check_clock(now: datetime, last_refresh: datetime | None) -> None:
    floor = max(EARLIEST, last_refresh or EARLIEST)
    if now < floor - CLOCK_TOLERANCE:
        since = "the last update" if last_refresh == floor else "any release"
        raise DownloadError(
            f"the clock of this device says {now:%Y-%m-%d %H:%M} UTC, which is before {since}"
            f" ({floor:%Y-%m-%d}): set it (by NTP, or `date -s`). Until then nothing is fetched,"
            " as it could not be told whether it has expired"
        )


def _explain(
    error: exceptions.RepositoryError, where: str, trust: Trust, now: datetime | None
) -> str:
    """What it means that python-tuf refuses something."""
    if isinstance(error, exceptions.ExpiredMetadataError):
        clock = f" (it says {now:%Y-%m-%d %H:%M} UTC)" if now else ""
        return (
            f"the signatures of {where} have expired ({error}): its publisher has not renewed them,"
            f" or an old copy is shown there, or the clock of this device{clock} is wrong"
        )
    if isinstance(error, exceptions.UnsignedMetadataError):
        return (
            f"what {where} shows is not signed by the keys that this device trusts ({error})."
            " If its publisher has started anew with other keys, give the new root with"
            f" --root FILE; trusted is the root {trust.pinned() or 'that was given'}"
        )
    if isinstance(error, exceptions.BadVersionNumberError):
        return f"{where} shows older signatures than this device has seen ({error}): refused"
    if isinstance(error, exceptions.LengthOrHashMismatchError):
        return f"a file from {where} is not the one that was signed ({error})"
    return f"what {where} shows is refused: {error}"

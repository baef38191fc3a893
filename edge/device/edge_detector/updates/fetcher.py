"""How files of a repository come to the device: from a folder here, or from a web server (`web`).

Both speak python-tuf's `FetcherInterface`, and what they fetch is verified elsewhere. Here is what
no server may do, however it behaves: send more than was asked for, or take longer than a download
of that size may take in all.
"""

import stat
import time
from abc import abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)
from tuf.ngclient.fetcher import FetcherInterface

from edge_detector.contract.limits import Limits

CHUNK_BYTES = 64 * 1024
IN_MEMORY_BYTES = 1024 * 1024  # of a download; a larger one waits on the disk
NOT_FOUND = 404


class BoundedFetcher(FetcherInterface):
    """Downloads with an end: in bytes and in seconds. One at a time.

    scratch: where large downloads wait; by default the system's folder for such files. It is set
    to a folder of the home, as that may be the only disk with room.
    """

    def __init__(self, limits: Limits) -> None:
        self.scratch: str | None = None
        self._limits = limits
        self._cancelled = False
        self._session_end = float("inf")
        self._end = float("inf")  # of the current download, on the monotonic clock

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All downloads in the block together may take that long."""
        self._session_end = time.monotonic() + seconds
        try:
            yield
        finally:
            self._session_end = float("inf")

    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """A file that ends when the caller's block does.

        Raises:
            DownloadLengthMismatchError: there is more than max_length bytes of it.
            SlowRetrievalError: it took too long in all.
            DownloadHTTPError: there is no such file; any other status of an HTTP server.
            DownloadError: any other reason.
        """
        budget_s = self._limits.download_s + max_length / self._limits.min_bytes_per_s
        self._end = min(time.monotonic() + budget_s, self._session_end)
        with SpooledTemporaryFile(IN_MEMORY_BYTES, dir=self.scratch) as file:
            received = 0
            with closing(self._chunks(url)) as chunks:
                for chunk in chunks:
                    received += len(chunk)
                    if received > max_length:
                        raise DownloadLengthMismatchError(
                            f"{url} is longer than the {max_length:,} bytes it may have"
                        )
                    file.write(chunk)
            file.seek(0)
            yield file

    def cancel(self) -> None:
        """End the current download and all that come; for threads and handlers of signals."""
        self._cancelled = True

    def close(self) -> None:
        """Let go of connections; the fetcher can still be used."""

    @abstractmethod
    def _fetch(self, url: str) -> Generator[bytes, None, None]:
        """The chunks of a file. Raises what `download_file` does, also in the middle."""

    def _chunks(self, url: str) -> Generator[bytes, None, None]:
        self._check_time(url)
        with closing(self._fetch(url)) as chunks:
            for chunk in chunks:
                self._check_time(url)
                yield chunk

    def _check_time(self, url: str) -> None:
        if self._cancelled:
            raise DownloadError(f"{url} was given up, as the device is ending")
        if time.monotonic() > self._end:
            raise SlowRetrievalError(f"{url} came too slowly and was given up")


class FolderFetcher(BoundedFetcher):
    """Reads a repository in a folder: on a disk, a stick, or a share of the network."""

    def _fetch(self, url: str) -> Generator[bytes, None, None]:
        path = Path(url)
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would never end
                raise DownloadError(f"{path} is no file")
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DownloadHTTPError(f"there is no file {path}", NOT_FOUND) from error
        except OSError as error:
            raise DownloadError(f"cannot read {path}: {error.strerror or error}") from error

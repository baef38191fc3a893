"""The address of a repository that a user gave, and what fetches from there."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge_detector.contract.limits import Limits
from edge_detector.errors import ConfigError
from edge_detector.system.address import hide_secrets
from edge_detector.updates.fetcher import BoundedFetcher, FolderFetcher


@dataclass(frozen=True)
class Address:
    """Where a repository lies.

    base: a folder or an http(s) address, without a slash at its end and without a password.
    folder: None for the web. userinfo: user:password as they stood in the address.
    """

    base: str
    folder: Path | None = None
    userinfo: str = ""

    def open(self, limits: Limits) -> BoundedFetcher:
        """What fetches from there. Raises as `WebFetcher`."""
        if self.folder is not None:
            return FolderFetcher(limits)
        from edge_detector.updates.web import WebFetcher  # which a folder does not need

        return WebFetcher(self.base, limits, self.userinfo)


def parse_address(releases: str) -> Address:
    """Read what a user gave: a folder, a file:// or an http(s):// address.

    Raises:
        ConfigError: it is none of these; says what would be right.
    """
    if "://" not in releases:
        if not releases.strip():
            raise ConfigError("the address of the releases is empty: give a folder or https://…")
        return _folder(Path(releases).expanduser().absolute())
    address = hide_secrets(releases)
    try:
        parts = urlsplit(releases)
        host, _ = parts.hostname, parts.port
    except ValueError:  # which may say the password
        raise ConfigError(
            f"{address} is no address: write https://host:port/folder, and in a password %2F for /"
        ) from None
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise ConfigError(f"{address}: write file:///folder, with three slashes")
        return _folder(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        raise ConfigError(f"{address}: give the https:// address at which the bucket is served")
    if parts.scheme not in ("http", "https"):
        raise ConfigError(f"{address}: give a folder, file://, http:// or https://")
    userinfo, _, server = parts.netloc.rpartition("@")
    if not host or parts.query or parts.fragment:
        raise ConfigError(f"{address}: give https://host/folder, without ? and #")
    return Address(f"{parts.scheme}://{server}{parts.path.rstrip('/')}", None, userinfo)


def _folder(folder: Path) -> Address:
    return Address(str(folder), folder)

"""The storage at an address that a user gave."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.release.errors import RepositoryError
from edge.release.repository.bucket import open_bucket
from edge.release.repository.storage import FolderStorage, Storage


def open_storage(url: str) -> Storage:
    """The storage at the path of a folder, a file:// or an s3://bucket/prefix address.

    Raises: RepositoryError: another kind of address, or boto3 is missing for a bucket.
    """
    scheme, separator, rest = url.partition("://")
    if not url.strip():
        raise RepositoryError("no address of a repository: give a folder or s3://bucket/prefix")
    if not separator:
        return FolderStorage(Path(url).expanduser())
    if scheme == "file" and rest.startswith("/"):
        return FolderStorage(Path(unquote(urlsplit(url).path)))
    if scheme == "s3":
        return open_bucket(url)
    raise RepositoryError(
        f"{url} cannot be written to: publish into a folder or an s3://bucket/prefix that is "
        "served under that address"
    )

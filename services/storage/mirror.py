"""Files as objects of a bucket, with a marker that vouches for them.

The marker is a file that says what belongs together. It is removed before anything that it may
vouch for is changed or deleted, and written last: where it is there, so is all else. What is there
with the same content already is not written again, so that a mirroring that was killed is
completed by the next.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from services.storage.bucket import Bucket
from services.storage.files import file_digest

AT_ONCE = 8  # requests


def mirror(bucket: Bucket, place: str, files: Sequence[Path], marker: Path) -> None:
    """Let the objects at `place` be these files and their marker, each by its name, and no others.

    marker: where there is no such file, nothing is to be there.
    Raises:
        BucketError: the bucket refuses; BucketAway: it may not, later.
        OSError: a file is gone, or cannot be read.
    """
    objects = _Objects(bucket, place, bucket.sizes(place))
    stale = objects.there.keys() - {marker.name} - {file.name for file in files}
    with ThreadPoolExecutor(AT_ONCE) as pool:  # where one fails, those that have not begun do not
        differs = pool.map(objects.differs, files)
        changed = [file for file, other in zip(files, differs, strict=True) if other]
        if stale or not marker.exists() or any(file.name in objects.there for file in changed):
            objects.delete(marker.name)
        list(pool.map(objects.put, changed))
        list(pool.map(objects.delete, sorted(stale)))
    if marker.exists() and objects.differs(marker):
        objects.put(marker)


@dataclass(frozen=True)
class _Objects:
    """there: the sizes of those that were there; what was deleted since is missing."""

    bucket: Bucket
    place: str
    there: dict[str, int]

    def differs(self, file: Path) -> bool:
        """Whether the object of that name is missing, or has another content."""
        if self.there.get(file.name) != file.stat().st_size:
            return True
        return self.bucket.digest(f"{self.place}/{file.name}") != file_digest(file)

    def put(self, file: Path) -> None:
        self.bucket.put(f"{self.place}/{file.name}", file, file_digest(file))

    def delete(self, name: str) -> None:
        if self.there.pop(name, None) is not None:
            self.bucket.delete(f"{self.place}/{name}")

"""A folder's files as objects: what is written, in which order, and what is left alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from services.storage import mirror as module
from services.storage.bucket import Bucket, BucketError, open_bucket
from services.storage.mirror import mirror
from tests.bucket import OwnBucket

MARKER = "_marker.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files and their marker."""
    folder = tmp_path / "day"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text(f"content of {name}")
    (folder / MARKER).write_text("a, b, c")
    return folder


@pytest.fixture
def bucket(own_bucket: OwnBucket) -> Bucket:
    return open_bucket(f"s3://{own_bucket.name}/kept")


def mirrored(bucket: Bucket, folder: Path, names: str) -> None:
    mirror(bucket, "day", [folder / name for name in names], folder / MARKER)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_objects_are_the_files_and_a_repeat_writes_none(own_bucket, bucket, folder):
    """Byte for byte, and what lies beside the place is not touched."""
    own_bucket.client.put_object(Bucket=own_bucket.name, Key="kept/day-before/x", Body=b"other")
    mirrored(bucket, folder, "abc")
    written = own_bucket.writes()

    mirrored(bucket, folder, "abc")

    assert own_bucket.objects("kept/day/") == content(folder)
    assert own_bucket.writes() == written and set(written.values()) == {1}
    assert own_bucket.objects("kept/day-before/") == {"x": b"other"}


def test_only_what_differs_is_written_and_what_is_no_more_named_goes(own_bucket, bucket, folder):
    """A content of the same length is another one, too."""
    mirrored(bucket, folder, "abc")
    (folder / "b").write_text("CONTENT OF B")
    (folder / "c").unlink()
    (folder / MARKER).write_text("a, b")

    mirrored(bucket, folder, "ab")

    assert own_bucket.objects("kept/day/") == content(folder)
    writes = own_bucket.writes()
    assert [writes[f"kept/day/{name}"] for name in ("a", "b", MARKER)] == [1, 2, 2]


def test_without_a_marker_nothing_is_there(own_bucket, bucket, folder):
    """As in a folder that is gone."""
    mirrored(bucket, folder, "abc")

    mirror(bucket, "day", [], folder / "gone" / MARKER)

    assert own_bucket.objects() == {}


@contextmanager
def cut_off(after: int) -> Iterator[None]:
    """Let nothing be done to the bucket after so many changes, as if the process was killed."""
    changes = count()

    def cut(change: Callable[..., None]) -> Callable[..., None]:
        def do(*arguments: object) -> None:
            if next(changes) >= after:
                raise KeyboardInterrupt
            change(*arguments)

        return do

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "AT_ONCE", 1)
        for name in ("put", "delete"):
            patch.setattr(Bucket, name, cut(getattr(Bucket, name)))
        yield


@pytest.mark.parametrize("after", range(5))
def test_marker_never_vouches_for_a_mixture(own_bucket, bucket, folder, after):
    """Cut off after each of its changes: the old one with all of the old, or none; then completed,
    and what had arrived is not written again."""
    mirrored(bucket, folder, "abc")
    old = own_bucket.objects("kept/day/")
    (folder / "a").write_text("another a")
    (folder / "b").unlink()
    (folder / "d").write_text("new")
    (folder / MARKER).write_text("a, c, d")

    with cut_off(after):
        mirrored(bucket, folder, "acd")

    left = own_bucket.objects("kept/day/")
    assert left == old if after == 0 else MARKER not in left
    mirrored(bucket, folder, "acd")
    assert own_bucket.objects("kept/day/") == content(folder)
    assert max(own_bucket.writes().values()) == 2


def test_marker_stays_while_others_come(own_bucket, bucket, folder):
    """What it vouches for is there all the time."""
    mirrored(bucket, folder, "abc")
    old = own_bucket.objects("kept/day/")
    (folder / "d").write_text("new")
    (folder / MARKER).write_text("a, b, c, d")

    with cut_off(1):
        mirrored(bucket, folder, "abcd")

    assert own_bucket.objects("kept/day/") == {**old, "d": b"new"}


def test_file_that_cannot_be_written_leaves_the_marker_away(own_bucket, bucket, folder):
    """The error is that of the bucket; of several files, the first one's."""
    own_bucket.client.put_object(Bucket=own_bucket.name, Key="kept/day/a", Body=b"old")
    put = Bucket.put

    with pytest.MonkeyPatch.context() as patch, pytest.raises(BucketError, match="refused"):

        def refuse(self, name, file, digest):
            if file.name == "b":
                raise BucketError("refused")
            put(self, name, file, digest)

        patch.setattr(Bucket, "put", refuse)
        mirrored(bucket, folder, "abc")

    assert MARKER not in own_bucket.objects("kept/day/")

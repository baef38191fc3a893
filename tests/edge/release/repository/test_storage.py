"""Folders and buckets: files whole or not at all, and one publisher at a time."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.release.errors import RepositoryError
from edge.release.repository.address import open_storage
from edge.release.repository.bucket import BucketStorage
from edge.release.repository.storage import Conflict, FolderStorage
from tests.edge.releases import Clock

ROOT = Path(__file__).parents[4]
BOTH = pytest.mark.parametrize("kind", ["folder", "bucket"])


@pytest.fixture
def storages(request, tmp_path, kind):
    """Makes storages of the same place, one for each publisher."""
    if kind == "folder":
        return lambda: FolderStorage(tmp_path / "releases", patience_s=0.3)
    client, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
    return lambda: BucketStorage(bucket, "edge/releases", client, patience_s=0.3)


@BOTH
def test_file_comes_back_as_it_was_written(storages):
    """Another publisher reads it; what was not written is not there."""
    storages().create("metadata/1.root.json", b"content")

    assert storages().read("metadata/1.root.json") == b"content"
    assert storages().read("metadata/2.root.json") is None
    assert storages().read("elsewhere/1.root.json") is None


@BOTH
def test_file_is_created_once(storages):
    """Again with the same content is no change, with another one a conflict."""
    storage = storages()
    storage.create("targets/a.bin", b"first")
    storage.create("targets/a.bin", b"first")
    with pytest.raises(Conflict, match=r"targets/a\.bin is there already, with another content"):
        storages().create("targets/a.bin", b"second")

    assert storage.read("targets/a.bin") == b"first"


@BOTH
def test_file_is_replaced_only_as_it_was_read(storages):
    """A publisher that was overtaken does not undo what the other one wrote."""
    slow, fast = storages(), storages()
    slow.replace("timestamp.json", b"1", None)
    fast.replace("timestamp.json", b"2", b"1")
    for old in (None, b"1"):
        with pytest.raises(Conflict, match=r"timestamp\.json was changed by another program"):
            slow.replace("timestamp.json", b"3", old)
    with pytest.raises(Conflict, match="was changed"):
        slow.replace("missing.json", b"3", b"2")

    assert slow.read("timestamp.json") == b"2"
    assert slow.read("missing.json") is None


@BOTH
def test_lock_keeps_another_publisher_out(storages):
    """It is told who is at work; when that one has ended, it may go on."""
    with (
        storages().lock(),
        pytest.raises(RepositoryError, match=f"written by process {os.getpid()} on"),
        storages().lock(),
    ):
        pass
    with storages().lock():
        pass


@BOTH
def test_lock_is_given_back_after_an_error(storages):
    """What a publisher fails of does not keep the next one waiting."""
    with pytest.raises(ZeroDivisionError), storages().lock():
        _ = 1 / 0
    with storages().lock():
        pass


@BOTH
def test_waiting_publisher_goes_on_when_the_other_ends(storages, kind):
    """Without an error, within its patience."""
    first, second = storages(), storages()
    second._patience_s = 30.0
    held, entered = threading.Event(), threading.Event()

    def wait() -> None:
        held.wait(10)
        with second.lock():
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    with first.lock():
        held.set()
        assert not entered.wait(0.2)
    thread.join(20)

    assert entered.is_set()


def test_folder_is_read_by_a_web_server_of_another_user(tmp_path):
    """Files get the mode of files that are served."""
    storage = FolderStorage(tmp_path / "releases")
    storage.create("metadata/1.root.json", b"content")

    assert stat.S_IMODE((tmp_path / "releases/metadata/1.root.json").stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_leaves_no_file(tmp_path, monkeypatch, step):
    """Neither the file nor a half of it, and the error says where."""
    storage = FolderStorage(tmp_path)

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail) if step == "fsync" else patch.setattr(
            Path, "replace", fail
        )
        with pytest.raises(RepositoryError, match=r"1\.root\.json cannot be written.*No space"):
            storage.create("1.root.json", b"content")

    assert list(tmp_path.iterdir()) == []


def test_killed_writer_leaves_no_file_and_no_lock(tmp_path):
    """The next publisher enters at once, and sweeps away what the killed one began."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from edge.release.repository.storage import FolderStorage\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "storage = FolderStorage(Path(sys.argv[1]))\n"
        "with storage.lock():\n"
        "    storage.create('metadata/1.root.json', b'content')\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list((tmp_path / "metadata").iterdir())) == 1  # the temporary file

    storage = FolderStorage(tmp_path, patience_s=0)
    with storage.lock():
        assert list((tmp_path / "metadata").iterdir()) == []
    assert storage.read("metadata/1.root.json") is None


def test_unusable_folder_is_named(tmp_path):
    """A file where the folder should be."""
    (tmp_path / "releases").write_text("a file")
    storage = FolderStorage(tmp_path / "releases")
    with pytest.raises(RepositoryError, match="releases cannot be written"), storage.lock():
        pass
    with pytest.raises(RepositoryError, match="cannot be read"):
        storage.read("metadata/1.root.json")


def test_lock_of_a_dead_publisher_ends_with_its_lease(s3, bucket):
    """Until then others are told for how long; afterwards one of them goes on."""
    clock = Clock()

    def seconds() -> float:
        return clock().timestamp()

    dead, next_one = (BucketStorage(bucket, "", s3, patience_s=0, clock=seconds) for _ in range(2))
    never_ended = dead.lock()
    never_ended.__enter__()
    clock.move(seconds=200)
    with pytest.raises(RepositoryError, match=r"in 100 s if it was killed"), next_one.lock():
        pass

    clock.move(seconds=101)
    with next_one.lock():
        next_one.create("1.root.json", b"of the next one")


def test_publisher_that_outlives_its_lease_is_told_so(s3, bucket):
    """It writes no more, neither a new file nor in place of another one."""
    clock = Clock()

    def seconds() -> float:
        return clock().timestamp()

    slow, fast = (BucketStorage(bucket, "", s3, patience_s=0, clock=seconds) for _ in range(2))
    with slow.lock():
        clock.move(seconds=301)
        with fast.lock():
            with pytest.raises(Conflict, match="another publisher came"):
                slow.create("1.root.json", b"slow")
            with pytest.raises(Conflict, match="another publisher came"):
                slow.replace("timestamp.json", b"slow", None)
            fast.create("1.root.json", b"fast")

    assert fast.read("1.root.json") == b"fast"
    with fast.lock():  # the slow one has not taken the lock along
        pass


def test_writes_prolong_the_lock(s3, bucket):
    """However long a publication takes, as long as it writes."""
    clock = Clock()
    busy, other = (
        BucketStorage(bucket, "", s3, patience_s=0, clock=lambda: clock().timestamp())
        for _ in range(2)
    )
    with busy.lock():
        for number in range(5):
            clock.move(seconds=160)
            busy.create(f"{number}.bin", b"content")
            with pytest.raises(RepositoryError, match="written by"), other.lock():
                pass


def test_damaged_lock_is_named(s3, bucket):
    """It says what may be removed, and does so itself never."""
    s3.put_object(Bucket=bucket, Key="edge/.lock", Body=b"{")
    storage = BucketStorage(bucket, "edge", s3)
    with (
        pytest.raises(RepositoryError, match=r"edge/\.lock is no lock of ours .* remove it"),
        storage.lock(),
    ):
        pass


def test_objects_say_how_long_caches_may_keep_them(s3, bucket):
    """For ever what never changes, not at all what does; and what they are."""
    storage = BucketStorage(bucket, "edge", s3)
    storage.create("metadata/1.root.json", b"{}")
    storage.create("targets/model.tflite", b"model")
    storage.replace("metadata/timestamp.json", b"{}", None)

    def headers(name: str) -> tuple[str, str]:
        head = s3.head_object(Bucket=bucket, Key=f"edge/{name}")
        return head["ContentType"], head["CacheControl"]

    for_ever = "public, max-age=31536000, immutable"
    assert headers("metadata/1.root.json") == ("application/json", for_ever)
    assert headers("targets/model.tflite") == ("application/octet-stream", for_ever)
    assert headers("metadata/timestamp.json") == ("application/json", "no-cache")


def test_missing_bucket_is_named(s3):
    """An address with a slip in it is no empty repository."""
    storage = BucketStorage("no-such-bucket", "edge", s3)
    with pytest.raises(RepositoryError, match=r"s3://no-such-bucket/edge/a.*NoSuchBucket"):
        storage.read("a")
    with pytest.raises(RepositoryError, match=r"s3://no-such-bucket/edge/a.*NoSuchBucket"):
        storage.create("a", b"content")


@pytest.mark.parametrize("url", ["{folder}", "file://{folder}"])
def test_address_of_a_folder_is_opened(tmp_path, url):
    """As a path, or as a file address; a space in it is one."""
    folder = tmp_path / "my releases"
    address = url.format(folder=folder)
    if address.startswith("file"):
        address = address.replace(" ", "%20")

    storage = open_storage(address)

    storage.create("a", b"content")
    assert (folder / "a").read_bytes() == b"content"
    assert storage.url == str(folder)


def test_address_of_a_bucket_is_opened(s3_server, s3, bucket, monkeypatch):
    """With boto3's own configuration; the slash at the end does not matter."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    for url in (f"s3://{bucket}/edge/releases", f"s3://{bucket}/edge/releases/"):
        storage = open_storage(url)
        storage.create("a", b"content")
        assert storage.url == f"s3://{bucket}/edge/releases"
    open_storage(f"s3://{bucket}").create("b", b"content")

    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in listed] == ["b", "edge/releases/a"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://releases.example.com", "publish into a folder or an s3://bucket/prefix"),
        ("s3:///prefix", "names no bucket"),
        ("file://host/folder", "cannot be written to"),
        (" ", "no address"),
    ],
)
def test_address_of_another_kind_is_refused(url, message):
    """It says what would be right."""
    with pytest.raises(RepositoryError, match=message):
        open_storage(url)


def test_bucket_without_boto3_says_what_to_install(monkeypatch):
    """An optional package is missing, nothing else is wrong."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(RepositoryError, match="pip install boto3"):
        open_storage("s3://bucket/prefix")

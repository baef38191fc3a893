"""Promises of locks between processes."""

import subprocess
import sys
from contextlib import closing

import pytest

from services.storage.locks import FileLock, Held, held

HOLD = """
import sys
from pathlib import Path
from services.storage.locks import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_keeps_others_out_and_says_who_holds_it(tmp_path):
    """Another holder of the same process too; afterwards it is free, and the file stays."""
    lock = tmp_path / "locks" / "a.lock"
    with held(lock, note="process 7 on here"):
        with pytest.raises(Held) as refused, held(lock, patience_s=0):
            pass
        assert refused.value.holder == "process 7 on here"
    with held(lock, patience_s=0):
        pass
    assert lock.exists()


def test_lock_falls_when_its_holder_dies(tmp_path):
    """However it dies; until then others see its number."""
    lock = tmp_path / "a.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Held) as refused, held(lock, patience_s=0.05):
            pass
        assert refused.value.holder == str(holder.pid)
        holder.kill()
    with held(lock, patience_s=5):
        pass


def test_folder_can_be_held(tmp_path):
    """Nothing is written into it; so nobody can tell who holds it."""
    with held(tmp_path), pytest.raises(Held) as refused, held(tmp_path, patience_s=0):
        pass
    assert refused.value.holder == ""
    assert list(tmp_path.iterdir()) == []


def test_lock_is_shared_by_those_who_share_it(tmp_path):
    """Nobody gets it alone while one of them is left."""
    file = tmp_path / "in-use.lock"
    with closing(FileLock(file)) as first, closing(FileLock(file)) as alone:
        with closing(FileLock(file)) as second:
            first.share()
            second.share()
            first.release()
            assert not alone.acquire(patience_s=0)
        assert alone.acquire(patience_s=0)


def test_lock_that_cannot_be_made_is_an_error_of_the_disk(tmp_path):
    """It names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), held(tmp_path / "file" / "a.lock"):
        pass

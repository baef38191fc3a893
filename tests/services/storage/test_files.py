"""Promises of files that are there whole or not at all."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from services.storage.files import ASIDE, write_bytes, write_text, written_aside


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_file_is_there_whole_and_nothing_beside_it(tmp_path):
    """Its folder is made; what was there before is replaced."""
    file = tmp_path / "deep" / "page.html"
    write_text(file, "first")
    write_text(file, "Müller 评论")

    assert file.read_text("utf-8") == "Müller 评论"
    assert names(file.parent) == ["page.html"]


def test_failing_writer_leaves_what_was_there(tmp_path):
    """And nothing of what it wrote, which on a full disk is the room for saying so."""
    file = tmp_path / "state"
    write_bytes(file, b"old")
    with pytest.raises(RuntimeError, match="half-way"), written_aside(file) as handle:
        handle.write(b"new")
        raise RuntimeError("half-way")

    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["state"]


def test_error_of_the_disk_names_the_file(tmp_path):
    """A handle's error knows no name; that of the file aside would tell nobody anything."""
    file = tmp_path / "state"
    with pytest.raises(OSError, match="No space left") as full, written_aside(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert full.value.filename == str(file)

    file.mkdir()
    with pytest.raises(IsADirectoryError) as taken:
        write_bytes(file, b"")
    assert taken.value.filename == str(file)
    assert names(tmp_path) == ["state"]


def test_content_and_name_are_brought_to_the_disk(tmp_path, monkeypatch):
    """The content before the name changes, the folder after: a power cut shows old or new."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def note_replace(aside: Path, file: Path) -> Path:
        done.append("replace")
        return replace(aside, file)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_bytes(tmp_path / "state", b"new")

    assert done == ["file", "replace", "folder"]


def test_permissions_are_as_asked_whatever_the_umask(tmp_path):
    """A key is its owner's alone from its first byte on; a release is readable by all."""
    before = os.umask(0o077)
    try:
        write_bytes(tmp_path / "release", b"", 0o644)
        with written_aside(tmp_path / "key", 0o600):
            (aside,) = tmp_path.glob(f"{ASIDE}*")
            assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"release": 0o644, "key": 0o600}


def test_writers_at_the_same_time_do_not_mix(tmp_path):
    """Several threads write the same file: one of their contents is there, whole."""
    contents = [bytes([letter]) * 100_000 for letter in b"abcd"]
    start = threading.Barrier(len(contents))

    def write(content: bytes) -> None:
        start.wait()
        write_bytes(tmp_path / "state", content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "state").read_bytes() in contents
    assert names(tmp_path) == ["state"]

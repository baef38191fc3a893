"""Promises of the folder of figures: a server that runs keeps its own, whatever its number is."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.fraud.metrics_folder import LOCK, MetricsFolder
from tests.services.fraud.running import ROOT

HOLDER = """
import sys
from pathlib import Path
from services.fraud.metrics_folder import MetricsFolder
held = MetricsFolder(Path(sys.argv[1]), sys.argv[2])
(held.path / "counter_7.db").write_bytes(b"figures")
print("held", flush=True)
sys.stdin.read()
"""


def holder(home: Path, server: str, *before: str) -> "subprocess.Popen[str]":
    """A process that holds a server's folder until its input ends."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HOLDER, str(home), server],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "held\n":
        process.communicate()
        pytest.skip(f"{before[0]} is not allowed here" if before else "the holder does not start")
    return process


def folders(home: Path) -> set[str]:
    return {path.name for path in (home / "fraud" / "metrics").iterdir() if path.is_dir()}


def test_folder_of_a_server_that_ended_is_removed_and_of_one_that_runs_kept(tmp_path):
    """Also if the one that runs has a number that nobody has, as seen from here."""
    with holder(tmp_path, "999999999-other") as running:
        with holder(tmp_path, "888888888-killed") as killed:
            killed.kill()
        mine = MetricsFolder(tmp_path, f"{os.getpid()}-mine")
        assert folders(tmp_path) == {"999999999-other", f"{os.getpid()}-mine"}
        assert (mine.path.parent / "999999999-other" / "counter_7.db").exists()
        running.communicate("")
    again = MetricsFolder(tmp_path, "7-again")
    assert folders(tmp_path) == {f"{os.getpid()}-mine", "7-again"}
    mine.release()
    again.release()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare here")
def test_server_in_another_namespace_keeps_its_folder(tmp_path):
    """Two containers with one volume: each is number 1 to itself, and unseen by the other."""
    unshare = ("unshare", "--pid", "--fork", "--kill-child")
    with holder(tmp_path, "1-there", *unshare) as there:
        here = MetricsFolder(tmp_path, "1-here")
        assert folders(tmp_path) == {"1-there", "1-here"}
        with holder(tmp_path, "1-third", *unshare) as third:
            assert folders(tmp_path) == {"1-there", "1-here", "1-third"}
            assert (here.path.parent / "1-there" / "counter_7.db").exists()
            third.communicate("")
        there.communicate("")
    here.release()


def test_folder_is_kept_while_any_of_its_server_holds_it(tmp_path):
    """A worker that is replaced lets go; the server's own hold, or another worker's, remains."""
    server, worker = (MetricsFolder(tmp_path, "5-one") for _ in range(2))
    (server.path / "counter_1.db").write_bytes(b"figures")
    worker.release()
    MetricsFolder(tmp_path, "6-other").release()
    assert (server.path / "counter_1.db").exists()

    server.release()
    MetricsFolder(tmp_path, "7-other").release()
    assert "5-one" not in folders(tmp_path)


def test_number_that_came_again_keeps_nothing(tmp_path):
    """What a crashed server left is removed, though another process has its number now."""
    every = tmp_path / "fraud" / "metrics"
    for name in (f"{os.getpid()}-left", "1-left"):
        (every / name).mkdir(parents=True)
        (every / name / LOCK).touch()
    MetricsFolder(tmp_path, "2-mine").release()

    assert folders(tmp_path) == {"2-mine"}


def test_folders_of_the_version_before_go_by_number_and_start(tmp_path):
    """It held no lock: one that runs is kept, the others are removed."""
    every = tmp_path / "fraud" / "metrics"
    runs = f"{os.getpid()}-{psutil.Process().create_time():.0f}"
    for name in (runs, f"{os.getpid()}-1", "0-0", "nonsense"):
        (every / name).mkdir(parents=True)
    MetricsFolder(tmp_path, "2-mine").release()

    assert folders(tmp_path) == {runs, "2-mine"}


def test_nobody_looks_while_a_folder_is_made(tmp_path):
    """Whoever cleans waits for whoever is between making a folder and holding it."""
    every = tmp_path / "fraud" / "metrics"
    every.mkdir(parents=True)
    with (every / LOCK).open("a") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        (every / "3-young").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), "4-cleaner"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)
        assert folders(tmp_path) == {"3-young"}
        young = (every / "3-young" / LOCK).open("a")
        fcntl.flock(young, fcntl.LOCK_SH)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    assert folders(tmp_path) == {"3-young", "4-cleaner"}
    process.communicate("")
    young.close()

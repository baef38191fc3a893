"""`triptych doctor --break`: the faults on a copy, the table, and the home as it was."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from edge_detector.slots.slots import Slots

from tasks.operations.rehearsal import scratch, verb
from tasks.operations.rehearsal.errors import Broken, NothingToBreak, RehearsalError
from tasks.operations.rehearsal.fault import Fault
from tasks.operations.rehearsal.stage import Stage
from tests.edge.releases import install, make_release, open_repository
from tests.threads import threads

ROOT = Path(__file__).parents[4]


@contextmanager
def no_server(settings, console) -> Iterator[Stage]:
    """A stage for faults that need none."""
    with scratch.scratch_folder() as folder:
        scratch.copy_home(settings, folder / "home")
        yield Stage(folder / "home", folder, {})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with a file in it; faults are given by `faults`."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "file").write_text("content")
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")  # no line of the table is broken
    monkeypatch.setattr(verb, "_stage", no_server)
    return home


def rehearse(monkeypatch, **faults) -> int:
    """Rehearse these, in the place of ours."""
    named = {name: Fault(f"{name} is done", function) for name, function in faults.items()}
    monkeypatch.setattr(verb, "FAULTS", named)
    return verb.rehearse()


def survive(stage: Stage) -> str:
    (stage.home / "file").write_text("harm")
    return "all of it"


def break_(stage: Stage) -> str:
    raise Broken("two rows are lost")


def test_table_tells_what_survived_what_broke_and_what_is_not_there(home, monkeypatch, capsys):
    """Status 1 where one broke, 0 where nothing did; the others are rehearsed all the same."""

    def nothing(stage: Stage) -> str:
        raise NothingToBreak("no model; type: triptych train-fraud")

    assert rehearse(monkeypatch, one=break_, two=survive, three=nothing) == 1
    output = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "one: one is done … BROKE after 0 s" in output
    assert "BROKE: two rows are lost" in output
    assert "survived: all of it" in output
    assert "nothing to break yet: no model; type: triptych train-fraud" in output
    assert f"{home} is as it was: 1 files" in output

    assert rehearse(monkeypatch, two=survive, three=nothing) == 0


def test_home_that_changes_meanwhile_is_told(home, monkeypatch, capsys):
    """Were it we who did that, nobody should believe the table."""

    def write_there(_stage: Stage) -> str:
        (home / "another").write_text("x")
        return "something"

    assert rehearse(monkeypatch, one=write_there) == 1
    assert "somebody else writes there): another" in capsys.readouterr().out


def test_second_interrupt_does_not_keep_the_copy(home, monkeypatch):
    """Whoever is impatient presses Ctrl-C again while everything ends."""
    copies: list[Path] = []

    @contextmanager
    def slow_to_end(settings, console) -> Iterator[Stage]:
        with no_server(settings, console) as stage:
            copies.append(stage.home)
            try:
                yield stage
            finally:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)

    def interrupted(_stage: Stage) -> str:
        signal.raise_signal(signal.SIGINT)
        return "nothing"

    monkeypatch.setattr(verb, "_stage", slow_to_end)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        rehearse(monkeypatch, one=interrupted)
    assert signal.getsignal(signal.SIGINT) == before
    assert not [copy for copy in copies if copy.exists()]


def test_home_that_is_not_there_is_told_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "none"))
    with pytest.raises(RehearsalError, match=r"nothing to break yet: .* type: triptych up"):
        verb.rehearse()


@pytest.fixture
def small_home(worked_home: Path) -> Path:
    """A home in which all panels have worked, and a device that runs the release."""
    release, slots = make_release("1.2.3"), Slots(worked_home / "device")
    manifest = open_repository(worked_home).manifest("parts", "1.2.3")
    slots.activate(install(slots, manifest, release.files))
    return worked_home


@pytest.mark.slow
def test_faults_are_survived_by_real_processes_on_a_copy(small_home: Path, tmp_path: Path):
    """A run that is killed, a full disk, rewound metadata; nothing is left of the copy."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = scratch.survey(small_home)
    words = ["--home", str(small_home), "--break"]
    words += ["--only", "killed-worker,rewound-metadata,full-disk"]

    ran = subprocess.run(
        [sys.executable, "-m", "flows", "doctor", *words],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TMPDIR": str(temporary),
            "COLUMNS": "200",
            **threads(),
        },
        capture_output=True,
        text=True,
        timeout=540,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("survived: ") == 3
    assert "the next run ended the night, none lost or doubled" in ran.stdout
    assert "stayed with parts-1.2.3-" in ran.stdout
    assert "nothing half written" in ran.stdout
    assert f"{small_home} is as it was" in ran.stdout
    assert before.changed(scratch.survey(small_home)) == []
    assert list(temporary.iterdir()) == []
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(temporary) in _words(one)]


def _words(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())

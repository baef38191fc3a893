"""What the stack consists of, from the Procfile and the state of the home."""

import re
from pathlib import Path

import pytest

from tasks.operations.stack import log_file
from tasks.operations.stack.errors import StackError
from tasks.operations.stack.part import Part
from tasks.operations.stack.parts import DEVICE, build, read_procfile
from tasks.operations.stack.ports import DEFAULTS

PROCFILE = Path(__file__).parents[4] / "deployments" / "Procfile"


def parts(home: Path, *without: str, first: bool = True) -> dict[str, Part]:
    found = build(PROCFILE, home, DEFAULTS, train=first, publish=first, without=without)
    return {part.name: part for part in found}


def test_empty_home_gets_its_first_models_before_what_needs_them(tmp_path):
    """The service answers, and the device detects, when they are called ready."""
    found = parts(tmp_path)
    assert found["fraud"].after == ("train",)
    assert found["device"].after == ("publish", "clip", "releases")
    assert {name for name, part in found.items() if part.once} == {
        "deploy",
        "train",
        "publish",
        "clip",
    }


def test_home_that_has_models_keeps_them(tmp_path):
    """Nothing is trained, published or rendered over what is there."""
    (tmp_path / "edge").mkdir()
    (tmp_path / "edge" / "conveyor.mp4").touch()
    found = parts(tmp_path, first=False)
    assert {name for name, part in found.items() if part.once} == {"deploy"}
    assert found["device"].after == ("releases",)


def test_what_is_left_out_takes_its_steps_along(tmp_path):
    """Nobody waits for a model that nothing answers with."""
    found = parts(tmp_path, "fraud", "device")
    assert not {"fraud", "device", "train", "publish", "clip"} & found.keys()
    with pytest.raises(
        StackError, match=r"--without server: give one or more of worker, fraud, releases, watch"
    ):
        parts(tmp_path, "server")
    with pytest.raises(StackError, match=r"--without camera: give one or more of"):
        parts(tmp_path, "camera")


def test_every_process_of_the_list_is_started_with_what_it_needs_ready(tmp_path):
    """Whatever is named is there, and ports come by their variables."""
    found = parts(tmp_path)
    assert read_procfile(PROCFILE).keys() <= found.keys()
    for part in found.values():
        assert set(part.after) <= found.keys(), part.name
        for variable in re.findall(r"TRIPTYCH_\w*PORT", part.command):
            assert variable in DEFAULTS
    assert f"--device-id {DEVICE} " in found["device"].command


def test_what_serves_the_network_holds_no_password_of_prefect(tmp_path):
    """The service, the server for devices and the device run no flow."""
    for name in ("fraud", "releases", "device"):
        assert parts(tmp_path)[name].environment["PREFECT_API_AUTH_STRING"] is None


def test_process_that_is_only_in_the_list_is_started_after_the_worker(tmp_path):
    """One line there is enough; what is no line of it is named."""
    procfile = tmp_path / "Procfile"
    procfile.write_text("# one\n\nserver: a\nworker: b\nmine: exec c: d\n")
    found = build(procfile, tmp_path, DEFAULTS, train=True, publish=True)
    assert [(part.name, part.command, part.after) for part in found[2:3]] == [
        ("mine", "exec c: d", ("worker",))
    ]
    procfile.write_text("server: a\nno process\n")
    with pytest.raises(StackError, match=r"Procfile, line 2: write it as NAME: COMMAND"):
        read_procfile(procfile)
    with pytest.raises(StackError, match=r"start the stack from a checkout"):
        read_procfile(tmp_path / "none")


def test_log_is_bounded_while_it_is_written(tmp_path):
    """What was before is kept once, and the writer goes on at the new end."""
    log = tmp_path / "part.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 100)
        log_file.limit(log, most_bytes=1000)
        assert log.stat().st_size == 400
        log_file.limit(log, most_bytes=100)
        writer.write(b"new \x1b[31m\n\n")
    assert log.read_bytes() == b"new \x1b[31m\n\n"
    assert (tmp_path / "part.1.log").read_bytes() == b"old\n" * 100
    assert log_file.last_line(log) == "new [31m"
    assert log_file.last_line(tmp_path / "none.log") == ""
    log_file.limit(tmp_path / "none.log")

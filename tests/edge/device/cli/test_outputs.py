"""Promises of the outputs of a run: none destroys what is read, none stops a run that could go."""

import errno
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from edge_detector.cli.outputs import open_outputs
from edge_detector.errors import ConfigError, EdgeError

from tests.edge.device.captures import picture


def open_all(source, **given):
    """What is opened for a configuration; what it leaves out is none."""
    wanted: dict[str, Any] = dict.fromkeys(("output", "events", "contact_sheet", "preview"))
    wanted |= {"source": str(source), "repeat": False, "headless": True}
    wanted |= {"preview_host": "127.0.0.1", **given}
    config: Any = SimpleNamespace(**wanted)
    camera: Any = SimpleNamespace(fps=25.0, live=False)
    return open_outputs(config, camera, dict)


def close_all(outputs):
    for output in outputs:
        output.close()


@pytest.fixture
def clip(tmp_path) -> Path:
    path: Path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video that somebody needs")
    return path


def test_outputs_are_opened_beside_the_source(tmp_path, clip):
    """All that are asked for, in the source's folder too."""
    outputs = open_all(
        clip,
        output=tmp_path / "out.mp4",
        events=tmp_path / "events.jsonl",
        contact_sheet=tmp_path / "sheet.png",
        preview=0,
    )
    close_all(outputs)

    assert [output.name.split()[0] for output in outputs] == [
        *("--output", "--events", "--contact-sheet", "--preview")
    ]


@pytest.mark.parametrize("option", ["output", "events"])
@pytest.mark.parametrize("how", ["same", "dotted", "symbolic", "hard"])
def test_source_is_not_written_over(tmp_path, clip, option, how):
    """By whatever name an output leads to the file that is read, the file stays as it is."""
    path = {"same": clip, "dotted": tmp_path / "x" / ".." / "clip.mp4"}.get(how)
    if path is None:
        path = tmp_path / "link.mp4"
        path.symlink_to(clip) if how == "symbolic" else path.hardlink_to(clip)
    (tmp_path / "x").mkdir()

    with pytest.raises(ConfigError, match=rf"--{option} .* over --source"):
        open_all(clip, **{option: path})

    assert clip.read_bytes() == b"a video that somebody needs"


def test_pictures_of_a_source_folder_are_not_written_over(tmp_path):
    """Neither one that is there, by any name, nor a new one that the next run would read."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), picture(1))
    (tmp_path / "link.png").hardlink_to(folder / "a.png")

    for path in (folder / "a.png", folder / "new.png", tmp_path / "link.png"):
        with pytest.raises(ConfigError, match=r"--contact-sheet .* over --source"):
            open_all(folder, contact_sheet=path)
    close_all(open_all(folder, contact_sheet=tmp_path / "sheet.png", events=folder / "e.jsonl"))


def test_outputs_do_not_share_a_file(tmp_path, clip):
    """Two names of one file, there already or not, are a wrong argument; nothing is made."""
    with pytest.raises(ConfigError, match="--events and --output are one file"):
        open_all(clip, output=tmp_path / "a.mp4", events=tmp_path / "." / "a.mp4")

    (tmp_path / "b.mp4").touch()
    (tmp_path / "c.png").symlink_to(tmp_path / "b.mp4")
    with pytest.raises(ConfigError, match="--contact-sheet and --output are one file"):
        open_all(clip, output=tmp_path / "b.mp4", contact_sheet=tmp_path / "c.png")

    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_run_goes_on_without_outputs_that_find_no_room(tmp_path, clip, monkeypatch, caplog, code):
    """A full or read-only disk costs the files, each said once, and not the detection."""

    def refuse(*_arguments, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("edge_detector.outputs.video._touch", refuse)
    monkeypatch.setattr("edge_detector.outputs.events.os.open", refuse)
    outputs = open_all(clip, output=tmp_path / "a.mp4", events=tmp_path / "e.jsonl", preview=0)
    monkeypatch.undo()
    close_all(outputs)

    assert [output.name.split()[0] for output in outputs] == ["--preview"]
    assert caplog.text.count("going on without it") == 2


def test_port_that_is_taken_is_no_wrong_argument(clip):
    """Whoever has it may end, and the service is started again."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(EdgeError, match="another port") as refused,
    ):
        open_all(clip, preview=other.getsockname()[1])

    assert not isinstance(refused.value, ConfigError)

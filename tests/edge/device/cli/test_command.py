"""Promises of the command, as a user meets it: in a process of its own, from its terminal."""

import errno
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import cv2
import pytest
from edge_detector import __main__ as command
from edge_detector.cli import outputs
from edge_detector.slots.slots import Slots
from edge_detector.slots.state import MAX_CRASHES

from edge.release.repository.publication import Release
from tests.edge.device.captures import wait_for
from tests.edge.device.installed import count_frames, install_tiny, tiny_release, write_clip
from tests.edge.device.mjpeg import NetworkCamera
from tests.edge.releases import make_repository

LIMIT_S = 60


@pytest.fixture
def home(tmp_path):
    """A device with the tiny model."""
    folder = tmp_path / "home"
    install_tiny(folder)
    return folder


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.avi")


def put_on_trial(home, version):
    """A release that passed its self-test, and has not run for a minute."""
    slot = install_tiny(home, version, activate=False)
    Slots(home).activate(slot)
    return slot


def environment(tmp_path, **more):
    names = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "HOME": str(tmp_path), "EDGE_DETECTOR_HOME": str(tmp_path / "home"), **more}


def start(tmp_path, *arguments, program=("-m", "edge_detector"), **more):
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        cwd=tmp_path,
        env=environment(tmp_path, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Its exit status, output and error output."""
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    return process.returncode, out, err


def run(tmp_path, *arguments, **more):
    return finish(start(tmp_path, *arguments, **more))


@pytest.fixture
def run_here(tmp_path, monkeypatch, capsys):
    """The same in this process, where a process of its own is no part of the promise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGE_DETECTOR_HOME", str(tmp_path / "home"))

    def run(*arguments):
        status = command.main([*map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def read_events(path):
    content = path.read_bytes() if path.exists() else b""
    assert not content or content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


@contextmanager
def endless_clip(tmp_path):
    """A source that goes on until it is ended: a network camera."""
    camera = NetworkCamera()
    try:
        yield camera
    finally:
        camera.stop()


def test_run_detects_on_a_video_and_leaves_all_that_was_asked_for(tmp_path, home, clip):
    """One command: a playable video, whole events, a contact sheet, a telemetry record, a line."""
    status, out, err = run(
        tmp_path,
        *("run", "--headless", "--source", clip, "--output", "out.mp4", "--events", "e.jsonl"),
        *("--contact-sheet", "sheet.png", "--telemetry", "telemetry", "--device-id", "line-4"),
    )

    assert status == 0, err
    assert count_frames(tmp_path / "out.mp4") == 40
    events = read_events(tmp_path / "e.jsonl")
    assert [event["frame"] for event in events] == [n for n in range(40) if n % 5]
    assert all(event["model"] == "tiny 1.0.0" for event in events)
    assert {d["label"] for event in events for d in event["detections"]} == {"red"}
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    (record,) = (
        json.loads(line)
        for path in (tmp_path / "telemetry" / "line-4").iterdir()
        for line in path.read_text().splitlines()
    )
    assert record["frames"] == 40 and record["detections"] == {"red": 32}
    assert record["model"]["version"] == "1.0.0" and set(record["latency_ms"]) >= {"infer", "total"}
    (summary,) = out.splitlines()
    assert summary.startswith("40 frames in ") and "p99" in summary
    assert "red 32" in summary and "tiny 1.0.0 on " in summary
    assert "\r" not in err and "Traceback" not in err


def test_run_needs_no_releases_once_a_model_is_installed(run_here, home, clip):
    """Offline, and without any address, a device goes on with what it has."""
    status, out, _ = run_here("run", "--headless", "--source", clip, "--frames", 7)

    assert status == 0 and out.startswith("7 frames in ")


def test_run_obeys_thresholds_and_included_labels(run_here, home, clip):
    """What a user does not want to see is not reported."""
    for arguments in (
        ("--include", "green,blue"),
        ("--label-threshold", "red=0.999"),
        ("--threshold", "0.999"),
    ):
        status, out, err = run_here("run", "--headless", "--source", clip, *arguments)
        assert status == 0 and "nothing detected" in out, err


def test_run_takes_its_options_from_a_file(tmp_path, run_here, home, clip):
    """A device's configuration is one file; relative paths are those of its folder of work."""
    (tmp_path / "device.toml").write_text(
        f'source = "{clip}"\nheadless = true\nframes = 3\nevents = "e.jsonl"\n'
    )

    status, out, _ = run_here("run", "--config", "device.toml", "--frames", 9)

    assert status == 0 and out.startswith("9 frames")
    assert len(read_events(tmp_path / "e.jsonl")) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_run_in_order(tmp_path, home, number):
    """Ctrl-C, or systemd: the video can be played, events are whole, the status is 0."""
    with endless_clip(tmp_path) as camera:
        process = start(
            tmp_path,
            *("run", "--headless", "--source", camera.address, "--threshold", "0"),
            *("--output", "out.mp4", "--events", "e.jsonl"),
        )
        try:
            assert wait_for(lambda: len(read_events_so_far(tmp_path / "e.jsonl")) > 10, LIMIT_S)
            process.send_signal(number)
        except BaseException:
            process.kill()
            raise
        status, out, err = finish(process)

    assert status == 0, err
    assert " frames in " in out and "Traceback" not in err
    assert count_frames(tmp_path / "out.mp4") >= 3
    assert len(read_events(tmp_path / "e.jsonl")) > 10
    assert Slots(home).begin_run() is not None, "the home is free again"


def read_events_so_far(path):
    return path.read_bytes().splitlines() if path.exists() else []


def test_signal_before_the_first_frame_ends_a_run_too(tmp_path, home):
    """A camera that never answers does not hold the end up."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    process = start(
        tmp_path, "run", "--headless", "--source", f"http://user:secret@127.0.0.1:{port}/stream"
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))
    reader.start()
    try:
        assert wait_for(lambda: any("does not answer" in line for line in lines), LIMIT_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        reader.join()
        process.stdout.close()
        process.stderr.close()
    assert "secret" not in "".join(lines)
    assert any("trying again" in line for line in lines)


def test_signal_while_a_camera_hangs_ends_a_run_in_order(tmp_path, home):
    """A stream that has fallen silent is not waited for, and costs nothing of the end."""
    with endless_clip(tmp_path) as camera:
        process = start(
            tmp_path,
            *("run", "--headless", "--source", camera.address, "--threshold", "0"),
            *("--output", "out.mp4", "--events", "e.jsonl"),
        )
        try:
            assert wait_for(lambda: len(read_events_so_far(tmp_path / "e.jsonl")) > 10, LIMIT_S)
            camera.mode = "silent"
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
        except BaseException:
            process.kill()
            raise
        status, out, err = finish(process)

    assert status == 0, err
    assert " frames in " in out and count_frames(tmp_path / "out.mp4") >= 3


def test_signal_during_the_first_fetch_ends_a_run(tmp_path, clip):
    """A release server that never answers does not hold the end up either."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        process = start(
            tmp_path,
            *("run", "--headless", "--source", clip),
            *("--releases", f"http://127.0.0.1:{mute.getsockname()[1]}/releases"),
        )
        try:
            assert process.stderr is not None
            assert any("fetching one" in line for line in process.stderr)
            mute.settimeout(LIMIT_S)
            asked, _ = mute.accept()
            process.send_signal(signal.SIGTERM)
        except BaseException:
            process.kill()
            raise
        status, _, err = finish(process)
        asked.close()

    assert status == 0 and "Traceback" not in err


def test_q_in_the_window_ends_a_run(tmp_path, home, monkeypatch, capsys):
    """The window shows the drawn frames, and `q` in it is the end, with status 0."""
    shown = []
    keys = iter([-1] * 5 + [ord("q")])
    monkeypatch.setattr(outputs, "why_no_window", lambda: None)
    for name, fake in {
        "namedWindow": lambda *_: None,
        "resizeWindow": lambda *_: None,
        "imshow": lambda _title, image: shown.append(image),
        "waitKey": lambda _ms: next(keys, ord("q")),
        "getWindowProperty": lambda *_: 1.0,
        "destroyAllWindows": lambda: shown.append(None),
    }.items():
        monkeypatch.setattr(f"edge_detector.outputs.window.cv2.{name}", fake)

    with endless_clip(tmp_path) as camera:
        arguments = ["run", "--home", str(home), "--source", camera.address, "--threads", "1"]
        status = command.main(arguments)

    assert status == 0
    assert shown[0].shape == (240, 320, 3) and shown[-1] is None
    assert " frames in " in capsys.readouterr().out


def test_run_without_a_display_says_so_and_goes_on(tmp_path, home, clip):
    """No display is no error; a display that cannot be used is none either."""
    _, _, without = run(tmp_path, "run", "--source", clip)
    status, out, unusable = run(tmp_path, "run", "--source", clip, DISPLAY=":97")

    assert "no window, since there is no display" in without
    assert status == 0 and out.startswith("40 frames")
    assert "no window, since" in unusable


def test_run_serves_its_preview(tmp_path, home):
    """The page's metrics tell what runs, while it runs."""
    with endless_clip(tmp_path) as camera:
        process = start(tmp_path, "run", "--headless", "--source", camera.address, "--preview", "0")
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr))
        reader.start()
        try:
            assert wait_for(lambda: any("http://127.0.0.1:" in line for line in lines), LIMIT_S)
            address = next(line.split()[-1] for line in lines if "http://127.0.0.1:" in line)

            def metrics():
                with urllib.request.urlopen(f"{address}status.json", timeout=LIMIT_S) as answer:
                    return json.load(answer)

            assert wait_for(lambda: metrics()["frames"] > 5, LIMIT_S)
            now = metrics()
            with urllib.request.urlopen(f"{address}picture.jpg", timeout=LIMIT_S) as answer:
                assert answer.read(3) == b"\xff\xd8\xff"
        finally:
            process.terminate()
            process.wait(LIMIT_S)
            reader.join()
            process.stdout.close()
            process.stderr.close()
    assert now["model"] == "tiny 1.0.0" and now["trouble"] is None and now["fps"] > 0
    assert now["source"].startswith("http://…@127.0.0.1:")


def test_new_release_is_taken_over_in_a_run(tmp_path, home):
    """Published while the device runs: fetched, checked, tried, and no frame is left out."""
    repository = make_repository(tmp_path)
    repository.publish(Release(*tiny_release("1.0.0")), "stable")
    (tmp_path / "quick.py").write_text(
        "import sys\n"
        "from edge_detector import __main__\n"
        "from edge_detector.updates import worker\n"
        "worker.POLL_S = 0.1\n"
        "sys.exit(__main__.main())\n"
    )
    with endless_clip(tmp_path) as camera:
        process = start(
            tmp_path,
            *("run", "--headless", "--source", camera.address, "--threshold", "0"),
            *("--events", "e.jsonl", "--releases", tmp_path / "releases", "--update-every", "0.2"),
            program=("quick.py",),
        )
        try:
            assert wait_for(lambda: models_so_far(tmp_path / "e.jsonl") == ["tiny 1.0.0"], LIMIT_S)
            repository.publish(Release(*tiny_release("1.1.0")), "stable")
            both = ["tiny 1.0.0", "tiny 1.1.0"]
            assert wait_for(lambda: models_so_far(tmp_path / "e.jsonl") == both, LIMIT_S)
            process.send_signal(signal.SIGTERM)
        except BaseException:
            process.kill()
            raise
        status, _, err = finish(process)

    assert status == 0, err
    models = [event["model"] for event in read_events(tmp_path / "e.jsonl")]
    assert models == sorted(models), "there is no way back"
    slot = Slots(home).current()
    assert slot is not None and slot.release == "tiny 1.1.0" and Slots(home).on_probation()


def models_so_far(path):
    """The models of the events that are whole by now."""
    lines = read_events_so_far(path)[:-1]
    return sorted({json.loads(line)["model"] for line in lines})


def test_first_model_is_fetched_before_the_first_frame(tmp_path, run_here, clip):
    """A new device needs one command: it fetches its model, and detects."""
    make_repository(tmp_path).publish(Release(*tiny_release("1.0.0")), "stable")

    status, out, err = run_here(
        "run", "--headless", "--source", clip, "--releases", tmp_path / "releases"
    )

    assert status == 0, err
    assert out.startswith("40 frames") and "red 32" in out and "tiny 1.0.0" in out


def test_full_disk_costs_the_output_and_not_the_run(run_here, home, clip):
    """A device that cannot write its events goes on detecting, and says so once."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")

    status, out, err = run_here("run", "--headless", "--source", clip, "--events", "/dev/full")

    assert status == 0 and out.startswith("40 frames")
    assert err.count("No space left on device") == 1 and "going on without it" in err


def test_stuck_interpreter_ends_the_process_with_70(tmp_path, home, clip):
    """A call that never comes back: status 70, a reason, and a video that can be played."""
    (tmp_path / "stuck.py").write_text(
        "import sys, time\n"
        "from edge_detector import __main__\n"
        "from edge_detector.inference import detector\n"
        "infer, calls = detector.Detector.infer, []\n"
        "def stick(self, prepared):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 20:\n"
        "        time.sleep(600)\n"
        "    return infer(self, prepared)\n"
        "detector.Detector.infer = stick\n"
        "sys.exit(__main__.main())\n"
    )

    status, _, err = run(
        tmp_path,
        *("run", "--headless", "--source", clip, "--watchdog", "1", "--output", "out.mp4"),
        *("--telemetry", "telemetry", "--device-id", "line-4"),
        program=("stuck.py",),
    )

    assert status == 70, err
    assert "the interpreter has not come back for" in err
    assert 10 <= count_frames(tmp_path / "out.mp4") < 40


def test_progress_is_one_rewritten_line_on_a_terminal(tmp_path, home):
    """On a terminal a long file shows how far it is; the line is gone at the end."""
    clip = write_clip(tmp_path / "long.avi", count=60)
    (tmp_path / "slow.py").write_text(
        "import sys, time\n"
        "from edge_detector import __main__\n"
        "from edge_detector.cli import run\n"
        "from edge_detector.inference import detector\n"
        "run.REPORT_S = run.IDLE_S = 0.1\n"
        "infer = detector.Detector.infer\n"
        "def slow(self, prepared):\n"
        "    time.sleep(0.01)\n"
        "    return infer(self, prepared)\n"
        "detector.Detector.infer = slow\n"
        "sys.exit(__main__.main())\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "slow.py", "run", "--headless", "--source", str(clip)],
        cwd=tmp_path,
        env=environment(tmp_path, COLUMNS="120"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    end = time.monotonic() + LIMIT_S
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 1.0)[0]:
                try:
                    said += os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        os.close(ours)

    assert b"/60 frames" in said and b"frames/s" in said
    assert said.endswith(b"\r\x1b[K")
    assert said.count(b"/60 frames") <= said.count(b"\r\x1b[K")


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ((), "give run, update, status or rollback"),
        (("rnu",), "did you mean run?"),
        (("run", "--sorce", "0"), "--sorce is no option of `run`; did you mean --source?"),
        (("run", "now"), "now is no argument of `run`"),
        (("run", "--threads"), "expected one argument"),
        (("run", "--threads", "0"), "a whole number from 1 to"),
        (("run", "--label-threshold", "bolt"), "bolt=0.4"),
        (("run", "--config", "missing.toml"), "cannot be read"),
        (("run", "--output", "out.txt", "--source", "CLIP"), "end its name in .mp4"),
        (("run", "--output", "no/folder/out.mp4", "--source", "CLIP"), "cannot be written"),
        (("run", "--events", "no/folder/e.jsonl", "--source", "CLIP"), "cannot be written"),
        (("run", "--contact-sheet", "sheet.txt", "--source", "CLIP"), ".png or .jpg"),
        (("run", "--include", "bolt", "--source", "CLIP"), "bolt"),
        (("run", "--telemetry", "ftp://host", "--source", "CLIP"), "ftp"),
        (("run", "--releases", "ftp://host", "--source", "CLIP"), "ftp"),
        (("update",), "--releases is missing"),
        (("update", "--source", "0"), "--source is no option of `update`"),
        (("status", "--jsn"), "did you mean --json?"),
    ],
)
def test_wrong_arguments_get_one_line_and_status_2(tmp_path, home, clip, capsys, arguments, right):
    """A user's mistake is told in one line that says what would be right, never a traceback."""
    given = [str(clip) if argument == "CLIP" else argument for argument in arguments]
    if given[:1] == ["run"]:
        given += ["--home", str(home), "--headless"]

    status = command.main(given)

    captured = capsys.readouterr()
    assert status == 2, captured.err
    line = captured.err.splitlines()[-1]
    assert line.startswith("error: ") and right in line
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("run", "--source", "missing.mp4"), "'missing.mp4' is not there: give"),
        (("run", "--source", "93"), "camera 93 does not open: is it connected"),
        (("run", "--source", "."), "holds no picture"),
        (("run", "--source", "CLIP", "--home", "EMPTY"), "give --releases once"),
        (("rollback", "--home", "EMPTY"), "nothing to go back from"),
    ],
)
def test_what_does_not_work_gets_one_line_and_status_1(
    tmp_path, home, clip, capsys, monkeypatch, arguments, reason
):
    """What cannot be done is told in one line, with what to do."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("EDGE_DETECTOR_HOME", str(home))
    names = {"CLIP": str(clip), "EMPTY": str(tmp_path / "empty")}

    status = command.main([names.get(argument, argument) for argument in arguments])

    captured = capsys.readouterr()
    assert status == 1, captured.err
    line = captured.err.splitlines()[-1]
    assert line.startswith("error: ") and reason in line


def test_second_run_in_one_home_is_refused(tmp_path, home, clip, capsys):
    """Two runs cannot share a home; the second one says who has it."""
    slots = Slots(home)
    slots.begin_run()

    status = command.main(["run", "--home", str(home), "--source", str(clip), "--headless"])
    slots.end_run()

    assert status == 1, "it may end, and who starts this one anew is right to do so"
    assert f"another run (process {os.getpid()})" in capsys.readouterr().err


def test_full_disk_is_no_wrong_argument(tmp_path, clip, capsys, monkeypatch):
    """A device whose disk is full is started anew until it has room; systemd gives up at 2."""

    def fail(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("edge_detector.cli.config.replace_file", fail)

    status = command.main(["run", "--home", str(tmp_path / "new"), "--source", str(clip)])

    assert status == 1 and "No space left" in capsys.readouterr().err


def test_run_that_breaks_before_its_first_frame_is_no_crash_of_its_release(
    tmp_path, home, clip, monkeypatch
):
    """However often: the release had no part in it, and it is not rolled back."""
    slot = put_on_trial(home, "1.1.0")
    monkeypatch.setattr("edge_detector.cli.run.open_camera", lambda _source: 1 / 0)
    for _ in range(MAX_CRASHES + 1):
        with pytest.raises(ZeroDivisionError):
            command.main(["run", "--home", str(home), "--source", str(clip), "--headless"])

    assert Slots(home).begin_run() == slot


@pytest.mark.parametrize("how", ["a second signal", "the watchdog"])
def test_output_that_hangs_is_no_crash_of_the_release(tmp_path, home, how):
    """The process is ended before its time, by an impatient user or the watchdog: not its fault."""
    slot = put_on_trial(home, "1.1.0")
    method, expected = ("close", 130) if how == "a second signal" else ("write", 70)
    (tmp_path / "hung.py").write_text(
        "import sys, time\n"
        "from edge_detector import __main__\n"
        "from edge_detector.outputs import events\n"
        "def hang(*_arguments):\n"
        "    print('hanging', file=sys.stderr, flush=True)\n"
        "    time.sleep(600)\n"
        f"events.EventsFile.{method} = hang\n"
        "sys.exit(__main__.main())\n"
    )
    with endless_clip(tmp_path) as camera:
        process = start(
            tmp_path,
            *("run", "--headless", "--source", camera.address, "--threshold", "0"),
            *("--output", "out.mp4", "--events", "e.jsonl", "--watchdog", "2"),
            program=("hung.py",),
        )
        try:
            if how == "a second signal":
                assert any("Ctrl-C ends" in line for line in process.stderr)
                process.send_signal(signal.SIGTERM)
                assert any("hanging" in line for line in process.stderr)
                process.send_signal(signal.SIGTERM)
        except BaseException:
            process.kill()
            raise
        status, _, err = finish(process)

    assert status == expected, err
    slots = Slots(home)
    assert slots.begin_run() == slot and slots.on_probation() and slots.state().refused == {}


def test_run_looks_for_another_release_when_its_only_one_crashes(tmp_path, run_here, clip):
    """A loop that dies within seconds leaves updates no time: they come first then."""
    home = tmp_path / "home"
    put_on_trial(home, "1.0.0")
    for _ in range(MAX_CRASHES):
        slots = Slots(home)
        slots.begin_run()
        slots.begin_probation()
        slots._run_lock.release()
    make_repository(tmp_path).publish(Release(*tiny_release("1.1.0")), "stable")

    status, out, err = run_here(
        *("run", "--headless", "--source", clip, "--update-every", 0),
        *("--releases", tmp_path / "releases"),
    )

    assert status == 0, err
    assert "tiny 1.1.0" in out and f"has crashed {MAX_CRASHES} times: looking for another" in err


def test_refused_release_is_taken_again_where_its_owner_wants_it(tmp_path, home, capsys):
    """`update --again`: the cause was something else, and nobody edits the device's files."""
    make_repository(tmp_path).publish(Release(*tiny_release("1.1.0")), "stable")
    Slots(home).refuse(install_tiny(home, "1.1.0", activate=False), "it was bad")
    update = ["update", "--home", str(home), "--releases", str(tmp_path / "releases")]

    assert command.main(update) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert command.main([*update, "--again"]) == 0
    assert "tiny 1.1.0 is installed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "run", "update", "status", "rollback"])
def test_help_is_complete_and_quick(tmp_path, name):
    """Each command explains itself, with defaults, without loading the runtime or TUF."""
    program = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('edge_detector', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0, end.code\n"
        "print('loaded:', *sys.modules)\n"
    )
    status, out, err = finish(
        start(tmp_path, *filter(None, [name]), "--help", program=("-c", program))
    )

    assert status == 0 and err == ""
    text, _, loaded = out.rpartition("loaded: ")
    assert not {"ai_edge_litert", "tflite_runtime", "tuf", "cv2"} & set(loaded.split())
    if name == "run":
        assert text.count("(default: ") >= 20
        for option in ("--source", "--releases", "--preview-host", "--label-threshold"):
            assert option in text
    if not name:
        assert "self-test" not in text and "rollback" in text


def test_self_test_tells_whether_a_release_works_here(tmp_path, home):
    """What `update` runs in a process of its own: 0 if it passes, 1 if it does not."""
    slot = Slots(home).current()
    assert slot is not None
    passed, out, _ = run(tmp_path, "self-test", slot.folder)
    (tmp_path / "nothing").mkdir()
    failed, _, err = run(tmp_path, "self-test", tmp_path / "nothing")

    assert passed == 0 and "tiny 1.0.0 passed" in out
    assert failed == 1 and err.startswith("error: ") and "Traceback" not in err


def test_status_is_readable_by_people_and_programs(home, capsys):
    """`status` names what runs; `--json` says the same for programs."""
    assert command.main(["status", "--home", str(home)]) == 0
    assert "tiny 1.0.0" in capsys.readouterr().out
    assert command.main(["status", "--home", str(home), "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_command_imports_without_a_word(tmp_path):
    """The package needs neither Prefect nor TensorFlow, nor anything of ours."""
    program = (
        "import sys, edge_detector.cli.run\n"
        "bad = {'prefect', 'tensorflow', 'bentoml', 'pydantic', 'sqlalchemy', 'flows', 'tasks'}\n"
        "print(sorted(bad & set(sys.modules)))\n"
    )
    status, out, err = finish(start(tmp_path, program=("-c", program)))

    assert (status, out.strip(), err) == (0, "[]", "")

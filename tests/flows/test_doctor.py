"""`triptych doctor` as it is typed."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.verbs.doctor import COMMAND

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--break", "--only", "kiled-worker"], "kiled-worker is no fault; give killed-worker,"),
        (["--only", "full-disk"], "only goes with break"),
        (["--brake"], "--brake is no option; did you mean --break?"),
    ],
)
def test_wrong_words_get_the_right_ones(restored, capsys, words, says):
    """With status 2."""
    with pytest.raises(SystemExit) as end:
        COMMAND.run("triptych doctor", words)
    assert (end.value.code, says in capsys.readouterr().err) == (2, True)


def test_home_without_anything_cannot_be_broken(restored, capsys, tmp_path, monkeypatch):
    """It says what to type."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "other"))
    with pytest.raises(SystemExit) as end:
        COMMAND.run("triptych doctor", ["--break", "--home", str(tmp_path / "none")])
    told = capsys.readouterr().err
    assert (end.value.code, told) == (
        1,
        f"error: nothing to break yet: there is no {tmp_path / 'none'}; type: triptych up\n",
    )


def test_wrong_settings_are_what_it_is_for(restored, capsys, tmp_path, monkeypatch):
    """Other commands end at them; it names them with their cure, and a person is needed."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    monkeypatch.setenv("TRIPTYCH_TASK_RUNNER", "dusk")
    monkeypatch.setenv("TRIPTYCH_NOTIFY_URL", "mailtos://me:secret@example.org")
    with pytest.raises(SystemExit) as end:
        COMMAND.run("triptych doctor", [])
    output = capsys.readouterr().out
    assert end.value.code == 1
    assert "did you mean TRIPTYCH_NOTIFY_URLS?" in output and "secret" not in output
    assert "TRIPTYCH_TASK_RUNNER: use threads, dask" in output


def test_it_loads_no_framework_before_it_is_needed():
    """Neither for its help nor for the first of its checks."""
    program = (
        "import sys; import tasks.operations.doctor.show, tasks.operations.rehearsal.names\n"
        "import flows.verbs.doctor\n"
        "heavy = {'torch', 'tensorflow', 'bentoml', 'prefect', 'onnxruntime', 'cv2', 'pyarrow'}\n"
        "print(*heavy & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "\n", "")

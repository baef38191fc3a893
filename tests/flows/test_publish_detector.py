"""The publishing of a detector, as its user starts it."""

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import cv2
import pytest
from edge_detector.contract.manifest import Layout

from edge.release.errors import ModelFileError
from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from edge.release.validation.gate import Decision
from edge.release.validation.timing import cpu_name
from flows.publish_detector import PublishDetector
from tasks.orchestration.command_line import parse
from tasks.publish_detector import alone_in_folder, prove_for_phones
from tests.edge.device.tiny import LABELS
from tests.edge.release.cells import write_pictures, write_variant
from tests.edge.release.phone.mediapipe import finding, reading, refusing
from tests.edge.release.squares import SQUARES, write_detector
from tests.flows.command import command
from tests.flows.traced import traced
from tests.guides import examples

pytestmark = pytest.mark.slow

FLOW = "flows.publish_detector"
QUICK = ("--timing-s", "0.05", "--threads", "1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all runs: the first of a home takes long."""
    return tmp_path_factory.mktemp("publishing") / "var"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def model_of(tmp_path):
    """Makes a ready model with its labels beside it."""

    def make(fault: str = "") -> str:
        file = write_variant(tmp_path / (fault or "cells"), "float32", fault)
        (file.parent / "labels.txt").write_text("\n".join(LABELS))
        return str(file.rename(file.with_name("model.tflite")))

    return make


def run(home: Path, *arguments: str, flow: str = FLOW) -> tuple[int, str, str]:
    home.mkdir(exist_ok=True)
    process = command(flow, home, *arguments)
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in output + errors, output + errors
    return process.returncode, output, errors


def repository_of(home: Path) -> Repository:
    return Repository(FolderStorage(home / "releases"), Keys(home / "keys"))


def test_command_publishes_a_release_that_manage_releases_withdraws(
    home, pictures, model_of, run_here
):
    """A release on its channel, a page, the next version; then withdrawn, with its reason."""
    arguments = ("--model", model_of(), "--golden", str(pictures), *QUICK)

    code, output, errors = run(home, *arguments, "--channel", "canary", "--share", "0.5")

    assert code == 0, errors
    assert "published as as-is on canary, 50.0 % of devices" in output
    assert "labels.txt (one name a line): 3 names, red to blue" in output
    assert f"measured on  {cpu_name()}" in output
    page = home / "detectors" / "publishing" / "cells-1.0.0" / "report.html"
    assert str(page) in output and "Golden pictures" in page.read_text("utf-8")
    (release,) = repository_of(home).releases("canary")
    assert (release.name, release.version, release.share) == ("cells", "1.0.0", 0.5)
    assert {file.name for file in (home / "keys").iterdir()} >= {"root-1.pem", "timestamp-1.pem"}
    measured = repository_of(home).manifest("cells", "1.0.0").measured
    assert {"cpu", "timings"} == set(measured)
    origin = traced(home, "cells 1.0.0")
    assert origin["publishing run"].id
    assert "trained elsewhere" in origin["training data"].why

    code, output, errors = run_here("publish_detector", home, *arguments, "--dry-run")

    assert code == 0, errors
    assert "cells 1.0.1  passed; nothing published (dry run)" in output
    assert repository_of(home).releases("stable") == ()

    code, output, errors = run(
        home, "--withdraw", "1.0.0", "--reason", "misses nuts", flow="flows.manage_releases"
    )

    assert code == 0, errors
    assert "cells 1.0.0 is withdrawn: misses nuts" in output
    assert repository_of(home).releases("canary")[0].withdrawn == "misses nuts"


def test_command_refuses_a_model_that_does_not_look(home, pictures, model_of, run_here):
    """Status 1, the metrics, a page, and nothing published."""
    code, output, errors = run_here(
        "publish_detector", home, "--model", model_of("blind"), "--golden", str(pictures), *QUICK
    )

    assert code == 1 and "Traceback" not in output + errors
    assert "REFUSED, nothing published" in output
    assert "it answers the same to every picture: 64 boxes" in errors
    page = home / "detectors" / "publishing" / "blind-1.0.0" / "report.html"
    assert f"(report: {page})" in errors and "Refused" in page.read_text("utf-8")
    listed = home / "releases"
    assert not any("blind" in path.name for path in listed.rglob("*"))


def test_a_model_that_finishes_its_detections_is_recognised(run_here, tmp_path, monkeypatch):
    """The guide's example: layout and labels are found out, with no option."""
    model = write_detector(tmp_path, "e2e").rename(tmp_path / "yolo26n.tflite")
    with zipfile.ZipFile(model, "a") as archive:
        said = {"task": "detect", "names": {"0": "red", "1": "green"}, "end2end": True}
        archive.writestr("metadata.json", json.dumps(said))
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(SQUARES):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), picture)
    monkeypatch.chdir(tmp_path)
    ((_, _, module, *arguments),) = examples("edge/BRING_YOUR_OWN.md", "Layouts")
    assert module == FLOW

    code, output, errors = run_here("publish_detector", tmp_path / "var", *arguments, *QUICK)

    assert code == 0, errors
    assert "metadata.json within yolo26n.tflite (names in JSON, numbered from 0): 2 na" in output
    written = tmp_path / "var" / "detectors" / "publishing" / "yolo26n-1.0.0"
    (manifest,) = written.rglob("manifest.json")
    assert json.loads(manifest.read_text("utf-8"))["output"]["layout"] == "end_to_end"


@pytest.fixture
def for_phones(run_here, tmp_path, monkeypatch, pictures, model_of):
    """Runs the guide's example for phones beside its files, with a program in MediaPipe's place."""

    def run(python: Path) -> tuple[int, str, str]:
        folder = Path(model_of()).parent
        (folder / "photos").symlink_to(pictures)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("TRIPTYCH_MEDIAPIPE_PYTHON", str(python))
        ((_, _, module, *arguments),) = examples("edge/BRING_YOUR_OWN.md", "Phones")
        assert module == FLOW
        status: tuple[int, str, str] = run_here(
            "publish_detector", tmp_path / "var", *arguments, *QUICK
        )
        return status

    return run


def test_a_file_for_phones_is_published_with_the_release(for_phones, tmp_path):
    """As the guide has it: where it lies, what was proved, and signed beside the variant."""
    code, output, errors = for_phones(reading(tmp_path))

    assert code == 0, errors
    file = tmp_path / "var" / "detectors" / "publishing" / "cells-1.0.0" / "phone.tflite"
    assert str(file) in output
    assert "mediapipe 0 finds what a device finds: 24 of 24 on 4 golden pictures" in output
    (signed,) = (tmp_path / "var" / "releases").rglob("*.phone.tflite")
    assert signed.read_bytes() == file.read_bytes()
    assert (signed.parent.name, signed.parent.parent.name) == ("1.0.0", "cells")


def test_nothing_is_published_where_the_file_for_phones_fails(for_phones, tmp_path):
    """Neither for phones nor for devices, and no file is left to be taken for proved."""
    code, output, errors = for_phones(finding(tmp_path, [[]] * 4))

    assert code == 1
    assert "REFUSED, nothing published" in output
    assert "as-is: for phones: picture 0: MediaPipe did not find" in errors
    assert not list((tmp_path / "var").rglob("*phone.tflite"))
    assert not (tmp_path / "var" / "releases").exists()


def test_file_for_phones_of_an_earlier_run_does_not_stay(tmp_path):
    """Beside a report that says nothing of it, somebody would take it for proved."""
    file = tmp_path / "detectors" / "publishing" / "cells-1.0.0" / "phone.tflite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"of another network")
    request: Any = SimpleNamespace(home=tmp_path, for_phones=False)
    model: Any = SimpleNamespace(name="cells", version="1.0.0")
    measurement: Any = SimpleNamespace(find=lambda chosen: None)
    decision = Decision(None, ())

    assert prove_for_phones.fn(request, model, measurement, decision) == (decision, None)

    assert not file.exists()


def test_without_mediapipe_nothing_for_phones_is_begun(for_phones, tmp_path):
    """It is told before anything is converted or measured, with what would be right."""
    code, _, errors = for_phones(refusing(tmp_path, "No module named 'mediapipe'"))

    assert code == 1
    assert "No module named 'mediapipe'" in errors and "TRIPTYCH_MEDIAPIPE_PYTHON" in errors
    assert not (tmp_path / "var" / "detectors").exists()


def test_every_layout_that_devices_know_can_be_asked_for():
    """The flow's choices are those of the manifest, and auto."""
    choices = get_args(PublishDetector.model_fields["layout"].annotation)

    assert set(choices) == {"auto", *get_args(Layout)}


def test_two_publishings_do_not_share_a_folder(tmp_path):
    """They may have chosen the same version: the second is told, whatever the first does."""
    request: Any = SimpleNamespace(home=tmp_path)
    model: Any = SimpleNamespace(name="a", version="1.0.0")

    with (
        alone_in_folder(request, model),
        pytest.raises(ModelFileError, match=r"publishes a 1\.0\.0 at the moment; try again"),
        alone_in_folder(request, model),
    ):
        pass
    with alone_in_folder(request, model):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: --model"),
        (("--model", "a.tflite", "--renew"), "python -m flows.manage_releases --renew"),
        (("--model", "a.tflite", "--share", "2"), "--share: Input should be less than or equal"),
        (("--model", "a.tflite", "--input-size", "big"), "--input-size: String should match"),
        (("--model", "a.tflite", "--name", "../../x"), "--name: String should match"),
        (("--model", "a.tflite", "--name", "Parts"), "--name: String should match"),
        (("--model", "a.tflite", "--version", "01.2.3"), "--version: String should match"),
        (("--model", "a.tflite", "--version", "1.2.3456789012"), "--version: String should match"),
        (("--model", "a.tflite", "--for", "cars"), "--for: Input should be 'devices' or 'phones'"),
        (("--model", "a.tflite", "--for-", "phones"), "--for- is no option; did you mean --for?"),
        (("--model", "a.tflite", "--threads", "0"), "Input should be greater than or equal to 1"),
    ],
)
def test_wrong_arguments_end_with_what_would_be_right(capsys, arguments, message):
    """Status 2, before anything is started."""
    with pytest.raises(SystemExit) as end:
        parse(PublishDetector, f"python -m {FLOW}", arguments)

    assert end.value.code == 2
    assert message in capsys.readouterr().err

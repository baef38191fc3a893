"""What opening a model promises, with whichever runtime there is."""

import os
import sys

import pytest
from edge_detector.errors import ConfigError, ModelError, ReleaseError
from edge_detector.inference.runtime import RUNTIMES, open_interpreter, read_tensors

from tests.edge.device.tiny import TENSORS, build_tiny

FAKE = """
import os
class Interpreter:
    def __init__(self, model_path, num_threads):
        self.opened = (model_path, num_threads)
        os.write(2, b"INFO: Created a delegate.\\nWARNING: something that matters\\n")
    def allocate_tensors(self):
        {fault}
"""


@pytest.fixture
def fake_runtime(tmp_path, monkeypatch):
    """Puts a runtime of this source in the place of an installed one."""
    monkeypatch.syspath_prepend(tmp_path)
    added = []

    def put(runtime, source):
        module = f"fake_{runtime}_runtime"
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.setitem(RUNTIMES, runtime, (f"fake-{runtime}", module))
        added.append(module)

    yield put
    for module in added:
        sys.modules.pop(module, None)


@pytest.fixture
def model(tmp_path):
    """A file; no fake runtime looks into it."""
    path = tmp_path / "model.tflite"
    path.write_bytes(b"anything")
    return path


def test_model_is_opened_ready_to_run(tmp_path):
    """With the name and version of what runs it, and the ends it has."""
    (tmp_path / "model.tflite").write_bytes(build_tiny("int8"))

    interpreter, name = open_interpreter(tmp_path / "model.tflite", threads=2)
    inputs, outputs = read_tensors(interpreter)

    assert name.split()[0] in {"ai-edge-litert", "tflite-runtime"} and name.split()[1][0].isdigit()
    assert [(tensor.shape, tensor.dtype.name, tensor.quantised) for tensor in inputs] == [
        ((1, 64, 64, 3), "int8", True)
    ]
    assert {tensor.name: tensor.shape for tensor in outputs} == {
        TENSORS["scores"]: (1, 64, 3),
        TENSORS["distances"]: (1, 64, 4),
    }


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0\0\0\0TFL3", None])
def test_file_that_is_no_model_is_the_publishers_fault(tmp_path, content):
    """Named by the file, whatever the runtime says of it."""
    path = tmp_path / "broken.tflite"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ModelError, match=r"broken\.tflite"):
        open_interpreter(path)


def test_truncated_model_is_refused(tmp_path):
    """As after a download that nobody checked."""
    content = build_tiny()
    path = tmp_path / "half.tflite"
    path.write_bytes(content[: len(content) // 2])

    with pytest.raises(ModelError, match=r"half\.tflite"):
        open_interpreter(path)


def test_newer_runtime_is_asked_first(fake_runtime, model):
    """Where both are installed."""
    fake_runtime("litert", FAKE.format(fault="pass"))
    fake_runtime("tflite", FAKE.format(fault="pass"))

    interpreter, name = open_interpreter(model, threads=3)

    assert name == "fake-litert"
    assert interpreter.opened == (str(model), 3)
    assert open_interpreter(model, runtime="tflite")[1] == "fake-tflite"


def test_older_runtime_does_where_the_newer_fails(fake_runtime, model):
    """It need not be absent: one built against another numpy fails in ways of its own."""
    fake_runtime("litert", "raise AttributeError('_ARRAY_API not found')")
    fake_runtime("tflite", FAKE.format(fault="pass"))

    assert open_interpreter(model)[1] == "fake-tflite"
    with pytest.raises(ConfigError, match="fake-litert: _ARRAY_API not found"):
        open_interpreter(model, runtime="litert")


def test_missing_runtime_is_no_fault_of_the_release(fake_runtime, model):
    """It says what to install; the release may be fine."""
    for runtime in RUNTIMES:
        fake_runtime(runtime, "import a_module_that_is_not_there")

    with pytest.raises(ConfigError, match=r"'edge-detector\[litert\]' or .*\[tflite\]") as caught:
        open_interpreter(model)
    assert not isinstance(caught.value, ReleaseError)


def test_runtime_that_cannot_run_a_model_is_named(fake_runtime, model):
    """With its own words."""
    fake_runtime("litert", FAKE.format(fault="raise RuntimeError('op 77 is unknown')"))

    with pytest.raises(ModelError, match=r"fake-litert cannot run model\.tflite: op 77"):
        open_interpreter(model, runtime="litert")


def test_only_what_matters_reaches_the_terminal(fake_runtime, model, capfd):
    """The runtime's greetings do not; its warnings do, and so does what comes after."""
    fake_runtime("litert", FAKE.format(fault="pass"))

    open_interpreter(model, runtime="litert")
    os.write(2, b"INFO: of somebody else\n")

    assert capfd.readouterr().err == "WARNING: something that matters\nINFO: of somebody else\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threads": 0}, "threads is 0: give 1 to"),
        ({"threads": 1000}, "threads is 1000"),
        ({"runtime": "onnx"}, "runtime is 'onnx': give one of auto, litert, tflite"),
    ],
)
def test_wrong_arguments_are_named(model, arguments, message):
    """With what would be right."""
    with pytest.raises(ConfigError, match=message):
        open_interpreter(model, **arguments)

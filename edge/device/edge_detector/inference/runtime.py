"""A TFLite interpreter, from whichever runtime is installed.

ai-edge-litert is asked first, then tflite-runtime, its predecessor, which on some boards is all
there is. Both have the same `Interpreter`.
"""

import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge_detector.errors import ConfigError, ModelError
from edge_detector.inference.tensors import TensorInfo

AUTO = "auto"
RUNTIMES = {  # in order of preference: distribution and module
    "litert": ("ai-edge-litert", "ai_edge_litert.interpreter"),
    "tflite": ("tflite-runtime", "tflite_runtime.interpreter"),
}
MAX_THREADS = 64

_output_lock = threading.Lock()


def open_interpreter(path: Path, threads: int = 1, runtime: str = AUTO) -> tuple[Any, str]:
    """Open a model file, ready to be run.

    Returns:
        The interpreter, and the runtime's name and version.

    Raises:
        ConfigError: no such runtime is installed, or the number of threads makes no sense.
        ModelError: the file is missing or no model that the runtime can run.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise ConfigError(f"threads is {threads}: give 1 to {MAX_THREADS}")
    with _quiet():
        interpreter_class, name = _open_runtime(runtime)
        if not path.is_file():
            raise ModelError(f"there is no model file {path}")
        try:
            interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{name} cannot run {path.name}: {error}") from error
    return interpreter, name


def read_tensors(interpreter: Any) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """The inputs and the outputs of an interpreter's model."""
    return (
        tuple(map(TensorInfo.from_details, interpreter.get_input_details())),
        tuple(map(TensorInfo.from_details, interpreter.get_output_details())),
    )


def _open_runtime(runtime: str) -> tuple[Any, str]:
    if runtime not in (AUTO, *RUNTIMES):
        raise ConfigError(f"runtime is {runtime!r}: give one of {', '.join((AUTO, *RUNTIMES))}")
    wanted = RUNTIMES if runtime == AUTO else {runtime: RUNTIMES[runtime]}
    faults = []
    for distribution, module in wanted.values():
        try:
            interpreter_class = importlib.import_module(module).Interpreter
        except Exception as error:  # built against another numpy, it fails in many ways
            *_, reason = str(error).splitlines() or [repr(error)]
            faults.append(f"{distribution}: {reason}")
            continue
        try:
            return interpreter_class, f"{distribution} {version(distribution)}"
        except PackageNotFoundError:  # put there without an installer
            return interpreter_class, distribution
    extras = " or ".join(f"'edge-detector[{name}]'" for name in wanted)
    raise ConfigError(f"no TFLite runtime: pip install {extras} ({'; '.join(faults)})")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the runtime's "INFO:" lines, written by C++ code, off the terminal.

    What else was written meanwhile, by any thread, appears a moment later.
    """
    with _output_lock, tempfile.TemporaryFile() as held:
        try:
            sys.stderr.flush()
            original = os.dup(2)
        except (AttributeError, OSError, ValueError):  # a service without an error output
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            rest = b"".join(line for line in held if not line.startswith(b"INFO:"))
            if rest:
                os.write(2, rest)

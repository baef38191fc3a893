"""TensorFlow and Keras, opened late, quietly and the same way each time.

Only training, conversion and registration need them; neither the service nor a device does. They
announce themselves on the terminal in ways that no setting of theirs turns off: what the C++ code
writes to the terminal is held back. What matters comes as an exception.
"""

import importlib
import io
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from typing import Any

import numpy as np

_SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its order of summation depends on the machine
}


@lru_cache
def open_keras() -> Any:
    """The module `keras`, on TensorFlow."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with quiet():
        import keras
        import tensorflow

        tensorflow.get_logger().setLevel("ERROR")
        keras.config.set_floatx("float32")  # whatever the user's keras.json says
    return keras


def open_tensorflow() -> Any:
    """The module `tensorflow`."""
    open_keras()
    import tensorflow

    return tensorflow


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Make what is done in a block repeatable, and leave the process as it was.

    Deterministic operations and TensorFlow's seed count for all of a process: what comes after
    without a seed would be refused, or no longer be random.
    """
    keras, tensorflow = open_keras(), open_tensorflow()
    # There is a public way in, and none out.
    config = importlib.import_module("tensorflow.python.framework.config")
    context = importlib.import_module("tensorflow.python.eager.context")
    deterministic, tensorflow_seed = config.is_op_determinism_enabled(), context.global_seed()
    python, numpy = random.getstate(), np.random.get_state()
    # Keras draws the seeds of first weights from Python's generator, which threads of others share.
    seeds: Any = importlib.import_module("keras.src.random.seed_generator")
    shared = seeds.python_random
    try:
        keras.utils.set_random_seed(seed)
        seeds.python_random = random.Random(seed)
        tensorflow.config.experimental.enable_op_determinism()
        yield
    finally:
        seeds.python_random = shared
        if not deterministic:
            config.disable_op_determinism()
        tensorflow.random.set_seed(tensorflow_seed)
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep both outputs of this process silent, C++ code included."""
    sys.stdout.flush()
    sys.stderr.flush()
    originals = [os.dup(output) for output in (1, 2)]
    with tempfile.TemporaryFile() as held, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for output in (1, 2):
            os.dup2(held.fileno(), output)
        try:
            with redirect_stdout(io.StringIO()):  # where it is not the file that was exchanged
                yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for output, original in zip((1, 2), originals, strict=True):
                os.dup2(original, output)
                os.close(original)


def first_line(error: Exception) -> str:
    """The first line of an error's message, not too long; frameworks write pages."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]

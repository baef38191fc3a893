"""What is done with TensorFlow leaves the process as it was."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from services.modelling.keras import first_line, open_keras, open_tensorflow, quiet, repeatable


def draw_without_a_seed() -> float:
    """As a network of somebody else is built: in a graph of its own, which knows no seed."""
    tensorflow = open_tensorflow()
    first = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), first.Session() as session:
        return float(session.run(first.random_uniform(())))


def test_block_can_be_repeated():
    """The same numbers from each source of chance."""
    tensorflow = open_tensorflow()
    drawn = []
    for _ in range(2):
        with repeatable(7):
            drawn.append((random.random(), np.random.rand(), float(tensorflow.random.uniform(()))))

    assert drawn[0] == drawn[1]


def test_draws_of_other_threads_change_no_first_weights():
    """Prefect's, for one, draw from Python's generator while a network is built."""

    def first_weights(draws):
        keras = open_keras()
        with repeatable(3):
            for _ in range(draws):
                random.random()
            layer = keras.layers.Dense(4)
            layer.build((None, 4))
        return np.array(layer.kernel)

    assert (first_weights(0) == first_weights(5)).all()


def test_process_is_as_before_after_a_block_that_fails():
    """Whoever has no seed may draw again, and goes on where it was."""
    open_tensorflow()  # which draws numbers while it is imported
    random.seed(1)
    np.random.seed(1)

    with pytest.raises(ZeroDivisionError), repeatable(7):
        random.random() / 0

    assert random.random() == random.Random(1).random()
    assert np.random.rand() == np.random.RandomState(1).rand()
    assert draw_without_a_seed() != draw_without_a_seed()


def test_block_within_a_block_ends_nothing_of_the_outer():
    """Its operations stay repeatable."""
    with repeatable(1):
        with repeatable(2):
            pass
        with pytest.raises(Exception, match="seed"):
            draw_without_a_seed()


_STANDS_IN = """
import os
SEEN = os.environ.get("TF_ENABLE_ONEDNN_OPTS"), os.environ.get("KERAS_BACKEND")
def get_logger():
    import logging
    return logging.getLogger("stands-in")
class config:
    set_floatx = staticmethod(lambda kind: None)
"""


def test_order_of_summation_does_not_depend_on_the_machine(tmp_path):
    """oneDNN is off from the first import on, in a process that sets nothing itself."""
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text(_STANDS_IN)
    program = "import sys; sys.path.insert(0, sys.argv[1])\n"
    program += "from services.modelling.keras import open_keras; open_keras()\n"
    program += "import keras, tensorflow; print(keras.SEEN, tensorflow.SEEN)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    expected = "('0', 'tensorflow') ('0', 'tensorflow')\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_output_of_a_quiet_block_is_dropped(capfd):
    """Of Python and of what writes to the file descriptors itself; before and after it stays."""
    print("before")
    with quiet():
        print("within")
        os.write(2, b"within")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_first_line_of_an_error_is_short():
    """An error without words is called by its type."""
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError("x" * 1_000)) == "x" * 300
    assert first_line(KeyError()) == "KeyError"

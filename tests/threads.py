"""One thread for each library, where several test processes share the machine's cores.

TensorFlow, torch, OpenCV and the rest would each take every core, and spin while they wait for one
another, which is an eighth of what a training costs. Tests that are about threads say how many.
"""

import os

NAMES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)


def limit_threads() -> None:
    """For the processes that this one starts, unless whoever runs the tests has said otherwise."""
    for name in NAMES:
        os.environ.setdefault(name, "1")


def threads() -> dict[str, str]:
    """What a process with an environment of its own needs to keep to it."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}

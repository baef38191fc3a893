"""A model timed in a process of its own, as a device would run it.

Run as a file, by any Python that has a runtime, numpy and OpenCV, so that each runtime is measured
where it lives; `time_model` starts such a process, with our own `edge_detector`. Its memory is its
own: nothing of the publisher's frameworks is in it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edge_detector

_FEWEST = 20  # runs, however slow
_TIMEOUT_S = 300.0


class StopwatchError(Exception):
    """The process could not time the model; the message is the last it said."""


def time_model(
    python: Path, folder: Path, picture: Path, threads: int, seconds: float
) -> dict[str, Any]:
    """Time the release in a folder.

    Args:
        python: the interpreter to run it with.
        folder: with `manifest.json` and the model.
        picture: what it is to look at.
        threads: of the runtime.
        seconds: how long to measure.

    Returns:
        runtime, p50_ms, p99_ms, infer_p50_ms and peak_bytes.

    Raises:
        StopwatchError: the process failed or did not end.
    """
    command = [str(python), __file__, str(folder), str(picture), str(threads), str(seconds)]
    try:
        # Beside our package lie those of this environment, which are not meant for another Python.
        with tempfile.TemporaryDirectory() as path:
            device = Path(edge_detector.__file__).resolve().parent
            (Path(path) / device.name).symlink_to(device, target_is_directory=True)
            done = subprocess.run(
                command,
                env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S + 2 * seconds,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StopwatchError(str(error)) from error
    try:
        measured: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise StopwatchError(f"{python}: {lines[-1][:300]}") from error
    return measured


def measure(folder: Path, picture: Path, threads: int, seconds: float) -> dict[str, Any]:
    """What `time_model` returns, in this process."""
    import cv2
    import numpy as np
    from edge_detector.detector import Detector
    from edge_detector.manifest import MANIFEST_FILE, Manifest

    manifest = Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
    frame = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if frame is None:
        raise SystemExit(f"{picture} cannot be read as an image")
    detector = Detector(folder / manifest.model.file, manifest, threads)
    detector.warm_up()
    whole: list[float] = []
    inferred: list[float] = []
    end = time.perf_counter() + seconds
    while len(whole) < _FEWEST or time.perf_counter() < end:
        began = time.perf_counter()
        prepared = detector.prepare(frame.astype(np.uint8, copy=False))
        before = time.perf_counter()
        raw = detector.infer(prepared)
        after = time.perf_counter()
        detector.read(raw)
        whole.append(time.perf_counter() - began)
        inferred.append(after - before)
    return {
        "runtime": detector.runtime_name,
        "p50_ms": 1e3 * float(np.percentile(whole, 50)),
        "p99_ms": 1e3 * float(np.percentile(whole, 99)),
        "infer_p50_ms": 1e3 * float(np.percentile(inferred, 50)),
        "peak_bytes": _peak_bytes(),
    }


def _peak_bytes() -> int:
    """The most memory that this process had at once."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says includes the process that started this one
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: Sequence[str]) -> None:
    """Measure and print one JSON object."""
    folder, picture, threads, seconds = arguments
    # Libraries may print: what is read as the answer is the last that goes to the real output.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(measure(Path(folder), Path(picture), int(threads), float(seconds)), output)
    output.flush()


if __name__ == "__main__":
    # The folder of this file comes first in the path, and its files are no modules of anyone's.
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]
    main(sys.argv[1:])

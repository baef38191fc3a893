"""A model timed in a process of its own, as a device would run it.

Run as a file, by any Python that has a runtime, numpy and OpenCV, so that each runtime is measured
where it lives; `Benchmark` starts such a process, with our own `edge_detector`. Its memory is its
own: nothing of the publisher's frameworks is in it. It measures a round whenever it is asked for
one, so that several can be measured in turns.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Self

import edge_detector

_FEWEST = 3  # runs in a round, however slow
_TIMEOUT_S = 300.0


class BenchmarkError(Exception):
    """The process could not time the model; the message is the last it said."""


class Benchmark:
    """The process of one model; a context."""

    def __init__(self, python: Path, folder: Path, picture: Path, threads: int) -> None:
        """Nothing is started yet.

        Args:
            python: the interpreter to run it with.
            folder: of the release, with `manifest.json` and the model.
            picture: what it is to look at.
            threads: of the runtime.
        """
        self._python = python
        self._command = [str(python), __file__, str(folder), str(picture), str(threads)]
        self._rounds: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            BenchmarkError: there is no such program.
        """
        # Beside our package lie those of this environment, which are not meant for another Python.
        self._path = tempfile.TemporaryDirectory()
        device = Path(edge_detector.__file__).resolve().parent
        (Path(self._path.name) / device.name).symlink_to(device, target_is_directory=True)
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, "PYTHONPATH": self._path.name, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            self._clear()
            raise BenchmarkError(str(error)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._clear()

    def _clear(self) -> None:
        self._errors.close()
        self._path.cleanup()

    def round(self, seconds: float) -> None:
        """Measure for so long.

        Raises:
            BenchmarkError: the process failed or did not answer.
        """
        watchdog = threading.Timer(_TIMEOUT_S + 2 * seconds, self._process.kill)
        watchdog.start()
        try:
            line = self._ask(f"{seconds}\n".encode())
        finally:
            watchdog.cancel()
        try:
            self._rounds.append(json.loads(line))
        except ValueError as error:
            raise BenchmarkError(f"{self._python}: {self._last_words()}") from error

    def _ask(self, question: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(question)
            self._process.stdin.flush()
        except OSError:  # it has ended, and said why
            return b""
        return self._process.stdout.readline()

    def _last_words(self) -> str:
        try:
            status = self._process.wait(timeout=10)  # it may be about to say something
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"it ended with status {status}"

    @property
    def measured(self) -> dict[str, Any]:
        """All rounds together: runtime, p50_ms, p99_ms, infer_p50_ms, peak_bytes and rounds_ms,
        the median of each round, of which p50_ms is the median."""
        frames = [value for measured in self._rounds for value in measured["frames_ms"]]
        inferred = [value for measured in self._rounds for value in measured["inferred_ms"]]
        rounds = tuple(median(measured["frames_ms"]) for measured in self._rounds)
        return {
            "runtime": self._rounds[-1]["runtime"],
            "p50_ms": median(rounds),
            "p99_ms": _percentile(frames, 0.99),
            "infer_p50_ms": median(inferred),
            "peak_bytes": max(measured["peak_bytes"] for measured in self._rounds),
            "rounds_ms": rounds,
        }


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(folder: Path, picture: Path, threads: int) -> Iterator[dict[str, Any]]:
    """In this process: rounds of so many seconds as are sent."""
    import cv2
    import numpy as np
    from edge_detector.contract.manifest import MANIFEST_FILE, Manifest
    from edge_detector.inference.detector import Detector

    manifest = Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
    frame = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if frame is None:
        raise SystemExit(f"{picture} cannot be read as an image")
    pixels = frame.astype(np.uint8, copy=False)
    detector = Detector(folder / manifest.model.file, manifest, threads)
    detector.warm_up()
    for line in sys.stdin:
        detector.detect(pixels)  # others have run since
        whole: list[float] = []
        inferred: list[float] = []
        end = time.perf_counter() + float(line)
        while len(whole) < _FEWEST or time.perf_counter() < end:
            began = time.perf_counter()
            prepared = detector.prepare(pixels)
            before = time.perf_counter()
            raw = detector.infer(prepared)
            after = time.perf_counter()
            detector.read(raw)
            whole.append(time.perf_counter() - began)
            inferred.append(after - before)
        yield {
            "runtime": detector.runtime_name,
            "frames_ms": [round(1e3 * seconds, 5) for seconds in whole],
            "inferred_ms": [round(1e3 * seconds, 5) for seconds in inferred],
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
    """For each line that is read, measure a round and print it as one line of JSON."""
    folder, picture, threads = arguments
    # Libraries may print: what is read as the answer is the last that goes to the real output.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for found in measure(Path(folder), Path(picture), int(threads)):
        print(json.dumps(found), file=output, flush=True)


if __name__ == "__main__":
    # The folder of this file comes first in the path, and its files are no modules of anyone's.
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]
    main(sys.argv[1:])

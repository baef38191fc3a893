"""A model on the device: one process, one thread, one row after another.

    python -m tasks.comparison.measuring.doors.device NAME MODEL ROWS SECONDS SEED OUTPUT

The load generator asks within this process, since a device's camera or keyboard does too. Memory
is read before it starts: it belongs to the generator from there on. Writes an `OnDevice` as JSON.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tasks.comparison.measurement import Load
from tasks.comparison.measuring.doors.subject import PARITY_ROWS
from tasks.comparison.measuring.energy import EnergyCounters, read_energy
from tasks.comparison.measuring.figures import load_figures
from tasks.comparison.measuring.load.loadgen import STREAMS, Done, LoadSpec, Sample, run_load

MOST_QUERIES = 40_000  # of a load: each leaves a kilobyte in the generator's trace
ROUNDS = 5  # of the loop: a shared machine is not as fast at one moment as at the next

Answer = Callable[[Any], float]


class OnDevice(BaseModel):
    """What a device's process told of itself."""

    model_config = ConfigDict(frozen=True)

    first_answer_at: float  # time.monotonic(), which processes of one machine share
    rows_per_s: float
    cpu_s_per_million: float
    energy_j_per_million: float | None
    peak_memory_mib: float
    loads: tuple[Load, ...]
    scores: tuple[float, ...]  # of the first rows


def main() -> None:
    name, model, rows, seconds, seed, output = sys.argv[1:]
    answer, values = open_model(name, Path(model), Path(rows))
    answer(values[0])
    found = measure_device(answer, values, time.monotonic(), float(seconds), int(seed))
    Path(output).write_text(found.model_dump_json(), encoding="utf-8")


def open_model(name: str, model: Path, rows: Path) -> tuple[Answer, Sequence[Any]]:
    """What answers a row on a device, and the rows as events bring them."""
    if name == "fraud":
        return open_fraud(model), np.load(rows).tolist()
    about = json.loads(rows.read_text("utf-8"))
    return open_sentiment(model, about["precision"]), about["texts"]


def open_fraud(model: Path) -> Answer:
    """The TFLite form in the device's own runtime. Rows: features in the card's order."""
    from edge_detector.inference.runtime import open_interpreter, read_tensors

    interpreter, _ = open_interpreter(model / "model.tflite", threads=1)
    inputs, outputs = read_tensors(interpreter)
    source, target = inputs[0].index, outputs[0].index

    def answer(row: Sequence[float]) -> float:
        interpreter.set_tensor(source, tensor_of(row))
        interpreter.invoke()
        return float(interpreter.get_tensor(target)[0, 0])

    return answer


def tensor_of(row: Sequence[float]) -> NDArray[np.float32]:
    """A row of features as the model takes it, shape (1, features)."""
    return np.array([row], np.float32)


def open_sentiment(model: Path, precision: str) -> Answer:
    """The graph in ONNX Runtime. Rows: texts as they were written."""
    from tasks.sentiment.scoring.model import find_model
    from tasks.sentiment.scoring.scorer import Scorer
    from tasks.sentiment.text import clean

    scorer = Scorer(find_model(str(model), cache=model), precision, threads=1)
    return lambda text: float(scorer.score([clean(text)])[0])


def measure_device(
    answer: Answer, values: Sequence[Any], first_answer_at: float, seconds: float, seed: int
) -> OnDevice:
    """Loop, then ask as SingleStream and MultiStream have it, a third of the seconds each."""
    scores = tuple(answer(value) for value in values[:PARITY_ROWS])
    order = np.random.default_rng(seed).integers(len(values), size=len(values)).tolist()
    before, cpu = read_energy(), time.process_time()
    rate, count = _loop(answer, [values[row] for row in order], seconds / 3)
    cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    after = read_energy()
    energy = None
    if isinstance(before, EnergyCounters) and isinstance(after, EnergyCounters):
        energy = before.joules_until(after) / count * 1e6
    single = LoadSpec(
        "SingleStream", len(values), seconds / 3, seed=seed, expected_s=_expected(1 / rate, seconds)
    )
    multi = LoadSpec(
        scenario="MultiStream",
        rows=len(values),
        seconds=seconds / 3,
        seed=seed,
        expected_s=_expected(STREAMS / rate, seconds),
    )
    target = _InProcess(answer, values)
    return OnDevice(
        first_answer_at=first_answer_at,
        rows_per_s=rate,
        cpu_s_per_million=cpu / count * 1e6,
        energy_j_per_million=energy,
        peak_memory_mib=peak,
        loads=tuple(load_figures(run_load(spec, target)) for spec in (single, multi)),
        scores=scores,
    )


def _expected(usual_s: float, seconds: float) -> float:
    """What the generator is told of a query's latency, so that it prepares enough and not more."""
    return max(usual_s / 2, seconds / 3 / MOST_QUERIES)


def _loop(answer: Answer, values: Sequence[Any], seconds: float) -> tuple[float, int]:
    """Rows per second of one after another in the fastest of several rounds, and how many rows
    all rounds had."""
    best, count = 0.0, 0
    for _ in range(ROUNDS):
        first, began = count, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds / ROUNDS:
            answer(values[count % len(values)])
            count += 1
        best = max(best, (count - first) / took)
    return best, count


class _InProcess:
    """The model as a load generator's target."""

    def __init__(self, answer: Answer, values: Sequence[Any]) -> None:
        self.faults: list[str] = []
        self._answer, self._values = answer, values

    def ask(self, samples: Sequence[Sample], done: Done) -> None:
        for sample in samples:
            try:
                self._answer(self._values[sample.row])
            except Exception as error:  # of whatever runs the model
                self.faults.append(f"row {sample.row}: {error}")
        done([sample.id for sample in samples])


if __name__ == "__main__":
    main()

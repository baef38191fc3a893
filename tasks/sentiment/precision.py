"""Choose the fastest precision that gives this model's labels on this CPU, and remember it.

What is fast differs between CPUs by more than the models do, so it is measured: float32 first,
then int8, and bfloat16 where the CPU has it in hardware. A precision counts if it gives at
least 99 % of the sample the label that float32 gives. bfloat16 is not measured where int8
counts and is half again as fast as float32: there it has not been seen to win, and loading
torch to see costs seconds and memory.
"""

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tasks.sentiment.canary import CANARIES, check_canaries
from tasks.sentiment.encoder import is_known
from tasks.sentiment.errors import ModelError
from tasks.sentiment.model import ModelFolder
from tasks.sentiment.runtime import find_gpu
from tasks.sentiment.scorer import PRECISIONS, Scorer, usable_cores
from tasks.sentiment.text import clean

SCHEME = 1  # of measuring and of the graphs; a higher number forgets what was remembered
AGREEMENT = 0.99
ENOUGH = 100  # texts; what fewer of them show is not remembered
CHUNK = 32  # texts scored at once at first; then twice as many, and so on
SECONDS = 8.0  # about the longest per precision; a slow model is measured on fewer texts
INT8_SUFFICES = 1.5  # times as fast as float32

_INTERESTING_FLAGS = {
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16"),  # ARM's
}


@dataclass(frozen=True)
class Choice:
    """What was chosen and why: texts per second and share of float32's labels, by precision."""

    precision: str
    rates: dict[str, float]
    agreement: dict[str, float]


def open_scorer(
    model: ModelFolder,
    precision: str,
    *,
    threads: int | None = None,
    cache: Path,
    sample: Callable[[], Sequence[str]] | None = None,
) -> Scorer:
    """A scorer whose answers to the known texts are right, opened once per process.

    precision: "auto", "float32", "bfloat16" or "int8".
    sample: cleaned texts to choose the precision on; without them the known texts serve.

    Raises: ModelError: the model cannot be computed so.
        CanaryError: it answers known texts wrongly.
    """
    threads = threads or usable_cores()
    with _opening:
        if precision == "auto":
            key = (str(model.path), model.digest, precision, threads)
            if key in _opened:
                return _opened[key]
            precision = choose_precision(model, sample, cache, threads).precision
            scorer = _opened[key] = _open(model, precision, threads)
            return scorer
        return _open(model, precision, threads)


_opening = threading.Lock()
_opened: dict[tuple[str, str, str, int], Scorer] = {}


def _open(model: ModelFolder, precision: str, threads: int) -> Scorer:
    if precision not in PRECISIONS:
        raise ModelError(f"there is no precision {precision}: auto, {', '.join(PRECISIONS)}")
    key = (str(model.path), model.digest, precision, threads)
    if key not in _opened:
        scorer = Scorer(model, precision, threads=threads)
        check_canaries(scorer)
        _opened[key] = scorer
    return _opened[key]


def choose_precision(
    model: ModelFolder,
    sample: Callable[[], Sequence[str]] | None,
    cache: Path,
    threads: int,
) -> Choice:
    """The remembered choice for this model and machine, or a new one. It is remembered if it was
    measured on a hundred texts or more.

    Raises: ModelError: the model cannot be computed at all.
    """
    file = cache / "precision.json"
    key = _key(model, threads)
    remembered = _read(file)
    if key in remembered:
        return remembered[key]
    texts = list(dict.fromkeys(sample())) if sample else []
    choice = measure(model, texts or [clean(canary.raw_text) for canary in CANARIES], threads)
    if len(texts) >= ENOUGH:
        _write(file, {**_read(file), key: choice})
    return choice


def measure(model: ModelFolder, texts: Sequence[str], threads: int) -> Choice:
    """Measure the candidates on distinct texts, and choose."""
    texts = list(dict.fromkeys(texts))
    gpu = find_gpu()
    reference, rate = _timed(model, "float32", texts, threads)
    rates, agreement = {"float32": rate}, {"float32": 1.0}
    candidates = [
        *(["int8"] if gpu is None and is_known(model.config) else []),
        *(["bfloat16"] if gpu == "cuda" or "bf16" in _cpu() else []),
    ]
    for precision in candidates:
        if precision == "bfloat16" and _best(rates, agreement) >= INT8_SUFFICES * rate:
            continue
        probability, rates[precision] = _timed(model, precision, texts[: len(reference)], threads)
        same = (probability >= 0.5) == (reference[: len(probability)] >= 0.5)
        agreement[precision] = round(float(same.mean()), 4)
    best = _best(rates, agreement)
    chosen = next(p for p in rates if agreement[p] >= AGREEMENT and rates[p] == best)
    return Choice(chosen, {p: round(r, 1) for p, r in rates.items()}, agreement)


def _best(rates: dict[str, float], agreement: dict[str, float]) -> float:
    return max(rate for precision, rate in rates.items() if agreement[precision] >= AGREEMENT)


def _timed(
    model: ModelFolder, precision: str, texts: Sequence[str], threads: int
) -> tuple[np.ndarray, float]:
    """Probabilities of as many texts as there was time for, and texts per second."""
    scorer = Scorer(model, precision, threads=threads)
    scorer.score(texts[:CHUNK])  # the first pass also prepares weights and memory
    probabilities: list[np.ndarray] = []
    at, size = 0, CHUNK
    started = time.perf_counter()
    while at < len(texts) and time.perf_counter() - started < SECONDS / 2:
        probabilities.append(scorer.score(texts[at : at + size]))
        at, size = at + size, 2 * size
    scored = np.concatenate(probabilities)
    return scored, len(scored) / (time.perf_counter() - started)


def _key(model: ModelFolder, threads: int) -> str:
    device = find_gpu() or _cpu()
    versions = [f"{name} {_version(name)}" for name in ("onnxruntime", "torch", "transformers")]
    return "; ".join([model.digest, device, f"{threads} threads", f"scheme {SCHEME}", *versions])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _cpu() -> str:
    """Name and instruction sets of the CPU; virtual machines often tell a family's name only."""
    info = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    if info.exists():
        for line in info.read_text("utf-8", "replace").split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    name = fields.get("model name") or f"{platform.machine()} {platform.processor()}".strip()
    return " ".join([name, *sorted(_INTERESTING_FLAGS.intersection(flags))])


def _read(file: Path) -> dict[str, Choice]:
    """What was remembered; an unreadable file counts as none."""
    try:
        content = json.loads(file.read_text("utf-8"))
        choices = {key: Choice(**entry) for key, entry in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return {key: choice for key, choice in choices.items() if choice.precision in PRECISIONS}


def _write(file: Path, choices: dict[str, Choice]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    content = {key: asdict(choice) for key, choice in choices.items()}
    aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    aside.replace(file)

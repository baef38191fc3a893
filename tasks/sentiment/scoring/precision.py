"""Choose the fastest precision that gives this model's labels on this CPU, and remember it.

What is fast differs between CPUs by more than the models do, so it is measured: float32 first,
then int8, and bfloat16 where the CPU has it in hardware. A precision counts if it gives at
least 99 % of the sample the label that float32 gives; of two that count, the more exact is taken
unless the other one is faster beyond the spread of the rounds. bfloat16 is not measured where
int8 counts and is half again as fast as float32: there it has not been seen to win, and loading
torch to see costs seconds and memory.

A precision that is asked for by its name is compared with float32 likewise, and refused where
`auto` would not count it.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter

from services.reporting.figures import counted, percent, rate
from services.storage.files import write_text
from tasks.sentiment.errors import ModelError, PrecisionError
from tasks.sentiment.scoring.benchmark import (
    Candidate,
    Difference,
    compare,
    open_candidate,
    spread,
    time_in_turns,
)
from tasks.sentiment.scoring.encoder import is_known
from tasks.sentiment.scoring.golden import GOLDEN_TEXTS, check_golden, golden_texts
from tasks.sentiment.scoring.machine import describe_cpu, usable_cores
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.runtime import find_gpu
from tasks.sentiment.scoring.scorer import PRECISIONS, Scorer
from tasks.sentiment.text import clean

SCHEME = 2  # of measuring and of the graphs; a higher number forgets what was remembered
ENOUGH = 100  # texts; what fewer of them show is not remembered
INT8_SUFFICES = 1.5  # times as fast as float32
AGREEMENT = 0.99  # least share of float32's labels
FASTER = 1.05  # times: less is no reason to be less exact


@dataclass(frozen=True)
class Choice:
    """What was chosen and why, by precision.

    rates: texts per second, the median of the rounds; agreement: share of float32's labels;
    spread: of the rates; largest_difference: of a probability from float32's; texts: on how
    many this was seen.
    """

    precision: str
    rates: Mapping[str, float]
    agreement: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    largest_difference: Mapping[str, float] = field(default_factory=dict)
    texts: int = 0


_CHOICES = TypeAdapter(dict[str, Choice])


def open_scorer(model: ModelFolder, precision: str, *, threads: int | None = None) -> Scorer:
    """A scorer whose answers to the golden texts are right, opened once per process.

    precision: a name, taken as it is; `choose_precision` compares it, once per run.
    threads: None: one per usable core.
    Raises: ModelError: the model cannot be computed so.
        GoldenError: it answers known texts wrongly.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"there is no precision {precision}: auto, {', '.join(PRECISIONS)}")
    threads = threads or usable_cores()
    key = (str(model.path), model.digest, precision, threads)
    with _opening:
        if key not in _opened:
            scorer = Scorer(model, precision, threads=threads)
            check_golden(scorer, golden_texts(model.path))
            _opened[key] = scorer
        return _opened[key]


_opening = threading.Lock()
_opened: dict[tuple[str, str, str, int], Scorer] = {}


def choose_precision(
    model: ModelFolder,
    sample: Callable[[], Sequence[str]],
    cache: Path,
    threads: int,
    precision: str = "auto",
) -> Choice:
    """The remembered choice for this model and machine, or a new one. It is remembered if it was
    measured on a hundred texts or more.

    sample: cleaned texts of the input; where there are none, the golden texts serve.
    precision: "auto", or a name, which is then compared with float32.
    Raises: ModelError: the model cannot be computed so.
        PrecisionError: the named one gives other labels than float32.
    """
    if precision == "float32":
        return Choice(precision, {}, {precision: 1.0})
    file = cache / "precision.json"
    key, remembered = _key(model, threads), _read(file)
    named_key = f"{key}; {precision} by name"
    if precision == "auto" and key in remembered:
        return remembered[key]
    if precision != "auto":
        for entry in (remembered.get(key), remembered.get(named_key)):
            if entry is not None and precision in entry.largest_difference:
                return _check_agreement(replace(entry, precision=precision))
    texts = list(dict.fromkeys(sample()))
    asked = texts or [clean(golden.raw_text) for golden in GOLDEN_TEXTS]
    if precision == "auto":
        choice = measure(model, asked, threads)
    else:
        key, choice = named_key, compare_precision(model, precision, asked, threads)
    if len(texts) >= ENOUGH:
        _write(file, {**_read(file), key: choice})
    return choice if precision == "auto" else _check_agreement(choice)


def _check_agreement(choice: Choice) -> Choice:
    precision = choice.precision
    agreement = choice.agreement[precision]
    if agreement < AGREEMENT:
        raise PrecisionError(
            f"{precision} gives {100 * (1 - agreement):.1f} % of {counted(choice.texts, 'text')}"
            " another label than float32 (probabilities differ by up to"
            f" {choice.largest_difference[precision]:.3f}), and at most"
            f" {100 * (1 - AGREEMENT):.0f} % may: use --precision float32, or auto"
        )
    return choice


def compare_precision(
    model: ModelFolder, precision: str, texts: Sequence[str], threads: int
) -> Choice:
    """Compare one precision with float32 on distinct texts; nothing is timed."""
    texts = list(dict.fromkeys(texts))
    reference = open_candidate(model, "float32", texts, threads).probability
    candidate = open_candidate(model, precision, texts[: len(reference)], threads)
    difference = compare(candidate.probability, reference)
    return Choice(
        precision,
        rates={},
        agreement={"float32": 1.0, precision: difference.agreement},
        largest_difference={"float32": 0.0, precision: difference.largest},
        texts=difference.texts,
    )


def measure(model: ModelFolder, texts: Sequence[str], threads: int) -> Choice:
    """Measure the candidates on distinct texts, and choose."""
    texts = list(dict.fromkeys(texts))
    gpu = find_gpu()
    exact = open_candidate(model, "float32", texts, threads)
    texts = texts[: len(exact.probability)]
    candidates = {"float32": exact}
    differences = {"float32": compare(exact.probability, exact.probability)}

    def add(precision: str) -> None:
        candidates[precision] = open_candidate(model, precision, texts, threads)
        differences[precision] = compare(candidates[precision].probability, exact.probability)
        time_in_turns(candidates, texts)

    if gpu is None and is_known(model.config):
        add("int8")
    if (gpu == "cuda" or "bf16" in describe_cpu()) and not _int8_suffices(candidates, differences):
        add("bfloat16")
    return _choice(candidates, differences)


def _int8_suffices(
    candidates: Mapping[str, Candidate], differences: Mapping[str, Difference]
) -> bool:
    if "int8" not in candidates or differences["int8"].agreement < AGREEMENT:
        return False
    int8, float32 = (median(candidates[p].rounds) for p in ("int8", "float32"))
    return int8 >= INT8_SUFFICES * float32


def _choice(candidates: Mapping[str, Candidate], differences: Mapping[str, Difference]) -> Choice:
    rounds = {p: c.rounds or [c.rate] for p, c in candidates.items()}
    agreement = {p: d.agreement for p, d in differences.items()}
    ends = {p: spread(rates) for p, rates in rounds.items()}
    return Choice(
        choose(rounds, agreement),
        rates={p: round(median(rates), 1) for p, rates in rounds.items()},
        agreement=agreement,
        spread={p: (round(low, 1), round(high, 1)) for p, (low, high) in ends.items()},
        largest_difference={p: d.largest for p, d in differences.items()},
        texts=min(d.texts for d in differences.values()),
    )


def _key(model: ModelFolder, threads: int) -> str:
    device = find_gpu() or describe_cpu()
    versions = [f"{name} {_version(name)}" for name in ("onnxruntime", "torch", "transformers")]
    return "; ".join([model.digest, device, f"{threads} threads", f"scheme {SCHEME}", *versions])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _read(file: Path) -> dict[str, Choice]:
    """What was remembered; an unreadable file counts as none."""
    try:
        choices = _CHOICES.validate_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return {key: choice for key, choice in choices.items() if choice.precision in PRECISIONS}


def _write(file: Path, choices: dict[str, Choice]) -> None:
    content = {key: asdict(choice) for key, choice in choices.items()}
    write_text(file, json.dumps(content, indent=1) + "\n")


def choose(rounds: Mapping[str, Sequence[float]], agreement: Mapping[str, float]) -> str:
    """The most exact precision than which none is faster, of those whose labels agree.

    rounds: texts per second in each round, all precisions measured in the same ones.
    """
    able = [p for p in PRECISIONS if p in rounds and agreement[p] >= AGREEMENT]
    return next(p for p in able if not any(is_faster(rounds[o], rounds[p]) for o in able))


def is_faster(rates: Sequence[float], others: Sequence[float]) -> bool:
    """Whether a difference of rates lies beyond the spread of the rounds: one was faster by 5 %
    in each of them, an outlier left out."""
    slowest, _ = spread([a / b for a, b in zip(rates, others, strict=True)])
    return slowest > FASTER


def describe_choice(choice: Choice) -> str:
    """Why, in a line: agreement with float32, and the rates with the spread of their rounds."""
    reasons, chosen = [], choice.precision
    if chosen in choice.largest_difference and chosen != "float32":
        reasons.append(
            f"labels of float32 on {percent(choice.agreement[chosen])} of"
            f" {counted(choice.texts, 'text')}, probabilities within"
            f" {choice.largest_difference[chosen]:.4f}"
        )
    rates = []
    for precision, (slowest, fastest) in choice.spread.items():
        remark = f"{rate(slowest)} to {rate(fastest)}"
        if choice.agreement[precision] < AGREEMENT:
            remark += f", but {percent(choice.agreement[precision])} of the labels"
        rates.append(f"{precision} {rate(choice.rates[precision])} ({remark})")
    if rates:
        reasons.append(f"texts per second: {', '.join(rates)}")
    return "; ".join(reasons)

"""A whole comparison: each model in each way, one after another, on this machine."""

import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import psutil

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Comparison, ModelCompared, Way
from tasks.comparison.measuring.doors.subject import Subject
from tasks.comparison.measuring.parity import compare_scores
from tasks.comparison.measuring.plan import make_plan
from tasks.comparison.measuring.ways.device import measure_device
from tasks.comparison.measuring.ways.night import measure_night
from tasks.comparison.measuring.ways.service import measure_service
from tasks.sentiment.scoring.machine import describe_cpu, usable_cores

MODELS = ("fraud", "sentiment")
DEFAULT_S = 480.0  # for both models; ten minutes on two cores are kept also if much goes wrong
BUSY_PERCENT = 20.0  # of all cores, before anything is measured
NIGHTS_SHARE = 0.7  # of the service's rate, which a night at least has

Report = Callable[[str], None]


def measure_models(
    models: Sequence[str],
    home: Path,
    seconds: float,
    seed: int,
    report: Report,
    *,
    bounds_ms: Mapping[str, float] = MappingProxyType({}),
) -> Comparison:
    """Measure models in all three ways.

    Args:
        models: of `MODELS`.
        home: the user's, for his champion and what is known of the machine; only the latter is
            added to. All else that is written lies in a temporary folder.
        seconds: for all models, about. Few give figures that rest on less, and no less is
            started for them.
        report: told what is done next.
        bounds_ms: that the 99th percentile over HTTP is to keep, by model; else each model's own.

    Raises: MeasuringError: no such model, or one could not be measured.
    """
    if unknown := [name for name in models if name not in MODELS]:
        raise MeasuringError(f"no model {', '.join(unknown)}: {' or '.join(MODELS)}")
    started_at, began = datetime.now(UTC), time.perf_counter()
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY_PERCENT:
        report(f"others keep {busy:.0f} % of this machine busy: figures are worse, and vary more")
    compared = []
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        for name in models:
            report(f"{name}: preparing the model and its rows")
            subject = _open(name, home, Path(scratch), seed)
            bound_ms = bounds_ms.get(name, subject.bound_ms)
            compared.append(_measure(subject, seconds / len(models), bound_ms, seed, report))
    return Comparison(
        started_at=started_at,
        seconds=time.perf_counter() - began,
        machine={**describe_machine(), "busy_before_percent": busy},
        models=tuple(compared),
    )


def describe_machine() -> dict[str, str | int | float]:
    """What the figures depend on."""
    return {
        "cpu": describe_cpu(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _open(name: str, home: Path, scratch: Path, seed: int) -> Subject:
    if name == "fraud":
        from tasks.comparison.measuring.doors.fraud import open_fraud

        return open_fraud(home, scratch, seed)
    from tasks.comparison.measuring.doors.sentiment import open_sentiment

    return open_sentiment(home, scratch)


def _measure(
    subject: Subject, seconds: float, bound_ms: float, seed: int, report: Report
) -> ModelCompared:
    plan = make_plan(seconds)
    report(f"{subject.name}: on the device's runtime")
    device = measure_device(subject, plan, seed)
    report(f"{subject.name}: over HTTP")
    service = measure_service(subject, plan, bound_ms, seed)
    report(f"{subject.name}: as a night")
    rate = NIGHTS_SHARE * service.way.rows_per_s
    night = measure_night(subject, plan, rate, seed)
    found = {Way.NIGHT: night, Way.SERVICE: service, Way.DEVICE: device}
    return ModelCompared(
        name=subject.name,
        version=subject.version,
        digest=subject.digest,
        ways=tuple(measured.way for measured in found.values()),
        parity=compare_scores(
            {way: measured.scores for way, measured in found.items()},
            subject.tolerance,
            subject.label,
        ),
    )

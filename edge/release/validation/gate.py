"""May a model be published? Decided from metrics alone.

Promises: a metric that was not measured refuses nothing, but for those that every model has; every
reason names the metric and the limit; the same metrics give the same decision.

Of several forms that pass, their times and sizes alone choose. Forms are timed in turns, round by
round, so that a machine that is busy for a while is busy for all of them: what is compared is how
one form did against another within the same round. A form is faster than another only beyond what
rounds vary by. Of those that none is faster than, the smallest is taken: what noise decides would
be another one tomorrow, the size is the same. Where a difference lies just at the limit, what was
published before stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from edge.release.validation.metrics import Metrics

Wanted = Literal["auto", "float32", "float16", "dynamic", "int8", "as-is"]
FASTER = 1.1  # times as fast, in the middle of the rounds
_REPLACES = 1.3  # the same, for what was published before to give way
_ROUNDS = 0.8  # share of the rounds in which it is faster, too: one of five may be disturbed


@dataclass(frozen=True)
class Limits:
    """What a model has to keep to. Losses are shares of the source's metric."""

    max_map_loss: float = 0.02
    max_map_50_95_loss: float = 0.05
    min_map_50: float = 0.2
    min_agreement: float = 0.9
    max_float32_difference: float = 1e-3  # of outputs, as share of the largest value
    max_float16_difference: float = 0.02
    max_latency_ms: float | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a variant may be published; reasons: everything that speaks against it."""

    variant: str
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class Decision:
    """Which variant is published, if any."""

    chosen: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why nothing is published: each variant's faults; nothing where one was chosen."""
        if self.chosen is not None:
            return ()
        return tuple(
            f"{verdict.variant}: {'; '.join(verdict.reasons)}"
            for verdict in self.verdicts
            if verdict.reasons
        )

    def refuse(self, reason: str) -> "Decision":
        """Taken back: what was chosen is not published, and nothing is in its place."""
        verdicts = (
            Verdict(verdict.variant, (reason,)) if verdict.variant == self.chosen else verdict
            for verdict in self.verdicts
        )
        return Decision(None, tuple(verdicts))


def decide(
    metrics: Sequence[Metrics], wanted: Wanted, limits: Limits, before: str | None = None
) -> Decision:
    """Judge each variant and choose.

    "auto" takes the fastest of those that pass; of those as fast, to within what rounds of
    measuring vary by, the smallest. A variant that is named is taken or nothing
    is.

    Args:
        metrics: of each variant.
        wanted: the variant, or auto.
        limits: what they have to keep to.
        before: the variant that was published of the same model, measured on the same machine.
    """
    verdicts = tuple(judge(variant, limits) for variant in metrics)
    passed = [
        variant
        for variant, verdict in zip(metrics, verdicts, strict=True)
        if verdict.passed and wanted in ("auto", variant.variant)
    ]
    if not passed:
        return Decision(None, verdicts)
    contenders = [
        Contender(form.variant, form.timing.rounds_ms or (form.timing.p50_ms,), form.bytes)
        for form in passed
    ]
    return Decision(choose(contenders, before), verdicts)


def judge(metrics: Metrics, limits: Limits) -> Verdict:
    """Everything that speaks against a variant; of one that does not look, that alone."""
    if metrics.constant:
        said = f"it answers the same to every picture: {metrics.constant}"
        return Verdict(metrics.variant, (said,))
    reasons = [
        *_of_answers(metrics),
        *_of_accuracy(metrics, limits),
        *_of_parity(metrics, limits),
        *_of_cost(metrics, limits),
    ]
    return Verdict(metrics.variant, tuple(reasons))


def _of_answers(metrics: Metrics) -> list[str]:
    if not metrics.found:
        return [f"it finds nothing on any of {metrics.golden} golden pictures"]
    if metrics.self_test:
        return [f"it fails the device's own test: {metrics.self_test}"]
    return []


def _of_accuracy(metrics: Metrics, limits: Limits) -> list[str]:
    found = metrics.accuracy
    if found is None:
        return []
    reasons = []
    if not found.map_50 >= limits.min_map_50:
        hint = f"; it says {', '.join(found.misnamed)}" if found.misnamed else ""
        reasons.append(f"mAP@0.5 is {found.map_50:.3f}, below {limits.min_map_50:g}{hint}")
    for name, loss, limit in (
        ("map_50", metrics.map_loss, limits.max_map_loss),
        ("map_50_95", metrics.map_50_95_loss, limits.max_map_50_95_loss),
    ):
        if loss is not None and not loss <= limit:
            shown = "mAP@0.5" if name == "map_50" else "mAP@[.5:.95]"
            before, after = getattr(metrics.source_accuracy, name), getattr(found, name)
            reasons.append(
                f"it loses {loss:.1%} of the source's {shown} ({before:.3f} to {after:.3f}),"
                f" more than {limit:.1%}"
            )
    return reasons


def _of_parity(metrics: Metrics, limits: Limits) -> list[str]:
    if metrics.parity is None:
        return []
    reasons = []
    allowed = {
        "float32": limits.max_float32_difference,
        "float16": limits.max_float16_difference,
    }.get(metrics.variant)
    difference = metrics.parity.largest_difference
    if allowed is not None and not difference <= allowed:  # NaN is no parity either
        reasons.append(
            f"its outputs differ from the source's by {difference:.2g} of the largest value, more"
            f" than {allowed:g}"
        )
    agreement = metrics.parity.agreement
    if not agreement.share >= limits.min_agreement:
        reasons.append(
            f"it agrees with the source on {agreement.matched} of {agreement.compared} objects on"
            f" the golden pictures ({agreement.share:.0%}), fewer than {limits.min_agreement:.0%}"
        )
    return reasons


def _of_cost(metrics: Metrics, limits: Limits) -> list[str]:
    reasons = []
    timing = metrics.timing
    if limits.max_latency_ms is not None and not timing.p50_ms <= limits.max_latency_ms:
        reasons.append(
            f"it takes {timing.p50_ms:.1f} ms a frame ({timing.runtime}, {timing.threads}"
            f" thread{'s' if timing.threads > 1 else ''}), more than {limits.max_latency_ms:g} ms"
        )
    if limits.max_bytes is not None and metrics.bytes > limits.max_bytes:
        reasons.append(
            f"it has {metrics.bytes / 1e6:.1f} MB, more than {limits.max_bytes / 1e6:g} MB"
        )
    return reasons


@dataclass(frozen=True)
class Contender:
    """A form: its time for a frame in each round, and the size of its file."""

    name: str
    rounds_ms: tuple[float, ...]
    bytes: int


def choose(contenders: Sequence[Contender], before: str | None = None) -> str:
    """The smallest of those that none is faster than.

    before: what was published of the same model, measured on the same machine.
    """
    for form in contenders:
        if form.name == before and not _outrun(form, contenders, _REPLACES):
            return form.name
    left = [form for form in contenders if not _outrun(form, contenders, FASTER)]
    return min(left, key=lambda form: (form.bytes, form.name)).name


def is_faster(form: Contender, other: Contender, times: float = FASTER) -> bool:
    """Whether one form is so many times as fast as another, beyond what rounds vary by."""
    ratios = [theirs / mine for mine, theirs in zip(form.rounds_ms, other.rounds_ms, strict=True)]
    # The medians as well: by them forms have an order, so that one is always left.
    return (
        median(form.rounds_ms) * times < median(other.rounds_ms)
        and median(ratios) > times
        and sum(ratio > 1 for ratio in ratios) >= _ROUNDS * len(ratios)
    )


def _outrun(form: Contender, contenders: Sequence[Contender], times: float) -> bool:
    return any(is_faster(other, form, times) for other in contenders)

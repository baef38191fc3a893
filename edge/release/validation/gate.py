"""May a model be published? Decided from figures alone.

Promises: a figure that was not measured refuses nothing, but for those that every model has; every
reason names the figure and the limit; the same figures give the same decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge.release.validation.metrics import Figures
from edge.release.validation.ranking import Contender, choose

Wanted = Literal["auto", "float32", "float16", "dynamic", "int8", "as-is"]


@dataclass(frozen=True)
class Limits:
    """What a model has to keep to. Losses are shares of the source's figure."""

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
        return tuple(f"{one.variant}: {'; '.join(one.reasons)}" for one in self.verdicts)


def decide(
    figures: Sequence[Figures], wanted: Wanted, limits: Limits, before: str | None = None
) -> Decision:
    """Judge each variant and choose.

    "auto" takes the fastest of those that pass; of those as fast, to within what rounds of
    measuring vary by, the smallest (see `ranking`). A variant that is named is taken or nothing
    is.

    Args:
        figures: of each variant.
        wanted: the variant, or auto.
        limits: what they have to keep to.
        before: the variant that was published of the same model, measured on the same machine.
    """
    verdicts = tuple(judge(one, limits) for one in figures)
    passed = [
        one
        for one, verdict in zip(figures, verdicts, strict=True)
        if verdict.passed and wanted in ("auto", one.variant)
    ]
    if not passed:
        return Decision(None, verdicts)
    contenders = [
        Contender(one.variant, one.timing.rounds_ms or (one.timing.p50_ms,), one.bytes)
        for one in passed
    ]
    return Decision(choose(contenders, before), verdicts)


def judge(figures: Figures, limits: Limits) -> Verdict:
    """Everything that speaks against a variant; of one that does not look, that alone."""
    if figures.constant:
        said = f"it answers the same to every picture: {figures.constant}"
        return Verdict(figures.variant, (said,))
    reasons = [
        *_of_answers(figures),
        *_of_accuracy(figures, limits),
        *_of_parity(figures, limits),
        *_of_cost(figures, limits),
    ]
    return Verdict(figures.variant, tuple(reasons))


def _of_answers(figures: Figures) -> list[str]:
    if not figures.found:
        return [f"it finds nothing on any of {figures.golden} golden pictures"]
    if figures.self_test:
        return [f"it fails the device's own test: {figures.self_test}"]
    return []


def _of_accuracy(figures: Figures, limits: Limits) -> list[str]:
    found = figures.accuracy
    if found is None:
        return []
    reasons = []
    if not found.map_50 >= limits.min_map_50:
        hint = f"; it says {', '.join(found.misnamed)}" if found.misnamed else ""
        reasons.append(f"mAP@0.5 is {found.map_50:.3f}, below {limits.min_map_50:g}{hint}")
    for name, loss, limit in (
        ("map_50", figures.map_loss, limits.max_map_loss),
        ("map_50_95", figures.map_50_95_loss, limits.max_map_50_95_loss),
    ):
        if loss is not None and not loss <= limit:
            shown = "mAP@0.5" if name == "map_50" else "mAP@[.5:.95]"
            before, after = getattr(figures.source_accuracy, name), getattr(found, name)
            reasons.append(
                f"it loses {loss:.1%} of the source's {shown} ({before:.3f} to {after:.3f}),"
                f" more than {limit:.1%}"
            )
    return reasons


def _of_parity(figures: Figures, limits: Limits) -> list[str]:
    if figures.parity is None:
        return []
    reasons = []
    allowed = {
        "float32": limits.max_float32_difference,
        "float16": limits.max_float16_difference,
    }.get(figures.variant)
    difference = figures.parity.largest_difference
    if allowed is not None and not difference <= allowed:  # NaN is no parity either
        reasons.append(
            f"its outputs differ from the source's by {difference:.2g} of the largest value, more"
            f" than {allowed:g}"
        )
    agreement = figures.parity.agreement
    if not agreement.share >= limits.min_agreement:
        reasons.append(
            f"it agrees with the source on {agreement.matched} of {agreement.compared} objects on"
            f" the golden pictures ({agreement.share:.0%}), fewer than {limits.min_agreement:.0%}"
        )
    return reasons


def _of_cost(figures: Figures, limits: Limits) -> list[str]:
    reasons = []
    timing = figures.timing
    if limits.max_latency_ms is not None and not timing.p50_ms <= limits.max_latency_ms:
        reasons.append(
            f"it takes {timing.p50_ms:.1f} ms a frame ({timing.runtime}, {timing.threads}"
            f" thread{'s' if timing.threads > 1 else ''}), more than {limits.max_latency_ms:g} ms"
        )
    if limits.max_bytes is not None and figures.bytes > limits.max_bytes:
        reasons.append(
            f"it has {figures.bytes / 1e6:.1f} MB, more than {limits.max_bytes / 1e6:g} MB"
        )
    return reasons

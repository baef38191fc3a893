"""How the time of a comparison is spent on the loads of one model."""

from dataclasses import dataclass

from tasks.comparison.measuring.load.early_stopping import RULES_SAMPLES

FEWEST_S = 1.0


@dataclass(frozen=True)
class Plan:
    """Seconds of each load, as a rule.

    full_s: all samples at once over HTTP. probe_s: each step of the bisection; confirm_s: the run
    at its end. device_s: three loads together. night_s: a night's rows.
    """

    full_s: float
    single_s: float
    probe_s: float
    confirm_s: float
    device_s: float
    night_s: float

    def samples(self, per_s: float, seconds: float) -> int:
        """How many rows take so long at a rate; at most as many as the rules ask for."""
        return min(RULES_SAMPLES, max(1, round(per_s * seconds)))


def make_plan(seconds: float) -> Plan:
    """The loads of one model. They take about two thirds of the seconds: something has to start
    before each, and a rate that is not kept in the longer run is followed by another."""

    def share(part: float) -> float:
        return max(FEWEST_S, part * seconds)

    return Plan(
        full_s=share(0.04),
        single_s=share(0.05),
        probe_s=share(0.02),
        confirm_s=share(0.1),
        device_s=share(0.12),
        night_s=share(0.17),
    )

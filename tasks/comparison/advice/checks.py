"""Whether a strategy meets a need: one check for each requirement, each with its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tasks.comparison.advice.need import Requirements
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.measurement import Way
from tasks.comparison.pricing.cost import FILTERED_PER_S, monthly
from tasks.comparison.pricing.figures import Figures, assumed
from tasks.comparison.pricing.sheet import Prices
from tasks.comparison.units import DAY_S, money, short, span

LOOKUP_S = 0.005  # of a score of the night, without the network: a rule of thumb


@dataclass(frozen=True)
class Check:
    """One requirement, and whether a strategy meets it.

    reason: why not, or why; measured: it rests on a measurement, not on rules alone.
    """

    key: str
    met: bool
    reason: str
    measured: bool = False


@dataclass(frozen=True)
class Case:
    """A need, and what is known of its model and of prices."""

    need: Requirements
    prices: Prices
    currency: str
    known: Figures | None = None  # measured

    @cached_property
    def figures(self) -> Figures:
        """As measured, or by rules of thumb."""
        return self.known or assumed(self.need.compute, self.need.request)

    def cost(self, strategy: Strategy) -> float:
        """Of a month, with typical prices."""
        return monthly(strategy.ways, self.figures, self.need.demand, self.prices).total

    def answer_s(self, strategy: Strategy) -> float | None:
        """The slowest of a hundred answers, network included; None: it is given next morning."""
        if strategy.decides is Way.NIGHT:
            return None
        if strategy is Strategy.DEVICE:
            return self.figures.ways[Way.DEVICE].p99_s or 0.0
        served = self.figures.ways[Way.SERVICE].p99_s or 0.0
        online = self.need.round_trip + (LOOKUP_S if Way.NIGHT in strategy.ways else served)
        return online + (1 / FILTERED_PER_S if Way.DEVICE in strategy.ways else 0.0)


def check(case: Case, strategy: Strategy) -> list[Check]:
    """Every requirement of a need, in the order in which they are told."""
    return [
        Check(key, *judge(case, strategy), case.known is not None and _is_measured(case.need, key))
        for key, judge in _JUDGES.items()
    ]


def _is_measured(need: Requirements, key: str) -> bool:
    """Whether the reason for a requirement's verdict rests on figures of the model."""
    if key == "latency":
        return need.latency is not None and need.waiting != "nobody"
    return key in ("volume_per_day", "budget_per_month") or (
        key == "freshness" and need.freshness is not None
    )


Verdict = tuple[bool, str]


def _waiting(case: Case, strategy: Strategy) -> Verdict:
    who = case.need.waiting
    if who == "nobody":
        return True, "nobody waits for the answer"
    if strategy.decides is Way.NIGHT:
        return False, f"a {who} waits for the answer, and a night gives it the next morning"
    return True, f"a {who} waits, and is answered"


def _latency(case: Case, strategy: Strategy) -> Verdict:
    bound, answer = case.need.latency, case.answer_s(strategy)
    if bound is None or case.need.waiting == "nobody":
        return True, "no bound is set for an answer"
    if answer is None:
        return True, "nobody can wait for a night's answer"  # that is what `waiting` says
    words = f"99 of 100 answers take up to {span(answer)}{_network(case, strategy)}"
    return answer <= bound, f"{words}; the bound is {span(bound)}"


def _network(case: Case, strategy: Strategy) -> str:
    if strategy is Strategy.DEVICE:
        return ", without any network"
    return f", {span(case.need.round_trip)} of them on the network"


def _freshness(case: Case, strategy: Strategy) -> Verdict:
    bound, answer = case.need.freshness, case.answer_s(strategy)
    if bound is None:
        return True, "a decision may come at any time"
    if answer is None:
        night = case.figures.ways[Way.NIGHT]
        run = case.need.volume_per_day / night.per_s + night.start_s
        return bound >= DAY_S, (
            f"a decision waits for the night, up to a day, and {span(run)} for its run;"
            f" it may take {span(bound)}"
        )
    return answer <= bound, f"a decision takes {span(answer)}; it may take {span(bound)}"


def _connectivity(case: Case, strategy: Strategy) -> Verdict:
    need = case.need
    if need.connectivity == "always":
        return True, "the network is always there"
    if strategy is Strategy.DEVICE:
        return True, "it decides without a network"
    if need.connectivity == "never":
        return False, "there is no network, and all but the device alone need one"
    hurry = need.waiting != "nobody" or (need.freshness is not None and need.freshness < DAY_S)
    if hurry:
        return False, "the network is away at times, and the answer cannot wait for it"
    return True, "the network is away at times, and data and answer may wait for it"


def _data_may_leave(case: Case, strategy: Strategy) -> Verdict:
    allowed = case.need.data_may_leave
    if allowed == "yes":
        return True, "data may leave where it arises"
    if strategy is Strategy.DEVICE:
        return True, "no data leaves the device"
    if allowed == "results-only" and Way.DEVICE in strategy.ways:
        return True, "results alone leave the device"
    what = "no data" if allowed == "no" else "no raw data"
    return False, f"{what} may leave where it arises, and this sends it"


def _rests_on(case: Case, strategy: Strategy) -> Verdict:
    if case.need.rests_on == "own-data":
        return True, "a decision rests on one's own data"
    if strategy is Strategy.DEVICE:
        return False, "a decision rests on data of others, which a device alone does not have"
    return True, "it sees the data of all"


def _known(case: Case, strategy: Strategy) -> Verdict:
    if strategy.decides is not Way.SERVICE or Way.NIGHT not in strategy.ways:
        return True, "nothing has to be known the day before"
    known = case.need.known_the_day_before
    if known == "nothing":
        return False, "nothing that a decision rests on is known the day before, to be scored then"
    what = "all" if known == "all" else "a part"
    return True, f"{what} of what a decision rests on is known the day before, and scored then"


def _devices(case: Case, strategy: Strategy) -> Verdict:
    if Way.DEVICE not in strategy.ways:
        return True, "it needs no device"
    if case.need.devices == 0:
        return False, "no device of yours stands where the data arises"
    return True, f"{case.need.devices:,} of your devices stand where the data arises"


def _volume(case: Case, strategy: Strategy) -> Verdict:
    demand, figures = case.need.demand, case.figures.ways
    if Way.DEVICE in strategy.ways and demand.devices:
        each = demand.per_s * demand.peak / demand.devices
        able = figures[Way.DEVICE].per_s if strategy is Strategy.DEVICE else FILTERED_PER_S
        if each > able:
            return False, (
                f"each device is asked {short(each)} times a second at the busiest hour, and can"
                f" answer {short(able)}"
            )
    if strategy is Strategy.NIGHT:
        hours = case.need.volume_per_day / figures[Way.NIGHT].per_s
        machines = max(1, -(-int(hours) // int(DAY_S / 4)))
        more = "" if machines == 1 else f" on one machine: take {machines}"
        return True, f"a day's rows take {span(hours)}{more}"
    return True, f"{short(demand.per_s * demand.peak)} a second at the busiest hour"


def _budget(case: Case, strategy: Strategy) -> Verdict:
    budget, cost = case.need.budget_per_month, case.cost(strategy)
    told = f"about {money(cost, case.currency)} a month, people included"
    if budget is None:
        return True, told
    return cost <= budget, f"{told}; the budget is {money(budget, case.currency)}"


def _maintained_by(case: Case, strategy: Strategy) -> Verdict:
    who = case.need.maintained_by
    if who == "nobody" and strategy is not Strategy.NIGHT:
        return False, "nobody looks after it, and only a night makes up for what failed by itself"
    if who == "person" and len(strategy.ways) > 1:
        return False, "one person looks after it, and this is more than one way to look after"
    return True, {"nobody": "the next night makes up for one that failed"}.get(
        who, f"a {who} looks after it"
    )


_JUDGES: Mapping[str, Callable[[Case, Strategy], Verdict]] = {
    "waiting": _waiting,
    "latency": _latency,
    "freshness": _freshness,
    "connectivity": _connectivity,
    "data_may_leave": _data_may_leave,
    "rests_on": _rests_on,
    "devices": _devices,
    "known_the_day_before": _known,
    "volume_per_day": _volume,
    "budget_per_month": _budget,
    "maintained_by": _maintained_by,
}
KEYS = tuple(_JUDGES)

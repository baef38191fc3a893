"""What the report shows of a comparison, as values: nothing in it needs the measurements again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.reporting.figures import integer
from tasks.comparison.advice.advise import Advice
from tasks.comparison.measurement import (
    Comparison,
    Latency,
    ModelCompared,
    Parity,
    Scenario,
    Way,
    WayMeasured,
)
from tasks.comparison.pricing.break_even import BreakEven, by_devices, by_rate
from tasks.comparison.pricing.cost import Demand, monthly, per_million
from tasks.comparison.pricing.curve import Range, curve
from tasks.comparison.pricing.figures import Figures, answers_per_s, of_model
from tasks.comparison.pricing.sheet import Price, PriceSheet
from tasks.comparison.units import money, short, size, span

RATES = tuple(10 ** (n / 4) for n in range(-8, 17))  # of the plot: 0.01 to 10,000 a second
SHOWN_RATES = (1.0, 100.0)  # for which the table says what a million answers cost
USUAL = Demand(per_s=1.0, peak=3.0, devices=1)  # where no need says more: one request a second each


@dataclass(frozen=True)
class Row:
    """A line of the table: what it tells of each way, in the order of `Way`."""

    what: str
    cells: Sequence[str]


@dataclass(frozen=True)
class Distribution:
    """How long answers of one load took."""

    way: Way
    scenario: Scenario
    latency: Latency


@dataclass(frozen=True)
class Costs:
    """What a model costs over the volume, and where one way gets cheaper than another."""

    rates: Sequence[float]
    curves: dict[Way, Sequence[Range]]
    break_evens: Sequence[BreakEven]
    without_people: Sequence[BreakEven]
    demand: Demand


@dataclass(frozen=True)
class ModelReport:
    """One model in its ways."""

    name: str
    version: str
    digest: str
    ways: Sequence[Way]
    rows: Sequence[Row]
    claims: Sequence[str]
    notes: Sequence[str]
    distributions: Sequence[Distribution]
    bound_ms: float | None
    parity: Parity
    costs: Costs | None  # None: not measured in all three ways


@dataclass(frozen=True)
class Report:
    """All that a reader of a comparison gets to see."""

    comparison: Comparison
    models: Sequence[ModelReport]
    sheet: PriceSheet
    advice: Advice | None
    origin: str

    @property
    def prices(self) -> dict[str, Price]:
        """Each price by its name in words."""
        return {name.replace("_", " "): price for name, price in self.sheet.prices().items()}


def build(comparison: Comparison, sheet: PriceSheet, advice: Advice | None, origin: str) -> Report:
    """Put together what a reader gets to see."""
    models = [_model(comparison, model, sheet, advice) for model in comparison.models]
    return Report(comparison, models, sheet, advice, origin)


def _model(
    comparison: Comparison, model: ModelCompared, sheet: PriceSheet, advice: Advice | None
) -> ModelReport:
    measured = [found for way in Way if (found := model.way(way))]
    cores = comparison.machine.get("cores")
    figures = of_model(model, cores if isinstance(cores, int) else 1, "")
    demand = USUAL
    if advice is not None and advice.need.model == model.name:
        demand = replace(advice.need.demand, devices=max(advice.need.devices, 1))
    service = model.way(Way.SERVICE)
    rate = service.highest_rate if service else None
    return ModelReport(
        name=model.name,
        version=model.version,
        digest=model.digest,
        ways=[each.way for each in measured],
        rows=_rows(measured, figures, demand, sheet),
        claims=[claim for each in measured for claim in _claims(each)],
        notes=[
            f"{each.way}: {note}" for each in measured for note in (*each.notes, *_reckoned(each))
        ],
        distributions=[
            Distribution(each.way, load.scenario, load.latency)
            for each in measured
            for load in each.loads
            if load.latency is not None
        ],
        bound_ms=rate.bound_ms if rate else None,
        parity=model.parity,
        costs=_costs(figures, demand, sheet) if figures else None,
    )


def _costs(figures: Figures, demand: Demand, sheet: PriceSheet) -> Costs:
    return Costs(
        RATES,
        {way: curve(way, figures, demand, sheet, RATES) for way in Way},
        _break_evens(figures, demand, sheet),
        _break_evens(figures, demand, sheet.without_people()),
        demand,
    )


def _break_evens(figures: Figures, demand: Demand, sheet: PriceSheet) -> list[BreakEven]:
    asked = (figures, demand, sheet)
    return [
        by_rate(Way.SERVICE, Way.NIGHT, *asked),
        by_rate(Way.NIGHT, Way.SERVICE, *asked),
        by_rate(Way.DEVICE, Way.SERVICE, *asked),
        by_devices(Way.DEVICE, Way.SERVICE, *asked),
    ]


def _rows(
    measured: Sequence[WayMeasured], figures: Figures | None, demand: Demand, sheet: PriceSheet
) -> list[Row]:
    rows = [
        Row("asked at", [each.door for each in measured]),
        Row("rows a second", [short(each.rows_per_s) for each in measured]),
        Row("one answer: p50", [_percentile(each, "p50_ms") for each in measured]),
        Row("p90", [_percentile(each, "p90_ms") for each in measured]),
        Row("p99", [_percentile(each, "p99_ms") for each in measured]),
        Row("highest rate within the bound", [_highest(each) for each in measured]),
        Row("from event to decision", [_freshness(each) for each in measured]),
        Row("CPU seconds per million", [short(each.cpu_s_per_million) for each in measured]),
        Row("peak memory", [f"{integer(each.peak_memory_mib)} MiB" for each in measured]),
        Row("start to first answer", [span(each.start_s) for each in measured]),
        Row("network per answer", [size(each.network_bytes_per_answer) for each in measured]),
        Row("without a network", [each.without_network for each in measured]),
        Row("energy per million", [_energy(each) for each in measured]),
    ]
    return rows + (_cost_rows(measured, figures, demand, sheet) if figures else [])


def _cost_rows(
    measured: Sequence[WayMeasured], figures: Figures, demand: Demand, sheet: PriceSheet
) -> list[Row]:
    """What a million answers cost, with the hours of people and without them."""
    rows = []
    for what, prices in (
        ("cost per million", sheet.typical()),
        ("without people", sheet.without_people().typical()),
    ):
        for rate in SHOWN_RATES:
            asked = replace(demand, per_s=rate)
            cells = [
                money(
                    per_million(monthly({each.way}, figures, asked, prices), asked), sheet.currency
                )
                for each in measured
            ]
            rows.append(Row(f"{what}, at {short(rate)} a second", cells))
    return rows


def _percentile(measured: WayMeasured, name: str) -> str:
    load = measured.load("SingleStream") or measured.load("Server")
    if load is None or load.latency is None:
        return "–"
    return span(getattr(load.latency, name) / 1e3)


def _highest(measured: WayMeasured) -> str:
    rate = measured.highest_rate
    if rate is None:
        return "–"
    return f"{short(rate.per_s)} a second (p99 within {span(rate.bound_ms / 1e3)})"


def _freshness(measured: WayMeasured) -> str:
    fresh = measured.freshness
    return f"{span(fresh.typical_s)}, at worst {span(fresh.worst_s)}"


def _energy(measured: WayMeasured) -> str:
    joules = measured.energy_j_per_million
    return "not told" if joules is None else f"{short(joules / 1e3)} kJ"


def _reckoned(measured: WayMeasured) -> list[str]:
    """What costs rest on, where a service has no highest rate."""
    if measured.way is not Way.SERVICE or measured.highest_rate is not None:
        return []
    return [
        f"no rate kept the bound: costs reckon with {short(answers_per_s(measured))} requests a"
        " second and replica, one after the other"
    ]


def _claims(measured: WayMeasured) -> list[str]:
    found = []
    for load in measured.loads:
        words = f"{measured.way}, {load.scenario}: {integer(load.queries)} queries"
        words += f" in {span(load.seconds)}, {short(load.samples_per_s)} samples a second"
        if load.claim:
            words += f"; {load.claim}"
        if load.short_of_rules:
            words += f". Shorter than the rules ask: {'; '.join(load.short_of_rules)}"
        found.append(words)
    return found

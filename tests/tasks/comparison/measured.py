"""A comparison with made-up figures, as if it had been measured."""

from datetime import UTC, datetime

from tasks.comparison.measurement import (
    Comparison,
    Difference,
    Freshness,
    HighestRate,
    Latency,
    Load,
    ModelCompared,
    Parity,
    Scenario,
    Way,
    WayMeasured,
)

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def latency(p50_ms: float) -> Latency:
    """One with a tail: the slowest take ten times as long."""
    quantiles = tuple(p50_ms * (0.5 + n / 200 + 9 * (n / 200) ** 40) for n in range(201))
    return Latency(
        p50_ms=quantiles[100],
        p90_ms=quantiles[180],
        p99_ms=quantiles[198],
        quantiles_ms=quantiles,
    )


def load(scenario: Scenario, p50_ms: float | None, rate: float) -> Load:
    """A short run of a scenario."""
    return Load(
        scenario=scenario,
        queries=5_000,
        samples_per_query=8 if scenario == "MultiStream" else 1,
        seconds=30.0,
        samples_per_s=rate,
        latency=None if p50_ms is None else latency(p50_ms),
        claim="rests on 5,000 queries, 12 of them late",
        short_of_rules=("600 s",),
    )


def night(rows_per_s: float = 20_000.0, run_s: float = 60.0) -> WayMeasured:
    return WayMeasured(
        way=Way.NIGHT,
        door="the nightly flow over a Parquet file",
        loads=(load("Offline", None, rows_per_s),),
        rows_per_s=rows_per_s,
        freshness=Freshness(typical_s=43_200 + run_s, worst_s=86_400 + run_s, counted="schedule"),
        cpu_s_per_million=80.0,
        peak_memory_mib=900.0,
        start_s=6.0,
        network_bytes_per_answer=0.0,
        without_network="everything, from local files",
        notes=("energy: this machine does not tell",),
    )


def service(per_s: float = 900.0, p50_ms: float = 2.0) -> WayMeasured:
    return WayMeasured(
        way=Way.SERVICE,
        door="POST /score of the service, by HTTP",
        loads=(load("Server", 2 * p50_ms, per_s), load("SingleStream", p50_ms, 400.0)),
        rows_per_s=1_200.0,
        highest_rate=HighestRate(per_s=per_s, bound_ms=20.0, p99_ms=18.5, queries=5_000),
        freshness=Freshness(typical_s=p50_ms / 1e3, worst_s=p50_ms / 100, counted="one answer"),
        cpu_s_per_million=1_500.0,
        peak_memory_mib=600.0,
        start_s=8.5,
        network_bytes_per_answer=1_400.0,
        without_network="nothing",
    )


def device(p50_ms: float = 0.4) -> WayMeasured:
    return WayMeasured(
        way=Way.DEVICE,
        door="the TFLite runtime, on one thread",
        loads=(load("SingleStream", p50_ms, 2_000.0), load("MultiStream", 6 * p50_ms, 2_200.0)),
        rows_per_s=2_300.0,
        freshness=Freshness(typical_s=p50_ms / 1e3, worst_s=p50_ms / 100, counted="one answer"),
        cpu_s_per_million=430.0,
        peak_memory_mib=70.0,
        start_s=0.3,
        network_bytes_per_answer=0.0,
        without_network="everything",
        energy_j_per_million=5_400.0,
    )


def model(name: str = "fraud", largest: float = 2e-7) -> ModelCompared:
    pairs = ((Way.NIGHT, Way.SERVICE), (Way.NIGHT, Way.DEVICE))
    return ModelCompared(
        name=name,
        version="20260301",
        digest="0f" * 32,
        ways=(night(), service(), device()),
        parity=Parity(
            rows=1_000,
            tolerance=1e-5,
            differences=tuple(
                Difference(ways=pair, largest=largest, same_label_share=1.0) for pair in pairs
            ),
        ),
    )


def comparison(*models: ModelCompared) -> Comparison:
    """Of both models, unless others are given."""
    return Comparison(
        started_at=STARTED,
        seconds=420.0,
        machine={"cpu": "Example CPU", "cores": 2, "system": "Linux x86_64"},
        models=models or (model("fraud"), model("sentiment")),
    )

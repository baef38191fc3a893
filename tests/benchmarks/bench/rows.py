"""Rows from what each benchmark has written: its JSON in, rows out, nothing measured."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.benchmarks.bench.record import Rounds, Row
from tests.benchmarks.peers.sentiment_ways import BATCHED, FLOW, LIMIT, LOOP, PRECISIONS, SCORER

Document = Mapping[str, Any]
STEADY = 0.01  # of figures that do not depend on the machine's speed
UNCHECKED = "starlette"  # it checks nothing: a service that checks cannot be quicker
FRAUD = "triptych"


def sentiment_rows(document: Document) -> list[Row]:
    """Our scorer in each precision, and the whole flow, for both models."""
    found = {(each["model"], each["way"]): tuple(each["rounds"]) for each in document["results"]}
    rows = []
    for model in dict.fromkeys(model for model, _ in found):
        peers = {name: found[model, name] for name in (LOOP, BATCHED) if (model, name) in found}
        for kind in (SCORER, FLOW):
            for precision in PRECISIONS:
                ours = found.get((model, f"{kind}, {precision}"))
                limit = f"{LIMIT}, {precision}"
                if ours is not None:
                    row = Row(
                        what=f"{model}, {kind}, {precision}",
                        unit="reviews/s",
                        ours=ours,
                        peers=peers,
                        limits={limit: found.get((model, limit), ())},
                    )
                    rows.append(row)
    return rows


def fraud_rows(document: Document) -> list[Row]:
    """Answers a second for each number of connections, and memory."""
    rounds = document["rounds"]
    connections = {
        load["connections"] for found in rounds.values() for each in found for load in each["loads"]
    }
    rows = [
        _row_of_servers(
            f"/detect_fraud, {count} connections" if count > 1 else "/detect_fraud, 1 connection",
            "answers/s",
            {name: _rates(found, count) for name, found in rounds.items()},
        )
        for count in sorted(connections)
    ]
    memory = {name: tuple(each["memory_mb"] for each in found) for name, found in rounds.items()}
    resident = _row_of_servers("memory of the process that answers", "MB", memory)
    return [*rows, resident.model_copy(update={"better": "lower"})]


def _row_of_servers(what: str, unit: str, figures: Mapping[str, Rounds]) -> Row:
    peers = {name: figures[name] for name in figures if name not in (FRAUD, UNCHECKED)}
    limits = {UNCHECKED: figures[UNCHECKED]}
    return Row(what=what, unit=unit, ours=figures[FRAUD], peers=peers, limits=limits)


def _rates(found: Sequence[Document], connections: int) -> Rounds:
    """Of each round the rate with so many connections; None where nothing was answered."""
    return tuple(
        next(
            (
                load["requests_per_second"] or None
                for load in each["loads"]
                if load["connections"] == connections
            ),
            None,
        )
        for each in found
    )


def edge_rows(document: Document) -> list[Row]:
    """The device's loop for each model and runtime, with and without a video to write."""
    rows = []
    for case, ways in document["cases"].items():
        rates = {way: tuple(each.get("rate") for each in found) for way, found in ways.items()}
        row = Row(
            what=case,
            unit="frames/s",
            ours=rates["ours"],
            peers={"the original loop": rates["original"]},
            limits={"the bare interpreter": rates["bare"]},
        )
        writing = Row(
            what=f"{case}, writing a video",
            unit="frames/s",
            ours=rates["ours+mp4"],
            peers={"the original loop": rates["original+mp4"]},
        )
        rows += [row, writing]
    return rows


def quality_rows(document: Document) -> list[Row]:
    """Each measure of the fraud network; its rounds are seeds."""
    rows = []
    for days, found in document["days"].items():
        ours, floor = found["network"], found["logistic regression"]
        for measure in ours[0]:
            published = {
                name: (figures[measure],) * len(ours)
                for name, figures in document["published"].items()
            }
            row = Row(
                what=f"{days} days to train on, {measure.replace('_', ' ')}",
                unit="mean of folds",
                ours=tuple(each[measure] for each in ours),
                peers={"logistic regression": tuple(each[measure] for each in floor), **published},
                noise=STEADY,
            )
            rows.append(row)
    return rows


def memory_rows(document: Document) -> list[Row]:
    """The peak of the longest night beside those of shorter ones."""
    *shorter, longest = document["runs"]
    return [
        Row(
            what=f"peak of a night of {longest['rows']:,} reviews",
            unit="MiB",
            better="lower",
            ours=_peaks(longest),
            peers={f"{run['rows']:,} reviews": _peaks(run) for run in shorter},
        )
    ]


def _peaks(run: Document) -> Rounds:
    return tuple(each["peak_mib"] for each in run["rounds"])


def comparison_rows(document: Document) -> list[Row]:
    """Each model's ways beside one another."""
    rounds = document["rounds"]
    rows = []
    for name in [model["name"] for model in rounds[0]["models"]]:
        nightly = Row(
            what=f"{name}, the night",
            unit="rows/s",
            ours=_of_way(rounds, name, "night", _rows_per_s),
            peers={way: _of_way(rounds, name, way, _rows_per_s) for way in ("service", "device")},
        )
        single = Row(
            what=f"{name}, one answer of the device, p50",
            unit="ms",
            better="lower",
            ours=_of_way(rounds, name, "device", _p50_ms),
            peers={"service": _of_way(rounds, name, "service", _p50_ms)},
        )
        rate = Row(
            what=f"{name}, highest rate of the service within its bound",
            unit="answers/s",
            ours=_of_way(rounds, name, "service", _highest_rate),
            peers={"one after another": _of_way(rounds, name, "service", _single_rate)},
        )
        rows += [nightly, single, rate]
    return rows


def _of_way(
    rounds: Sequence[Document], model: str, way: str, figure: Callable[[Document], float | None]
) -> Rounds:
    """A figure of a model's way in each round; None where it was not measured."""
    return tuple(
        next(
            (
                figure(measured)
                for each in compared["models"]
                for measured in each["ways"]
                if (each["name"], measured["way"]) == (model, way)
            ),
            None,
        )
        for compared in rounds
    )


def _rows_per_s(way: Document) -> float | None:
    return float(way["rows_per_s"])


def _highest_rate(way: Document) -> float | None:
    found = way["highest_rate"]
    return float(found["per_s"]) if found else None


def _single(way: Document) -> Document | None:
    return next((load for load in way["loads"] if load["scenario"] == "SingleStream"), None)


def _single_rate(way: Document) -> float | None:
    load = _single(way)
    return float(load["samples_per_s"]) if load else None


def _p50_ms(way: Document) -> float | None:
    load = _single(way)
    return float(load["latency"]["p50_ms"]) if load and load["latency"] else None

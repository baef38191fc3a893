"""A network from elsewhere as a model folder: its TFLite form, its card, and the proof of both."""

from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.registration.feature_names import HANDBOOK as HANDBOOK_FEATURES
from services.fraud.registration.network_file import Network, NetworkOptions, inspect_network
from services.fraud.registration.rows import KnownRows, as_known, read_known
from services.fraud.scoring.card import (
    OWN,
    Card,
    FeatureRange,
    GoldenAnswer,
    Parity,
    contract_of,
)
from services.fraud.training.candidate import TrainingData, known_from, write_forms
from services.fraud.training.conversion import (
    TOLERANCE,
    compare_answers,
    golden_answers,
    lost_digits,
    many_rows,
    tflite_probabilities,
)
from services.modelling.provenance import code_version

_ROUNDING = 1e-6  # of the features, relative: eight steps of float32
_MOST_TOLERATED = 1e-3
_MOST_KNOWN = 100  # golden answers, of known rows
_ENOUGH = 5  # rows for a typical value
_WHOLE = 2**24  # smaller whole numbers are kept by float32

Array = np.ndarray[Any, Any]


def package_network(
    file: Path,
    threshold: float,
    folder: Path,
    data: TrainingData | None = None,
    options: NetworkOptions | None = None,
) -> Card:
    """Turn a network into a model folder for the store.

    data: labelled transactions, for the metrics and the ranges of the Handbook's features.

    Raises: ModelError: no network that the service could run; says what is wrong with it.
    """
    options = options or NetworkOptions()
    if data is not None and options.features is None:  # only these are computed from transactions
        options = NetworkOptions(**{**vars(options), "features": HANDBOOK_FEATURES})
    network = inspect_network(file, options)
    names = network.named.names
    contract = contract_of(names)
    if data is not None and contract == OWN:
        raise ModelError(
            f"--evaluate-on computes the Handbook's features, and {file} reads its own: leave it"
            " out"
        )
    known = None if options.known is None else read_known(options.known, names)
    rows = network.rows if data is None else data.rows[data.split.test]
    if known is not None:
        rows = np.concatenate([many_rows(known.rows), rows])
    tflite = write_forms(network.enclosed(), folder)
    parity, stable = _prove(network, tflite, rows)
    golden = _golden(options.known, known, tflite, stable)
    features = _describe_features(network, known, tflite, threshold)
    facts: dict[str, Any] = {"features": features}
    if data is not None:
        facts = known_from(data, tflite_probabilities(tflite, data.rows[data.split.test]))
    card = Card(
        name=file.stem,
        contract=contract,
        threshold=threshold,
        code_version=code_version(),
        assumed=_assumed(network, options, facts["features"])
        | _lost_digits(network, known)
        | ({} if data is None else _read_as(data)),
        parity=parity,
        golden=golden,
        **facts,
    )
    card.write(folder)
    return card


def _prove(network: Network, tflite: Path, rows: Array) -> tuple[Parity, Array]:
    """That the TFLite form answers as Keras does, and the rows on which it does so best.

    A network may be so steep that the rounding of its own features moves its answers by more than
    the tolerance: then as much is allowed as that rounding makes.

    Raises: ModelError: they differ by more.
    """
    asked = many_rows(rows)
    expected, found = network.answer(asked), tflite_probabilities(tflite, asked)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), asked.shape)
    rounded = network.answer((asked * (1 + _ROUNDING * signs)).astype(np.float32))
    own = float(np.abs(rounded - expected).max())
    tolerance = min(max(TOLERANCE, own), _MOST_TOLERATED)
    parity = compare_answers(expected, found, asked, tolerance)
    stable = asked[np.abs(expected - found) <= TOLERANCE / 2]
    return parity, stable if len(stable) else asked


def _golden(
    file: Path | None, known: KnownRows | None, tflite: Path, rows: Array
) -> tuple[GoldenAnswer, ...]:
    """Answers that the model has to give again: to known rows, or else to some of these.

    Raises: ModelError: a known answer is another.
    """
    if known is None:
        return golden_answers(tflite, rows)
    if known.probabilities is not None:
        found = tflite_probabilities(tflite, known.rows)
        same = as_known(found, known.probabilities)
        if not same.all():
            worst = int(np.argmax(np.where(same, -1, np.abs(found - known.probabilities))))
            raise ModelError(
                f"{file}: row {worst + 1} is known to give {known.probabilities[worst]:.6f}, and"
                f" the network answers {found[worst]:.6f}: the features' order, their scaling"
                " (--scaling) or what the output means (--output, --positive-class) is another"
            )
    return golden_answers(tflite, known.rows, _MOST_KNOWN)


def _describe_features(
    network: Network, known: KnownRows | None, tflite: Path, threshold: float
) -> tuple[FeatureRange, ...]:
    """What is known of the features from their scaling and from known rows.

    Typical is the median of known rows that are not called fraud, if there are some; else the mean
    with which a feature was scaled.
    """
    scaling, names = network.scaling, network.named.names
    typical: list[float | None] = [None] * len(names)
    ranges: list[dict[str, float]] = [{} for _ in names]
    for place, name in enumerate(names):
        if scaling is None or (scaling.names is not None and name not in scaling.names):
            continue
        centre, scale = float(scaling.centre[place]), float(scaling.scale[place])
        if scaling.is_range:
            ranges[place] = {"minimum": centre, "maximum": centre + scale}
        else:
            typical[place] = centre
    if known is not None:
        genuine = known.rows[tflite_probabilities(tflite, known.rows) < threshold]
        if len(genuine) >= _ENOUGH:
            typical = np.median(genuine, axis=0).astype(float).tolist()
    return tuple(
        FeatureRange(name=name, typical=usual, **span)
        for name, usual, span in zip(names, typical, ranges, strict=True)
    )


def _read_as(data: TrainingData) -> dict[str, str]:
    """How the file of transactions was read."""
    return {f"transactions' {subject}": how for subject, how in data.assumed.items()}


def _lost_digits(network: Network, known: KnownRows | None) -> dict[str, str]:
    """What float32 does not tell apart, by known rows or else by the scaling."""
    names, scaling = network.named.names, network.scaling
    seen = known is not None and len(known.rows) >= _ENOUGH
    if known is not None and seen:
        largest, spread = np.abs(known.rows).max(axis=0), known.rows.std(axis=0, dtype=float)
        whole = (known.rows == np.rint(known.rows)).all(axis=0) & (largest < _WHOLE)
        spread = np.where(whole, 0.0, spread)
    elif scaling is not None:
        largest = np.abs(scaling.centre) + scaling.scale
        spread = scaling.scale * (0.25 if scaling.is_range else 1.0)
    else:
        return {}
    lost = lost_digits(names, largest, spread, seen=seen)
    return {} if lost is None else {"float32": lost}


def _assumed(
    network: Network, options: NetworkOptions, features: tuple[FeatureRange, ...]
) -> dict[str, str]:
    """How the network is read, in words."""
    scaling, width = network.scaling, len(network.named.names)
    groups = [size for size in network.shape if size != 1]
    steps = f", as {' x '.join(map(str, groups))}, step by step" if len(groups) > 1 else ""
    scaled = "none: the network gets the numbers as they are sent"
    if scaling is not None:
        kind = "minimum and maximum" if scaling.is_range else "mean and scale"
        left = [name for name in network.named.names if scaling.names and name not in scaling.names]
        rest = f"; as they are sent: {', '.join(left)}" if left else ""
        scaled = f"{kind} from {options.scaling}, within the model{rest}"
    knows = all(feature.typical is not None for feature in features)
    return {
        "input": f"{width} numbers{steps}",
        "names": network.named.source,
        "order": ", ".join(network.named.names),
        "scaling": scaled,
        "output": network.output.describe(),
        "golden rows": "made up" if options.known is None else f"of {options.known}",
        "reasons": "against typical values"
        if knows
        else "none, for no typical values are known (a mean and a scale, or --known, has them)",
    }

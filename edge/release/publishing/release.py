"""From a variant that has passed to a signed release."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.release.publishing.request import Request
from edge.release.repository.publication import Release
from edge.release.validation.metrics import Metrics
from edge.release.validation.timing import cpu_name
from edge.release.validation.validation import Validation

_OF_TRAINING = ("data", "data_digest", "train_images", "trained_at", "code_version")


@dataclass(frozen=True)
class Published:
    """A release that devices can get.

    fingerprint: of the repository's first root, which devices pin. created: whether the
    repository and its keys were made on the way.
    """

    name: str
    version: str
    variant: str
    channel: str
    share: float
    url: str
    fingerprint: str
    created: bool


def publish(
    request: Request,
    validation: Validation,
    phone: Path | None = None,
    card: Mapping[str, object] | None = None,
) -> Published:
    """Sign and publish, with the metrics in the manifest.

    phone: the file for phones, which becomes part of the release. card: of the model, if its
    training wrote one: devices then know what it was trained on.

    Raises:
        RepositoryError: the repository or its keys cannot be used.
    """
    figures = {**measured(validation.metrics), **_training(card or {})}
    candidate = validation.candidate.having(measured=figures)
    repository = request.place.open()
    created = repository.create()
    release = Release(candidate.manifest, candidate.files, phone)
    repository.publish(release, request.channel, request.share)
    status = repository.status()
    return Published(
        name=candidate.manifest.name,
        version=candidate.manifest.version,
        variant=candidate.variant,
        channel=request.channel,
        share=request.share,
        url=status.url,
        fingerprint=status.fingerprint,
        created=created,
    )


def measured(metrics: Metrics) -> Mapping[str, object]:
    """The metrics as the manifest carries them: plain JSON, units in the names."""
    content: dict[str, object] = {
        "cpu": cpu_name(),
        "timings": [
            {name: _short(value) for name, value in asdict(timing).items()}
            for timing in metrics.timings
        ],
    }
    for name, accuracy in (("accuracy", metrics.accuracy), ("source", metrics.source_accuracy)):
        if accuracy is not None:
            content[name] = {
                "map_50": _short(accuracy.map_50),
                "map_50_95": _short(accuracy.map_50_95),
                "ap_50_per_label": {
                    label: _short(value) for label, value in accuracy.per_label.items()
                },
                "images": accuracy.images,
                "objects": accuracy.objects,
            }
    if metrics.parity is not None:
        content["parity"] = {
            "largest_difference": float(f"{metrics.parity.largest_difference:.3g}"),
            "objects_compared": metrics.parity.agreement.compared,
            "objects_agreed_on": metrics.parity.agreement.matched,
        }
    return content


def _training(card: Mapping[str, object]) -> Mapping[str, object]:
    """What a card says of a model's training; the form of `lineage` itself is fixed."""
    known = {name: card[name] for name in _OF_TRAINING if name in card}
    return {"training": known} if known else {}


def _short(value: object) -> object:
    if isinstance(value, tuple):
        return [_short(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value

"""The model that is to be published: opened, named and numbered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_detector.contract.channel import CHANNELS, ChannelRelease
from edge_detector.contract.manifest import Variant
from edge_detector.contract.names import MODEL_NAME, parse_version

from edge.release.conversion.convert import VARIANTS
from edge.release.conversion.network_file import Network, digest_of, open_network
from edge.release.datasets.label_file import contradiction, open_labels, search_labels
from edge.release.errors import ModelFileError, RepositoryError
from edge.release.naming import fitting_name
from edge.release.publishing.request import Request
from edge.release.repository.repository import Repository
from edge.release.training.card import CARD_FILE
from edge.release.validation.timing import cpu_name

_EMPTY_NAMES = ("model", "saved_model", "best", "last", "detect", "1")
_FIRST_VERSION = "1.0.0"


@dataclass(frozen=True, eq=False)
class SourceModel:
    """What is published.

    network: None for a ready file, which is published as it is. thresholds: the scores per label
    that its training has found best, where we trained it. labels_from: which file they are of, and
    how it was read. before: the variant that was published last, of the same file and measured on
    the same machine. card: what its training wrote beside it; empty where it was trained elsewhere.
    """

    path: Path
    digest: str  # sha256
    labels: tuple[str, ...]
    name: str
    version: str
    variants: tuple[Variant, ...]  # that are tried
    network: Network | None
    thresholds: Mapping[str, float]
    labels_from: str = ""
    before: Variant | None = None
    card: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what contradicts the labels


def open_model(request: Request) -> SourceModel:
    """Open the model, find its labels, its name and the version that it will have.

    Raises:
        ModelFileError: it cannot be opened, is none, has no labels, or its name is none.
        RepositoryError: the version is taken, or the repository cannot be read.
    """
    path = request.path
    if not path.exists():
        raise ModelFileError(
            f"{path} does not exist; give a .keras, .h5 or .tflite file, a SavedModel folder, or"
            " bundled"
        )
    variants = _variants(request, path)
    card = _read_card(path)
    labels = open_labels(request.labels) if request.labels else search_labels(path)
    thresholds = card.get("thresholds")
    name = request.name or _name(path, card)
    if not MODEL_NAME.accepts(name):
        raise ModelFileError(f"a release cannot be called {name!r}; right is {MODEL_NAME.right}")
    digest = digest_of(path)
    return SourceModel(
        path=path,
        digest=digest,
        labels=labels.names,
        name=name,
        version=_version(request, name),
        variants=variants,
        network=None if variants == ("as-is",) else open_network(path, request.input_size),
        thresholds={
            label: float(score)
            for label, score in (thresholds if isinstance(thresholds, dict) else {}).items()
            if label in labels.names
        },
        labels_from=labels.describe(),
        before=_before(request.place.open(), name, digest),
        card=card,
        notes=tuple(filter(None, (contradiction(labels, path),))),
    )


def next_version(published: Sequence[str]) -> str:
    """One higher than the highest."""
    if not published:
        return _FIRST_VERSION
    major, minor, patch = max(map(parse_version, published))
    return f"{major}.{minor}.{patch + 1}"


def _variants(request: Request, path: Path) -> tuple[Variant, ...]:
    ready = path.is_file() and path.suffix.lower() == ".tflite"
    if ready:
        if request.variant not in ("auto", "as-is"):
            raise ModelFileError(
                f"{path} is a ready .tflite, which is published as it is, not as"
                f" {request.variant}; for other forms give the network that it was made of"
            )
        return ("as-is",)
    if request.variant == "as-is":
        raise ModelFileError(f"{path} is no .tflite; choose {', '.join(VARIANTS)} or auto")
    return VARIANTS if request.variant == "auto" else (request.variant,)


def _read_card(path: Path) -> Mapping[str, object]:
    """The card beside a model that we trained; nothing where there is none."""
    try:
        card = json.loads((path.parent / CARD_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) and "thresholds" in card else {}


def _name(path: Path, card: Mapping[str, object]) -> str:
    """What the card says, or the file's name, or the folder's where the file's says nothing."""
    resolved = path.resolve()
    stem = resolved.stem if resolved.is_file() else resolved.name
    if stem.lower() in _EMPTY_NAMES:
        stem = resolved.parent.name
    return fitting_name(str(card.get("name", stem)))


def _version(request: Request, name: str) -> str:
    published = [release.version for release in _published(request.place.open(), name)]
    if request.version is None:
        return next_version(published)
    if request.version in published:
        raise RepositoryError(
            f"{name} {request.version} is published already, and a release never changes; the next"
            f" free version is {next_version(published)}"
        )
    return request.version


def _before(repository: Repository, name: str, digest: str) -> Variant | None:
    """The variant of the newest release that is offered, if it is of this file and machine."""
    offered = [one.version for one in _published(repository, name) if not one.withdrawn]
    if not offered:
        return None
    manifest = repository.manifest(name, max(offered, key=parse_version))
    same = manifest.lineage.source_sha256 == digest and manifest.measured.get("cpu") == cpu_name()
    return manifest.model.variant if same else None


def _published(repository: Repository, name: str) -> list[ChannelRelease]:
    return [
        release
        for channel in CHANNELS
        for release in repository.releases(channel)
        if release.name == name
    ]

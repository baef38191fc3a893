"""What an id means: everything in the home that has it, or begins with it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.storage.files import file_digest
from tasks.operations.lineage import edge, fraud, sentiment
from tasks.operations.lineage.models import (
    Model,
    data_node,
    detectors,
    fraud_models,
    sentiment_models,
)
from tasks.operations.lineage.node import Kind, Match, Node, fits
from tasks.operations.records import Records

Finder = Callable[[Records, str], Iterator[Match]]


def find_data(records: Records, asked: str) -> Iterator[Match]:
    """Training data of a model, or data that something was measured on."""
    models = [*sentiment_models(records), *fraud_models(records), *detectors(records)]
    digests = {model.data_digest for model in models} - {None}
    for digest in sorted(digest for digest in digests if digest):
        if (whole := fits(asked, digest)) is not None:
            mine = [model for model in models if model.data_digest == digest]
            what = f"training data of {mine[0].name}"
            yield Match("data", digest, what, whole, partial(_data_tree, digest, mine))
    for release in edge.releases(records):
        measured = release.lineage.get("data_sha256")
        if measured and (whole := fits(asked, measured)) is not None:
            title = f"{release.name} {release.version}"
            node = Node("evaluation data", measured, also={"releases measured": [title]})
            what = f"{title} was measured on it"
            yield Match("data", measured, what, whole, partial(replace, node))


FINDERS: tuple[Finder, ...] = (
    sentiment.find_reviews,
    sentiment.find_nights,
    sentiment.find_models,
    fraud.find_answers,
    fraud.find_audits,
    fraud.find_models,
    edge.find_releases,
    edge.find_devices,
    edge.find_models,
    find_data,
)
SCANS: tuple[Finder, ...] = (sentiment.find_by_digest, fraud.find_by_digest)  # of whole tables


def search(records: Records, asked: str, kind: Kind | None = None) -> list[Match]:
    """All that an id may mean; what has it whole goes before what only begins so.

    asked: also the path of a file, such as a device's manifest: that is its digest.
    """
    asked = _digest_of_file(asked) or asked
    found = _distinct(records, asked, FINDERS, kind) or _distinct(records, asked, SCANS, kind)
    whole = [match for match in found if match.is_whole]
    return whole or found


def _distinct(
    records: Records, asked: str, finders: tuple[Finder, ...], kind: Kind | None
) -> list[Match]:
    found: dict[tuple[str, str], Match] = {}
    for finder in finders:
        for match in finder(records, asked):
            if kind in (None, match.kind):
                known = found.setdefault((match.kind, match.id), match)
                if match.is_whole and not known.is_whole:
                    found[match.kind, match.id] = match
    return list(found.values())


def _data_tree(digest: str, models: list[Model]) -> Node:
    node = data_node(digest, models)
    also = {"models trained on it": [f"{model.name} ({model.id})" for model in models]}
    return Node(node.kind, node.id, node.facts, also=also)


def _digest_of_file(asked: str) -> str | None:
    path = Path(asked).expanduser()
    return file_digest(path) if path.suffix and path.is_file() else None

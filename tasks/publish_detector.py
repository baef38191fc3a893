"""The roster of `publish_detector`: plain functions of the release room, hired as tasks.

TensorFlow, OpenCV and the signing of releases are loaded by the steps that need them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefect.runtime
from edge_detector.errors import EdgeError
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from rich.console import Console

from edge.release import naming
from edge.release.errors import PublisherError, RefusedError
from services.reporting.markdown import escape
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.release.publishing.images import Images
    from edge.release.publishing.maintenance import Done
    from edge.release.publishing.measurement import Converted, Measurement
    from edge.release.publishing.model import SourceModel
    from edge.release.publishing.release import Published
    from edge.release.publishing.request import Place, Request
    from edge.release.validation.gate import Decision

ERRORS = (PublisherError, EdgeError)
NAME = naming.NAME  # pattern
RELEASE = ("name", "channel", "share")  # parameters that a publishing and its upkeep share
_LIMITS = (
    *("max_map_loss", "max_map_50_95_loss", "min_map_50", "min_agreement"),
    *("max_float32_difference", "max_float16_difference", "max_latency_ms"),
)
_HINTS = ("mean", "std", "colour_order")
_PLAIN = (
    *("model", "labels", "name", "version", "channel", "share", "variant", "evaluate_on"),
    *("golden", "calibrate_on", "scenes", "score_threshold", "overlap", "max_detections"),
    *("threads", "dry_run"),
)


@dataclass(frozen=True)
class Outcome:
    """How a publishing ended."""

    release: str  # name and version
    published: bool
    variant: str | None  # None: refused
    reasons: tuple[str, ...]  # why it was refused
    report: Path


def name_run() -> str:
    """The run's name in the UI: flow and what it is about."""
    given = dict(prefect.runtime.flow_run.parameters["params"])  # a dict if deployed
    if given.get("model"):
        return f"publish-detector {Path(given['model']).name}"
    actions = ("withdraw", "promote", "roll_out", "rotate", "renew", "list_releases")
    action = next(name for name in actions if given.get(name))
    value = "" if given[action] is True else f" {given[action]}"
    return f"publish-detector {action.replace('_', '-')}{value}"


def open_request(**given: Any) -> Request:
    """What was asked for, and where things lie."""
    from edge.release.conversion.inspection import ModelHints
    from edge.release.publishing.request import Request
    from edge.release.validation.gate import Limits

    size, megabytes = given["input_size"], given["max_size_mb"]
    height, _, width = (size or "").partition("x")
    return Request(
        home=Settings().home,
        place=_place(),
        hints=ModelHints(
            layout=None if given["layout"] == "auto" else given["layout"],
            fit=None if given["fit"] == "auto" else given["fit"],
            **{name: given[name] for name in _HINTS},
        ),
        limits=Limits(
            max_bytes=None if megabytes is None else round(megabytes * 1e6),
            **{name: given[name] for name in _LIMITS},
        ),
        input_size=(int(height), int(width)) if size else None,
        pythons=given["device_pythons"],
        seconds=given["timing_s"],
        **{name: given[name] for name in _PLAIN},
    )


@task(**PLAIN)
def open_model(request: Request) -> SourceModel:
    """Open the model, find its labels, its name and its version."""
    from edge.release.publishing.model import open_model

    return open_model(request)


@task(**PLAIN)
def gather(request: Request) -> Images:
    """Find the pictures, or render some."""
    from edge.release.publishing.images import find_images

    return find_images(request, request.home / "detectors" / "scenes")


@contextmanager
def alone_in_folder(request: Request, model: SourceModel) -> Iterator[None]:
    """Keep other publishings out of this one's folder for the time of a block.

    Raises: ModelFileError: one is at work on the same version.
    """
    from edge.release.exclusive import alone

    folder = _folder(request, model)
    lock = folder.with_name(f"{folder.name}.lock")
    with alone(lock, f"publishes {model.name} {model.version} at the moment"):
        yield


@task(**PLAIN)
def convert(request: Request, model: SourceModel, images: Images) -> Converted:
    """Convert the model to the variants that are measured."""
    from edge.release.publishing.measurement import convert

    return convert(request, model, images, _folder(request, model))


@task(**PLAIN)
def measure(
    request: Request, model: SourceModel, images: Images, converted: Converted
) -> Measurement:
    """Measure each form on the same pictures."""
    from edge.release.publishing.measurement import count_images, measure

    total = count_images(converted, images)
    with RunProgress("publish-detector-progress", "validating", "images", total) as progress:
        return measure(request, model, images, converted, lambda: progress.advance(1))


@task(**PLAIN)
def judge(request: Request, measurement: Measurement) -> Decision:
    """May it be published, and in which form?"""
    from edge.release.validation.gate import decide

    metrics = [validation.metrics for validation in measurement.validations]
    return decide(metrics, request.variant, request.limits, measurement.before)


@task(**PLAIN)
def publish(request: Request, measurement: Measurement, decision: Decision) -> Published | None:
    """Sign and publish what was chosen, unless nothing was or it is a dry run."""
    from edge.release.publishing.release import publish

    chosen = [
        validation
        for validation in measurement.validations
        if validation.candidate.variant == decision.chosen
    ]
    return publish(request, chosen[0]) if chosen and not request.dry_run else None


@task(**PLAIN)
def report(
    request: Request,
    model: SourceModel,
    images: Images,
    measurement: Measurement,
    decision: Decision,
    published: Published | None,
) -> Outcome:
    """The report on disk, in the UI and on the terminal."""
    from edge.release.publishing import summary
    from edge.release.publishing.report import PublishReport, write_html

    file = _folder(request, model) / "report.html"
    where = {"report": str(file), "files": str(file.parent)}
    if published is not None:
        where["releases"] = published.url
    found = PublishReport(
        request=request,
        model=model,
        measurement=measurement,
        decision=decision,
        published=published,
        warnings=images.warnings,
        where=where,
        ended_at=datetime.now(UTC),
    )
    write_html(found, file)
    create_table_artifact(summary.render_table(found), key="publish-detector-figures")
    create_markdown_artifact(summary.render_markdown(found), key="publish-detector")
    Console().print(summary.render_terminal(found), soft_wrap=True)
    return Outcome(found.title, published is not None, decision.chosen, decision.reasons, file)


def conclude(outcome: Outcome) -> Outcome:
    """A publishing that was refused is an error, once its report is written.

    Raises: RefusedError: with the metrics.
    """
    if outcome.variant is None:
        raise RefusedError(
            f"{outcome.release} was refused, and nothing was published:"
            f" {' | '.join(outcome.reasons)} (report: {outcome.report})"
        )
    return outcome


@task(**PLAIN)
def maintain(
    *,
    name: str | None,
    channel: str,
    share: float,
    withdraw: str | None,
    reason: str | None,
    promote: str | None,
    roll_out: str | None,
    rotate: str | None,
    renew: bool,
    list_releases: bool,
) -> None:
    """Look after what is published; exactly one of the actions is given."""
    from edge.release.publishing import maintenance

    place = _place()
    if list_releases:
        Console().print(maintenance.render_status(place), soft_wrap=True)
    elif withdraw is not None and reason is not None:
        _tell(maintenance.withdraw(place, name, withdraw, reason))
    elif promote is not None:
        _tell(maintenance.promote(place, name, promote, channel, share))
    elif roll_out is not None:
        _tell(maintenance.roll_out(place, name, roll_out, channel, share))
    elif rotate is not None:
        _tell(maintenance.rotate(place, rotate))
    elif renew:
        _tell(maintenance.renew(place))


def _tell(done: Done) -> None:
    lines = [*done.sentences, *(f"note: {warning}" for warning in done.warnings)]
    create_markdown_artifact("\n\n".join(map(escape, lines)), key="publish-detector-upkeep")
    for line in lines:
        Console(highlight=False, markup=False).print(line, soft_wrap=True)


def _place() -> Place:
    from edge.release.publishing.request import Place

    settings = Settings()
    return Place(settings.releases_url, settings.release_keys)


def _folder(request: Request, model: SourceModel) -> Path:
    """Where the variants and the report of a publishing lie."""
    return request.home / "detectors" / "publishing" / f"{model.name}-{model.version}"

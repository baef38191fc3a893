"""The task module of `publish_detector`: plain functions of edge.release, run as tasks.

TensorFlow, OpenCV and the signing of releases are loaded by the steps that need them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_detector.errors import EdgeError
from prefect import task

from edge.release import naming
from edge.release.errors import PublisherError, RefusedError
from services.storage.files import write_text
from tasks.operations.lineage.made import remember_release
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import add_markdown, add_table, run_parameters
from tasks.orchestration.terminal import print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from edge.release.publishing.images import Images
    from edge.release.publishing.measurement import Converted, Measurement
    from edge.release.publishing.model import SourceModel
    from edge.release.publishing.phones import ForPhones
    from edge.release.publishing.release import Published
    from edge.release.publishing.request import Request
    from edge.release.validation.gate import Decision

ERRORS = (PublisherError, EdgeError)
NAME = naming.NAME  # pattern


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
    given = run_parameters()
    return f"publish-detector {Path(given['model']).name}"


def open_request(params: Any) -> Request:
    """What was asked for, and where things lie.

    params: the flow's PublishDetector.

    Raises: NoMediaPipeError: a file for phones could not be proved.
    """
    from edge.release.conversion.inspection import ModelHints
    from edge.release.phone.proof import check_mediapipe
    from edge.release.publishing.request import Place, Request
    from edge.release.validation.gate import Limits

    settings = Settings()
    given = dict(params)
    size, megabytes = given.pop("input_size"), given.pop("max_size_mb")
    height, _, width = (size or "").partition("x")
    given |= {name: None for name in ("layout", "fit") if given[name] == "auto"}
    for_phones = given.pop("for_") == "phones"
    if for_phones:
        check_mediapipe(settings.mediapipe_python)
    return Request(
        home=settings.home,
        place=Place(settings.releases_url, settings.release_keys),
        hints=ModelHints(**_taken(given, ModelHints)),
        limits=Limits(
            max_bytes=None if megabytes is None else round(megabytes * 1e6),
            **_taken(given, Limits),
        ),
        input_size=(int(height), int(width)) if size else None,
        pythons=given.pop("device_pythons"),
        seconds=given.pop("timing_s"),
        for_phones=for_phones,
        mediapipe_python=settings.mediapipe_python,
        **given,
    )


def _taken(given: dict[str, Any], kind: type[DataclassInstance]) -> dict[str, Any]:
    """Take those parameters out that are fields of a dataclass."""
    return {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}


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
def prove_for_phones(
    request: Request, model: SourceModel, measurement: Measurement, decision: Decision
) -> tuple[Decision, ForPhones | None]:
    """Make the file for phones of what was chosen, if it was asked for; nothing else is, then."""
    from edge.release.publishing.phones import prove_for_phones
    from edge.release.repository.publication import PHONE_FILE

    folder = _folder(request, model)
    (folder / PHONE_FILE).unlink(missing_ok=True)  # of an earlier run
    chosen = measurement.find(decision.chosen)
    if not request.for_phones or chosen is None:
        return decision, None
    return prove_for_phones(chosen.candidate, decision, folder, request.mediapipe_python)


@task(**PLAIN)
def publish(
    request: Request,
    model: SourceModel,
    measurement: Measurement,
    decision: Decision,
    phones: ForPhones | None = None,
) -> Published | None:
    """Sign and publish what was chosen, unless nothing was or it is a dry run."""
    from edge.release.publishing.release import publish

    chosen = measurement.find(decision.chosen)
    if chosen is None or request.dry_run:
        return None
    published = publish(request, chosen, phones.file if phones else None, model.card)
    made = chosen.candidate.manifest
    remember_release(request.home, made, request.path, model.card, request.channel)
    return published


@task(**PLAIN)
def report(
    request: Request,
    model: SourceModel,
    images: Images,
    measurement: Measurement,
    decision: Decision,
    published: Published | None,
    phones: ForPhones | None = None,
) -> Outcome:
    """The report on disk, in the UI and on the terminal."""
    from edge.release.publishing import summary
    from edge.release.publishing.report import PublishReport, render_html

    file = _folder(request, model) / "report.html"
    where = {"report": str(file), "files": str(file.parent)}
    if published is not None:
        where["releases"] = published.url
    if phones is not None:
        where["phone file"] = str(phones.file)
    found = PublishReport(
        request=request,
        model=model,
        measurement=measurement,
        decision=decision,
        published=published,
        warnings=images.warnings,
        where=where,
        ended_at=datetime.now(UTC),
        phones=phones,
        evaluated_on=images.evaluated_on,
    )
    write_text(file, render_html(found))
    add_table("publish-detector-figures", summary.render_table(found))
    add_markdown("publish-detector", summary.render_markdown(found))
    print_result(summary.render_terminal(found))
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


def _folder(request: Request, model: SourceModel) -> Path:
    """Where the variants and the report of a publishing lie."""
    return request.home / "detectors" / "publishing" / f"{model.name}-{model.version}"

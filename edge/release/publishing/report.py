"""The page of a publishing; a model that was refused has a page too."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
from edge_detector.contract.manifest import Manifest
from edge_detector.inference.overlay import draw
from markupsafe import Markup

from edge.release.datasets.pictures import read_image
from edge.release.publishing.measurement import Measurement
from edge.release.publishing.model import SourceModel
from edge.release.publishing.phones import ForPhones
from edge.release.publishing.release import Published
from edge.release.publishing.request import Request
from edge.release.validation.gate import Decision, Limits, Verdict
from edge.release.validation.metrics import Metrics, Timing
from edge.release.validation.plots import precision_over_recall
from edge.release.validation.timing import cpu_name
from edge.release.validation.validation import Validation
from services.reporting.page import render

_WIDTH_PX = 640  # of a picture in the page
MINUS = "−"


@dataclass(frozen=True)
class Row:
    """A variant in the table."""

    metrics: Metrics
    verdict: Verdict
    chosen: bool


@dataclass(frozen=True)
class PublishReport:
    """All that a reader gets to see."""

    request: Request
    model: SourceModel
    measurement: Measurement
    decision: Decision
    published: Published | None
    warnings: tuple[str, ...]
    where: Mapping[str, str]  # what -> path or address
    ended_at: datetime
    phones: ForPhones | None = None
    evaluated_on: str = ""  # which images, and how many

    @property
    def title(self) -> str:
        return f"{self.model.name} {self.model.version}"

    @property
    def rows(self) -> list[Row]:
        """The variants as they were tried."""
        return [
            Row(validation.metrics, verdict, verdict.variant == self.decision.chosen)
            for validation, verdict in zip(
                self.measurement.validations, self.decision.verdicts, strict=True
            )
        ]

    @property
    def best(self) -> Validation:
        """The variant that was chosen, else the first."""
        measurement = self.measurement
        return measurement.find(self.decision.chosen) or measurement.validations[0]

    @property
    def state(self) -> str:
        """published, refused, or passed (when nothing was to be published)."""
        if self.published:
            return "published"
        return "passed" if self.decision.chosen else "refused"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know beside the metrics."""
        found = [*self.model.notes, *self.warnings, *self.measurement.notes]
        evaluation = self.best.evaluation
        if evaluation is None:
            found.append(
                "There were no labelled images: how often the model is right was not measured."
                " Give some by --evaluate-on."
            )
        elif evaluation.unjudged:
            found.append(
                f"The model does not know {', '.join(evaluation.unjudged)}: these labels of the"
                " images were left out."
            )
        if self.published and self.published.created:
            found.append(
                f"A repository was made, and keys in {self.request.place.keys}. Keep a copy of the"
                " root keys apart; the root's fingerprint is"
                f" {self.published.fingerprint}."
            )
        return tuple(found)

    @property
    def facts(self) -> dict[str, str]:
        """What the metrics rest on: names of the classes, how the file is read, the machine."""
        facts = {"labels": self.model.labels_from} if self.model.labels_from else {}
        if self.evaluated_on:
            facts["evaluated on"] = self.evaluated_on
        facts["read as"] = _describe_reading(self.best.candidate.manifest)
        if self.phones:
            facts["for phones"] = self.phones.describe()
        return {**facts, "measured on": cpu_name()}

    @property
    def limits(self) -> Limits:
        return self.request.limits


def render_html(report: PublishReport) -> str:
    """The page as text, to be written as UTF-8."""
    best = report.best
    return render(
        Path(__file__).with_name("report.html"),
        filters={
            "decimal": decimal,
            "percent": percent,
            "megabytes": megabytes,
            "ms": ms,
            "spread": spread,
        },
        values={
            "report": report,
            "best": best,
            "metrics": best.metrics,
            "manifest": best.candidate.manifest,
            "cpu": cpu_name(),
            "labels": _labels(report),
            "curves": _curves(best),
            "pictures": _pictures(best),
            "limits": limit_rows(report.limits),
        },
    )


def decimal(value: float | None) -> str:
    """0.65432 -> 0.654, and a dash where there is none."""
    return "–" if value is None else f"{value:.3f}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """0.0123 -> 1.2 %, and a dash where there is none."""
    if share is None:
        return "–"
    shown = f"{share * 100:.1f} %".replace("-", MINUS)
    return shown.removeprefix(MINUS) if shown == f"{MINUS}0.0 %" else shown


def megabytes(count: float) -> str:
    """4183312 -> 4.2 MB."""
    return f"{count / 1e6:.1f} MB" if count < 99.95e6 else f"{count / 1e6:.0f} MB"


def ms(value: float) -> str:
    """9.0972 -> 9.1 ms."""
    return f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms"


def spread(timing: Timing) -> str:
    """The fastest and the slowest round: 15.9–18.2."""
    low, high = timing.spread_ms
    digits = 2 if low < 1 else 1
    return f"{low:.{digits}f}–{high:.{digits}f}"


def limit_rows(limits: Limits) -> list[tuple[str, str]]:
    """The gate in words."""
    rows = [
        ("mAP@0.5, at least", decimal(limits.min_map_50)),
        ("lost of the source's mAP@0.5, at most", percent(limits.max_map_loss)),
        ("lost of the source's mAP@[.5:.95], at most", percent(limits.max_map_50_95_loss)),
        ("agrees with the source on golden objects, at least", percent(limits.min_agreement)),
        ("outputs of float32 differ, at most", f"{limits.max_float32_difference:g}"),
        ("outputs of float16 differ, at most", f"{limits.max_float16_difference:g}"),
    ]
    if limits.max_latency_ms is not None:
        rows.append(("time for a frame, at most", ms(limits.max_latency_ms)))
    if limits.max_bytes is not None:
        rows.append(("size, at most", megabytes(limits.max_bytes)))
    return rows


def _describe_reading(manifest: Manifest) -> str:
    """yolo_v8, boxes in pixels; of rgb (pixel - 0) / 255, letterbox"""
    spec, output = manifest.input, manifest.output
    units = "0 to 1" if output.normalised or output.layout == "ssd" else "pixels"
    boxes = "" if output.layout == "points" else f", boxes in {units}"
    return (
        f"{output.layout}{boxes}; of {spec.colour_order} (pixel - {spec.mean:g}) / {spec.std:g},"
        f" {spec.fit}"
    )


def _labels(report: PublishReport) -> list[dict[str, Any]]:
    """A row per label that was judged: average precision of source and variant."""
    evaluation, source = report.best.evaluation, report.measurement.source_evaluation
    if evaluation is None:
        return []
    thresholds = report.best.candidate.manifest.thresholds
    return [
        {
            "label": label,
            "objects": evaluation.objects[label],
            "ap": value,
            "ap_50_95": evaluation.per_label_50_95[label],
            "source": source.per_label.get(label) if source else None,
            "threshold": thresholds.of(label),
        }
        for label, value in sorted(evaluation.per_label.items(), key=lambda item: -item[1])
    ]


def _curves(best: Validation) -> dict[str, str] | None:
    if best.evaluation is None or not best.evaluation.curves:
        return None
    values = ", ".join(f"{label} {ap:.3f}" for label, ap in best.evaluation.per_label.items())
    svg = Markup(precision_over_recall(best.evaluation.curves))
    return {"svg": svg, "alt": f"Precision over recall; average precision: {values}."}


def _pictures(best: Validation) -> list[dict[str, str]]:
    """The golden pictures with what the variant finds in them."""
    detector = best.candidate.open()
    pictures = []
    for golden in best.candidate.manifest.golden:
        picture = read_image(best.candidate.folder / golden.file)
        found: Sequence[Any] = detector.detect(picture)
        draw(picture, found)
        if picture.shape[1] > _WIDTH_PX:
            height = round(picture.shape[0] * _WIDTH_PX / picture.shape[1])
            picture = cv2.resize(picture, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA).astype(
                "uint8", copy=False
            )
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        caption = ", ".join(f"{each.label} {each.score:.2f}" for each in found) or "nothing"
        data = Markup(base64.b64encode(encoded.tobytes()).decode())  # too long for plain words
        pictures.append({"data": data, "caption": caption})
    return pictures

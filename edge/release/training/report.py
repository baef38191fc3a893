"""The page of a training: metrics, curves, and pictures of hits and misses, in one HTML file."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from edge.release.training.card import Card
from edge.release.training.comparison import Comparison, compare_image, draw_comparison
from edge.release.training.training_run import Plan, Trained
from edge.release.validation import plots
from edge.release.validation.evaluate import Evaluation
from services.reporting.page import render
from services.storage.files import write_text

_WORST, _BEST = 6, 3
USUAL_THRESHOLD = 0.5  # of a label with too few objects to tell


@dataclass(frozen=True)
class LabelRow:
    """One label in the table of metrics."""

    label: str
    ap_50: float
    ap_50_95: float
    objects: int
    threshold: float | None  # None: too few objects to tell


def write_report(path: Path, plan: Plan, trained: Trained, card: Card) -> None:
    """Write the page, in one move."""
    compared = compared_images(plan, trained, card)
    worst = [each for each in compared if each.errors][:_WORST]
    best = [each for each in reversed(compared) if each.hits and not each.errors][:_BEST]
    evaluation = trained.evaluation
    page = render(
        Path(__file__).with_name("report.html"),
        filters={},
        values={
            "card": card,
            "evaluation": evaluation,
            "rows": _rows(evaluation, card),
            "warnings": (*plan.train.warnings, *plan.val.warnings),
            **_plots(trained),
            "worst": [_figure(each) for each in worst],
            "best": [_figure(each) for each in best],
            "hits": sum(len(each.hits) for each in compared),
            "alarms": sum(len(each.false) for each in compared),
            "missed": sum(len(each.missed) for each in compared),
        },
    )
    write_text(path, page)


def _rows(evaluation: Evaluation, card: Card) -> list[LabelRow]:
    return [
        LabelRow(
            label,
            evaluation.per_label[label],
            evaluation.per_label_50_95[label],
            evaluation.objects[label],
            card.thresholds.get(label),
        )
        for label in evaluation.per_label
    ]


def _plots(trained: Trained) -> dict[str, Markup]:
    history = trained.history
    losses = {
        "classes": [(noted.step, noted.classes) for noted in history.losses],
        "boxes": [(noted.step, noted.boxes) for noted in history.losses],
    }
    precisions = {
        "mAP@0.5": [(noted.step, noted.map_50) for noted in history.precisions],
        "mAP@[.5:.95]": [(noted.step, noted.map_50_95) for noted in history.precisions],
    }
    return {
        "curves": Markup(plots.precision_over_recall(trained.evaluation.curves)),
        "losses": Markup(plots.over_steps(losses, "loss", "losses")),
        "precisions": Markup(plots.over_steps(precisions, "validation", "precisions")),
    }


def compared_images(plan: Plan, trained: Trained, card: Card) -> Sequence[Comparison]:
    """The validation images beside what was found at the card's thresholds, worst first.

    A label that has none there counts from `USUAL_THRESHOLD` on, as it would on a device.
    """
    compared = []
    for image, found in zip(plan.val.images, trained.found, strict=True):
        sure = [
            each for each in found if each.score >= card.thresholds.get(each.label, USUAL_THRESHOLD)
        ]
        compared.append(compare_image(image, plan.val.labels, sure))
    return sorted(compared, key=lambda each: -each.errors)


def _figure(comparison: Comparison) -> dict[str, object]:
    encoded = base64.b64encode(draw_comparison(comparison)).decode()
    return {
        "picture": Markup(f"data:image/jpeg;base64,{encoded}"),
        "name": comparison.image.path.name,
        "hits": len(comparison.hits),
        "alarms": len(comparison.false),
        "missed": len(comparison.missed),
    }

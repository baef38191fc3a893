"""The proof of a variant: all that is measured of it, by the code that a device runs.

Parity with the source on the golden pictures, accuracy on labelled images, whether it answers at
all and not the same to everything, the device's self-test, and time and memory by runtime and
threads, each in a process of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from edge_detector.contract.manifest import Thresholds
from edge_detector.errors import EdgeError
from edge_detector.inference.boxes import Detection
from edge_detector.updates.self_test import same_answer, self_test

from edge.release.conversion.golden import CLEAR
from edge.release.conversion.network_file import Array
from edge.release.datasets.annotations import Dataset
from edge.release.datasets.pictures import Image
from edge.release.validation.bench import Bench
from edge.release.validation.candidate import Draft
from edge.release.validation.evaluate import CURVE_THRESHOLD, Evaluation, evaluate
from edge.release.validation.metrics import Accuracy, Agreement, Figures, Parity
from edge.release.validation.source import Answering, VariantDetector
from edge.release.validation.timing import Timed, time_all

SAME_PLACE = 0.7  # overlap from which two boxes mean one object
_GREY = 127


@dataclass(frozen=True, eq=False)
class Proof:
    """A variant with its figures."""

    draft: Draft
    figures: Figures
    evaluation: Evaluation | None
    notes: tuple[str, ...] = ()  # what could not be measured, and why


def prove(variant: Draft, bench: Bench, evaluation: Evaluation | None = None) -> Proof:
    """Measure one variant, as `prove_all` does several."""
    return prove_all([variant], bench, [evaluation])[0]


def prove_all(
    variants: Sequence[Draft], bench: Bench, evaluations: Sequence[Evaluation | None]
) -> tuple[Proof, ...]:
    """Measure variants; their golden detections are written on the way.

    Args:
        variants: with their final thresholds.
        bench: what they are measured with.
        evaluations: of each on labelled images, where there are some.

    Raises:
        ModelFileError: one does not run.
    """
    drafts = [variant.with_golden(bench.golden) for variant in variants]
    constants = [constant_answer(variant, bench.golden) for variant in drafts]
    timed = time_all(drafts, bench)
    return tuple(
        _proof(*known, bench) for known in zip(drafts, constants, timed, evaluations, strict=True)
    )


def _proof(
    variant: Draft,
    constant: str | None,
    timed: Timed,
    evaluation: Evaluation | None,
    bench: Bench,
) -> Proof:
    figures = Figures(
        variant=variant.variant,
        bytes=variant.manifest.model.size,
        accuracy=accuracy(evaluation),
        source_accuracy=accuracy(bench.source_evaluation),
        parity=parity(variant, bench.source, bench.golden) if bench.source else None,
        constant=constant,
        found=sum(len(golden.detections) for golden in variant.manifest.golden),
        golden=len(bench.golden),
        timings=timed.timings,
        self_test=_self_test_fault(variant),
    )
    return Proof(variant, figures, evaluation, timed.notes)


def evaluate_variant(
    variant: Draft, dataset: Dataset, advance: Callable[[], object] = lambda: None
) -> Evaluation:
    """A variant on labelled images.

    Raises:
        ModelFileError: it does not run.
        DatasetError: an image cannot be read, or no label is known.
    """
    detector = variant.open(score_threshold=CURVE_THRESHOLD, threads=2)
    return evaluate(detector.detect, dataset, variant.manifest.known_labels, advance)


def accuracy(evaluation: Evaluation | None) -> Accuracy | None:
    """An evaluation as plain figures."""
    if evaluation is None:
        return None
    return Accuracy(
        map_50=evaluation.map_50,
        map_50_95=evaluation.map_50_95,
        per_label=dict(evaluation.per_label),
        images=evaluation.images,
        objects=sum(evaluation.objects.values()),
        misnamed=tuple(
            f"{said} for {labelled}, {count} times" if count > 1 else f"{said} for {labelled}"
            for (said, labelled), count in evaluation.misnamed.items()
        )[:5],
    )


def parity(variant: Draft, source: Answering, pictures: Sequence[Image]) -> Parity:
    """A variant beside its source, which is set to `CURVE_THRESHOLD`."""
    thresholds = variant.manifest.thresholds
    ours = VariantDetector(variant, CURVE_THRESHOLD)
    differences, agreements = [0.0], []
    for picture in pictures:
        for ours_out, source_out in zip(
            ours.outputs(picture), source.outputs(picture), strict=True
        ):
            largest = max(float(np.abs(source_out).max()), 1e-9)
            differences.append(float(np.abs(ours_out - source_out).max()) / largest)
        agreements.append(agree(ours.detect(picture), source.detect(picture), thresholds))
    return Parity(
        largest_difference=float(np.max(differences)),  # NaN stays
        agreement=Agreement(
            matched=sum(one.matched for one in agreements),
            compared=sum(one.compared for one in agreements),
            largest_score_difference=max(one.largest_score_difference for one in agreements),
            smallest_iou=min(one.smallest_iou for one in agreements),
        ),
    )


def agree(
    one: Sequence[Detection], other: Sequence[Detection], thresholds: Thresholds
) -> Agreement:
    """Whether each finds what the other finds clearly.

    Both come with what is a little below its threshold, too: that is where a counterpart of
    something clear may lie.
    """
    compared, differences, overlaps = 0, [0.0], [1.0]
    for mine, theirs in ((one, other), (other, one)):
        left = [each for each in theirs if each.score >= thresholds.of(each.label) - CLEAR]
        for detection in mine:
            if detection.score < min(1 - 1e-3, thresholds.of(detection.label) + CLEAR):
                continue
            compared += 1
            near = [
                (detection.box.iou(candidate.box), place)
                for place, candidate in enumerate(left)
                if candidate.label == detection.label
            ]
            overlap, place = max(near, default=(0.0, -1))
            if overlap >= SAME_PLACE:
                overlaps.append(overlap)
                differences.append(abs(detection.score - left.pop(place).score))
    return Agreement(len(overlaps) - 1, compared, max(differences), min(overlaps))


def constant_answer(variant: Draft, pictures: Sequence[Image]) -> str | None:
    """What a variant answers to everything, if it does; None for one that looks at its input.

    Pictures of nothing, of noise, and turned ones are among those that it is shown, so that one
    picture is enough to tell.
    """
    spec = variant.manifest.input
    shown = [_stretched(picture, spec.width, spec.height) for picture in pictures]
    noise = np.random.default_rng(0).integers(0, 256, shown[0].shape, np.uint8)
    shown += [np.full_like(shown[0], _GREY), noise, np.ascontiguousarray(shown[0][::-1, ::-1])]
    detector = VariantDetector(variant, CURVE_THRESHOLD)
    outputs = [detector.outputs(picture) for picture in shown]
    if all(_equal(outputs[0], other) for other in outputs[1:]):
        return _told(detector.detect(shown[0]))
    answers = [detector.detect(picture) for picture in shown]
    if all(same_answer(answers[0], other) for other in answers[1:]):
        return _told(answers[0])
    return None


def _stretched(picture: Image, width: int, height: int) -> Image:
    import cv2

    return cv2.resize(picture, (width, height)).astype(np.uint8, copy=False)


def _equal(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _told(found: Sequence[Detection]) -> str:
    if not found:
        return "nothing at all"
    scores = sorted({f"{one.score:.2f}" for one in found})
    shown = scores[0] if len(scores) == 1 else f"{scores[0]} to {scores[-1]}"
    return f"{len(found)} box{'es' * (len(found) > 1)} at {shown} (first: {found[0].label})"


def _self_test_fault(variant: Draft) -> str | None:
    try:
        self_test(variant.open(), variant.folder)
    except EdgeError as error:
        return str(error)
    return None

"""The validation of candidates: all that is measured of them, by the code that a device runs.

Parity with the source on the golden pictures, accuracy on labelled images, whether it answers at
all and not the same to everything, the device's self-test, and time and memory by runtime and
threads, each in a process of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from edge_detector.contract.manifest import Layout, Thresholds
from edge_detector.errors import EdgeError
from edge_detector.inference.boxes import Detection
from edge_detector.inference.self_test import same_answer, self_test

from edge.release.conversion.golden import CLEAR
from edge.release.conversion.network_file import Array
from edge.release.datasets.annotations import Dataset
from edge.release.datasets.pictures import Image
from edge.release.validation.candidate import Candidate
from edge.release.validation.evaluate import CURVE_THRESHOLD, Evaluation, evaluate
from edge.release.validation.metrics import Accuracy, Agreement, Metrics, Parity
from edge.release.validation.source import Answering, CandidateDetector
from edge.release.validation.timing import TimingPlan, time_all

SAME_PLACE = 0.7  # overlap from which two boxes mean one object
_FINISHED: tuple[Layout, ...] = ("ssd", "end_to_end")  # whose networks sort detections out
_GREY = 127

# What is found in a picture by one side and by the other, and the picture's longer side in px.
Pair = tuple[Sequence[Detection], Sequence[Detection], float]


@dataclass(frozen=True, eq=False)
class Validation:
    """A candidate with its metrics."""

    candidate: Candidate
    metrics: Metrics
    evaluation: Evaluation | None
    notes: tuple[str, ...] = ()  # what could not be measured, and why


def validate_all(
    candidates: Sequence[Candidate],
    evaluations: Sequence[Evaluation | None],
    golden: Sequence[Image],
    plan: TimingPlan,
    source: Answering | None = None,
    source_evaluation: Evaluation | None = None,
) -> tuple[Validation, ...]:
    """Measure candidates; their golden detections are written on the way.

    Args:
        candidates: with their final thresholds.
        evaluations: of each on labelled images, where there are some.
        golden: the golden pictures.
        plan: how they are timed.
        source: the network they were made of; None for a ready file.
        source_evaluation: of that network on the same labelled images.

    Raises:
        ModelFileError: one does not run.
    """
    candidates = [candidate.with_golden(golden) for candidate in candidates]
    constants = [constant_answer(candidate, golden) for candidate in candidates]
    times = time_all(candidates, plan)
    found = []
    for candidate, evaluation, constant, timed in zip(
        candidates, evaluations, constants, times, strict=True
    ):
        metrics = Metrics(
            variant=candidate.variant,
            bytes=candidate.manifest.model.size,
            accuracy=accuracy(evaluation),
            source_accuracy=accuracy(source_evaluation),
            parity=parity(candidate, source, golden) if source else None,
            constant=constant,
            found=sum(len(picture.detections) for picture in candidate.manifest.golden),
            golden=len(golden),
            timings=tuple(timed.timings),
            self_test=_self_test_fault(candidate),
        )
        found.append(Validation(candidate, metrics, evaluation, tuple(timed.notes)))
    return tuple(found)


def evaluate_candidate(
    candidate: Candidate, dataset: Dataset, advance: Callable[[], object] = lambda: None
) -> Evaluation:
    """A variant on labelled images.

    Raises:
        ModelFileError: it does not run.
        DatasetError: an image cannot be read, or no label is known.
    """
    detector = candidate.open(score_threshold=CURVE_THRESHOLD, threads=2)
    return evaluate(detector.detect, dataset, candidate.manifest.known_labels, advance)


def accuracy(evaluation: Evaluation | None) -> Accuracy | None:
    """An evaluation as plain metrics."""
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


def parity(candidate: Candidate, source: Answering, pictures: Sequence[Image]) -> Parity:
    """A candidate beside its source.

    Rows of finished detections are sorted by scores, and change places where these differ by a
    rounding: objects are compared there, not rows.
    """
    thresholds = candidate.manifest.thresholds
    ours = CandidateDetector(candidate)
    differences, agreements = [0.0], []
    pairs: list[Pair] = []
    finished = candidate.manifest.output.layout in _FINISHED
    for picture in pictures:
        mine, theirs = ours.detect(picture), source.detect(picture)
        agreements.append(agree(mine, theirs, thresholds))
        if finished:
            pairs.append((mine, theirs, float(max(picture.shape[:2]))))
            continue
        for ours_out, source_out in zip(
            ours.outputs(picture), source.outputs(picture), strict=True
        ):
            largest = max(float(np.abs(source_out).max()), 1e-9)
            differences.append(float(np.abs(ours_out - source_out).max()) / largest)
    differences.append(differ(pairs, thresholds))
    return Parity(
        largest_difference=float(np.max(differences)),  # NaN stays
        agreement=Agreement(
            matched=sum(agreement.matched for agreement in agreements),
            compared=sum(agreement.compared for agreement in agreements),
            largest_score_difference=max(
                agreement.largest_score_difference for agreement in agreements
            ),
            smallest_iou=min(agreement.smallest_iou for agreement in agreements),
        ),
    )


def agree(
    first: Sequence[Detection], second: Sequence[Detection], thresholds: Thresholds
) -> Agreement:
    """Whether each finds what the other finds clearly.

    Both come with what is a little below its threshold, too: that is where a counterpart of
    something clear may lie.
    """
    compared, differences, overlaps = 0, [0.0], [1.0]
    for mine, theirs in ((first, second), (second, first)):
        left = [found for found in theirs if found.score >= thresholds.of(found.label) - CLEAR]
        for detection in mine:
            if detection.score < min(1 - 1e-3, thresholds.of(detection.label) + CLEAR):
                continue
            compared += 1
            near = [
                (detection.box.iou(counterpart.box), place)
                for place, counterpart in enumerate(left)
                if counterpart.label == detection.label
            ]
            overlap, place = max(near, default=(0.0, -1))
            if overlap >= SAME_PLACE:
                overlaps.append(overlap)
                differences.append(abs(detection.score - left.pop(place).score))
    return Agreement(len(overlaps) - 1, compared, max(differences), min(overlaps))


def differ(pairs: Sequence[Pair], thresholds: Thresholds) -> float:
    """How far the same objects lie apart: in score at most, or commonly in parts of a side.

    Of two boxes of one object, either may be kept, so that the largest distance says nothing. What
    has no counterpart is for `agree` to count; but the difference is 1 where nothing has one.
    """
    scores: list[float] = []
    edges: list[float] = []
    alone = False
    for first, second, side in pairs:
        for mine, theirs in ((first, second), (second, first)):
            for one in mine:
                if one.score < thresholds.of(one.label):
                    continue
                same = [
                    (_distance(one, other) / side, abs(one.score - other.score))
                    for other in theirs
                    if other.label == one.label and one.box.iou(other.box) >= SAME_PLACE
                ]
                alone = alone or not same
                if same:
                    edges.append(min(same)[0])
                    scores.append(min(same)[1])
    return max(*scores, float(np.median(edges))) if scores else float(alone)


def _distance(first: Detection, second: Detection) -> float:
    """Of two boxes' edges, in px."""
    return float(np.abs(np.subtract(astuple(first.box), astuple(second.box))).max())


def constant_answer(candidate: Candidate, pictures: Sequence[Image]) -> str | None:
    """What a variant answers to everything, if it does; None for one that looks at its input.

    Pictures of nothing, of noise, and turned ones are among those that it is shown, so that one
    picture is enough to tell.
    """
    spec = candidate.manifest.input
    shown = [_stretched(picture, spec.width, spec.height) for picture in pictures]
    noise = np.random.default_rng(0).integers(0, 256, shown[0].shape, np.uint8)
    shown += [np.full_like(shown[0], _GREY), noise, np.ascontiguousarray(shown[0][::-1, ::-1])]
    detector = CandidateDetector(candidate)
    outputs = [detector.outputs(picture) for picture in shown]
    if all(_equal(outputs[0], other) for other in outputs[1:]):
        return _describe_answer(detector.detect(shown[0]))
    answers = [detector.detect(picture) for picture in shown]
    if all(same_answer(answers[0], other) for other in answers[1:]):
        return _describe_answer(answers[0])
    return None


def _stretched(picture: Image, width: int, height: int) -> Image:
    import cv2

    return cv2.resize(picture, (width, height)).astype(np.uint8, copy=False)


def _equal(first: Sequence[Array], second: Sequence[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _describe_answer(found: Sequence[Detection]) -> str:
    if not found:
        return "nothing at all"
    scores = sorted({f"{detection.score:.2f}" for detection in found})
    shown = scores[0] if len(scores) == 1 else f"{scores[0]} to {scores[-1]}"
    return f"{len(found)} box{'es' * (len(found) > 1)} at {shown} (first: {found[0].label})"


def _self_test_fault(candidate: Candidate) -> str | None:
    try:
        self_test(candidate.open(), candidate.folder)
    except EdgeError as error:
        return str(error)
    return None

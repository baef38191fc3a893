"""How well a detector finds what is labelled: average precision as COCO defines it.

Promises: the values are those of pycocotools (101 recall points, at most 100 detections an
image); labels without a labelled object count for nothing; a label that the detector says and the
images do not know is left out; nothing is printed.
"""

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from edge_detector.inference.boxes import Box, Detection

from edge.release.datasets.annotations import Dataset
from edge.release.datasets.pictures import Image
from edge.release.errors import DatasetError

CURVE_THRESHOLD = 0.01  # detect with this score threshold: a curve needs the unsure ones too
MAX_DETECTIONS = 100  # an image, as COCO has it
SCORE_STEPS = 101
ENOUGH = 30  # objects of a label from which on its curve says something
_LOWEST_SCORE, _HIGHEST_SCORE = 0.1, 0.8  # from which detections count: more would be a fluke
_SURE = 0.5  # score from which on a wrong name is a statement
_SAME_PLACE = 0.5  # overlap


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision over recall at an overlap of 0.5, for one label."""

    recall: npt.NDArray[np.float64]  # (101,): 0, 0.01 … 1
    precision: npt.NDArray[np.float64]  # (101,), 0 where that recall is not reached
    scores: npt.NDArray[np.float64]  # (101,), the score from which on that recall is reached

    @property
    def best_threshold(self) -> float:
        """The score with the best balance of precision and recall (F1)."""
        total = np.maximum(self.precision + self.recall, 1e-12)
        return float(self.scores[int(np.argmax(2 * self.precision * self.recall / total))])


@dataclass(frozen=True)
class Evaluation:
    """How good a detector is on labelled images."""

    map_50: float  # mean over labels of AP at an overlap of 0.5
    map_50_95: float  # the same, mean over the overlaps 0.5, 0.55 … 0.95
    per_label: Mapping[str, float]  # label -> AP at 0.5; labels without an object are missing
    per_label_50_95: Mapping[str, float]
    curves: Mapping[str, Curve]
    objects: Mapping[str, int]  # label -> labelled objects
    images: int
    unjudged: tuple[str, ...] = ()  # labels that the detector cannot say
    # (said, labelled) -> how often something was found and called otherwise: a labels file that
    # belongs to another model shows here.
    misnamed: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def thresholds(self) -> dict[str, float]:
        """The best score of each label that has objects enough to tell, within what makes sense."""
        return {
            label: clamped_score(curve.best_threshold)
            for label, curve in self.curves.items()
            if self.objects[label] >= ENOUGH
        }


def clamped_score(score: float) -> float:
    """A score from which detections count, as curves may lead to: not all, and not none."""
    return round(min(max(score, _LOWEST_SCORE), _HIGHEST_SCORE), 2)


def evaluate(
    detect: Callable[[Image], Sequence[Detection]],
    dataset: Dataset,
    known: Iterable[str] | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Run a detector over labelled images and compare.

    Args:
        detect: from a BGR picture to detections in its pixels; set to a score threshold of
            `CURVE_THRESHOLD`.
        dataset: the labelled images.
        known: the labels that the detector can say, if these may be fewer; others are left out
            and named in `unjudged`.
        advance: called after each image.

    Raises:
        DatasetError: an image cannot be read, or no object has a label that can be judged.
    """
    found = []
    for image in dataset.images:
        found.append(detect(image.read()))
        advance()
    return compare(found, dataset, known)


def compare(
    found: Sequence[Sequence[Detection]], dataset: Dataset, known: Iterable[str] | None = None
) -> Evaluation:
    """The evaluation of detections that are there already, one sequence for each image.

    Raises:
        DatasetError: no object has a label that can be judged.
    """
    said = None if known is None else frozenset(known)
    labels = [label for label, count in dataset.counts.items() if count]
    judged = [label for label in labels if said is None or label in said]
    if not judged:
        raise DatasetError(
            "no labelled object has a label that the detector knows; the images have"
            f" {', '.join(labels) or 'none'}"
        )
    ids = [dataset.labels.index(label) for label in judged]
    precision, scores = _precision_and_scores(
        _coco_truth(dataset, ids), _coco_answers(found, dataset, judged), ids
    )
    recall = np.linspace(0, 1, SCORE_STEPS)
    ap = precision.mean(axis=1)  # (overlaps, labels)
    return Evaluation(
        map_50=float(ap[0].mean()),
        map_50_95=float(ap.mean()),
        per_label={label: float(ap[0, k]) for k, label in enumerate(judged)},
        per_label_50_95={label: float(ap[:, k].mean()) for k, label in enumerate(judged)},
        curves={
            label: Curve(recall, precision[0, :, k], scores[0, :, k])
            for k, label in enumerate(judged)
        },
        objects={label: dataset.counts[label] for label in judged},
        images=len(dataset),
        unjudged=tuple(label for label in labels if label not in judged),
        misnamed=_misnamed(found, dataset),
    )


def _misnamed(found: Sequence[Sequence[Detection]], dataset: Dataset) -> dict[tuple[str, str], int]:
    """What was found in the right place and called otherwise, most often first."""
    pairs: Counter[tuple[str, str]] = Counter()
    for detections, image in zip(found, dataset.images, strict=True):
        for detection in detections:
            if detection.score < _SURE or not len(image.boxes):
                continue
            box = detection.box
            overlaps = _iou(np.array([box.x0, box.y0, box.x1, box.y1]), image.boxes)
            places = np.flatnonzero(overlaps >= _SAME_PLACE)
            names = [dataset.labels[image.class_ids[place]] for place in places]
            if names and detection.label not in names:
                pairs[detection.label, dataset.labels[image.class_ids[int(overlaps.argmax())]]] += 1
    return dict(pairs.most_common())


def _iou(box: npt.NDArray[Any], boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Overlap of one box with others, x0, y0, x1, y1."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    overlap: npt.NDArray[Any] = shared / np.maximum(areas - shared, 1e-9)
    return overlap


def _coco_truth(dataset: Dataset, ids: Sequence[int]) -> dict[str, Any]:
    """The labelled objects as COCO has them; image k has the number k + 1."""
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(dataset.images, 1):
        for box, k, ignored in zip(image.boxes, image.class_ids, image.ignored, strict=True):
            if int(k) not in ids:
                continue
            corners = Box(*map(float, box))
            annotations.append(_annotation(number, int(k), corners, iscrowd=int(ignored)))
    return _coco(dataset, ids, annotations)


def _coco_answers(
    found: Sequence[Sequence[Detection]], dataset: Dataset, judged: Sequence[str]
) -> dict[str, Any]:
    ids = {label: dataset.labels.index(label) for label in judged}
    annotations = [
        _annotation(number, ids[detection.label], detection.box, score=detection.score)
        for number, detections in enumerate(found, 1)
        for detection in detections
        if detection.label in ids
    ]
    return _coco(dataset, list(ids.values()), annotations)


def _annotation(image: int, label: int, box: Box, **more: float) -> dict[str, Any]:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    of = {"image_id": image, "category_id": label, "iscrowd": 0}
    return {**of, "bbox": [box.x0, box.y0, width, height], "area": width * height, **more}


def _coco(
    dataset: Dataset, ids: Sequence[int], annotations: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "images": [{"id": number} for number in range(1, len(dataset) + 1)],
        "categories": [{"id": k} for k in ids],
        # 0 would count as unmatched
        "annotations": [{**each, "id": place} for place, each in enumerate(annotations, 1)],
    }


def _precision_and_scores(
    truth: dict[str, Any], answers: dict[str, Any], ids: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Precision and score, each (overlaps 10, recalls 101, labels)."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for content in (truth, answers):
            side = COCO()
            side.dataset = content
            side.createIndex()
            sides.append(side)
        judge = COCOeval(*sides, iouType="bbox")
        judge.params.catIds = list(ids)
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [MAX_DETECTIONS]
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 0].astype(np.float64)
    scores = judge.eval["scores"][:, :, :, 0, 0].astype(np.float64)
    return np.maximum(precision, 0.0), np.maximum(scores, 0.0)  # -1 stands for nothing there

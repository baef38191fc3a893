"""The measurement of a model: converted, and validated in each variant."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from edge_detector.contract.manifest import InputSpec, Layout, Thresholds, Variant
from edge_detector.inference.detector import Detector
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.convert import VARIANTS, Calibration, Converter
from edge.release.conversion.golden import choose, shrink
from edge.release.conversion.inspection import Inspection, inspect_model
from edge.release.conversion.network_file import Array
from edge.release.datasets.pictures import Image, read_image
from edge.release.errors import ModelFileError
from edge.release.publishing.images import Images
from edge.release.publishing.model import SourceModel
from edge.release.publishing.request import Request
from edge.release.validation.candidate import Candidate, Origin, make_candidate
from edge.release.validation.evaluate import CURVE_THRESHOLD, Evaluation, clamped_score, evaluate
from edge.release.validation.source import SourceDetector
from edge.release.validation.timing import TimingPlan
from edge.release.validation.validation import Validation, evaluate_candidate, validate_all

# The score from which a detection counts, where neither the publisher nor labelled images tell.
_USUAL_SCORE: Mapping[Layout, float] = {
    "points": 0.5,
    "ssd": 0.6,
    "yolo_v5": 0.4,
    "yolo_v8": 0.4,
    "end_to_end": 0.4,
}
_USUAL_OVERLAP: Mapping[Layout, float] = {
    "points": 0.6,
    "ssd": 0.6,
    "yolo_v5": 0.5,
    "yolo_v8": 0.5,
    "end_to_end": 0.5,
}


@dataclass(frozen=True, eq=False)
class Converted:
    """The variants in their folders.

    reference: the float32 form that the network itself is read through; None for a ready file.
    """

    candidates: tuple[Candidate, ...]
    reference: Candidate | None = None
    notes: tuple[str, ...] = ()  # how it is read, and what could not be converted


@dataclass(frozen=True, eq=False)
class Measurement:
    """All that was found out."""

    validations: tuple[Validation, ...]
    source_evaluation: Evaluation | None
    notes: tuple[str, ...] = ()
    before: Variant | None = None  # that was published last, if nothing has changed since

    def find(self, variant: str | None) -> Validation | None:
        """Of a variant, such as the one that was chosen."""
        found = (each for each in self.validations if each.candidate.variant == variant)
        return next(found, None)


def convert(request: Request, model: SourceModel, images: Images, folder: Path) -> Converted:
    """Convert the model to the variants that are measured, each in its folder.

    Raises:
        ModelFileError: it is no detector of a known kind, or the one variant that was asked for
            cannot be made.
    """
    pictures = images.sample()
    if model.network is None:
        inspection = inspect_model(model.path, model.labels, pictures, request.hints)
        make = _candidate_maker(request, model, images, inspection, folder)
        return Converted((make("as-is", model.path, inspection),), notes=inspection.notes)
    with Converter(model.network) as converter:
        first = _write(folder, "float32", converter.convert("float32"))
        inspection = inspect_model(first, model.labels, pictures, request.hints)
        make = _candidate_maker(request, model, images, inspection, folder)
        reference = make("float32", first, inspection)
        candidates: list[Candidate] = [reference] if "float32" in model.variants else []
        notes = [*inspection.notes]
        calibration = _calibration(inspection.input, images.calibration)
        settled = replace(inspection.hints, settled=True)
        for variant in VARIANTS:
            if variant == "float32" or variant not in model.variants:
                continue
            try:
                file = _write(folder, variant, converter.convert(variant, calibration))
                known = inspect_model(file, reference.manifest.labels, pictures, settled)
            except ModelFileError as error:
                if len(model.variants) == 1:
                    raise
                notes.append(str(error))
            else:
                candidates.append(make(variant, file, known))
    return Converted(tuple(candidates), reference, tuple(notes))


def _candidate_maker(
    request: Request, model: SourceModel, images: Images, inspection: Inspection, folder: Path
) -> Callable[[Variant, Path, Inspection], Candidate]:
    """Makes candidates of a model; inspection: of its first form."""
    origin = Origin(
        name=model.name,
        version=model.version,
        labels=inspection.labels or model.labels,
        source_sha256=model.digest,
        data_sha256=images.dataset.digest if images.dataset else None,
    )
    thresholds = _thresholds(request, model, inspection.output.layout, None)

    def make(variant: Variant, file: Path, inspection: Inspection) -> Candidate:
        return make_candidate(folder / variant, file, variant, origin, inspection, thresholds)

    return make


def count_images(converted: Converted, images: Images) -> int:
    """How often `measure` will advance."""
    count = len(images.dataset) if images.dataset else 0
    return count * (len(converted.candidates) + (converted.reference is not None))


def measure(
    request: Request,
    model: SourceModel,
    images: Images,
    converted: Converted,
    advance: Callable[[], object] = lambda: None,
) -> Measurement:
    """Validate all candidates.

    Raises:
        ModelFileError: one does not run.
        DatasetError: a labelled image cannot be read, or no label is known.
    """
    dataset = images.dataset
    source = source_evaluation = None
    if model.network is not None and converted.reference is not None:
        source = SourceDetector(model.network, converted.reference)
        if dataset is not None:
            known = converted.reference.manifest.known_labels
            source_evaluation = evaluate(source.detect, dataset, known, advance)
    evaluations = [
        evaluate_candidate(candidate, dataset, advance) if dataset is not None else None
        for candidate in converted.candidates
    ]
    first = converted.candidates[0]
    thresholds = _thresholds(
        request, model, first.manifest.output.layout, source_evaluation or evaluations[0]
    )
    detector: SourceDetector | Detector = source or first.open(CURVE_THRESHOLD)
    plan = TimingPlan(request.threads, (Path(sys.executable), *request.pythons), request.seconds)
    validations = validate_all(
        [candidate.having(thresholds=thresholds) for candidate in converted.candidates],
        evaluations,
        _golden(images, detector, thresholds),
        plan,
        source,
        source_evaluation,
    )
    notes = (*converted.notes, *(note for validation in validations for note in validation.notes))
    return Measurement(validations, source_evaluation, notes, model.before)


def _write(folder: Path, variant: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{variant}.tflite"
    file.write_bytes(content)
    return file


def _thresholds(
    request: Request, model: SourceModel, layout: Layout, evaluation: Evaluation | None
) -> Thresholds:
    """What the publisher says, else what its training says, else what labelled images say."""
    score = _USUAL_SCORE[layout]
    per_label = {label: clamped_score(best) for label, best in model.thresholds.items()}
    if request.score_threshold is not None:
        score, per_label = request.score_threshold, {}
    elif not per_label and evaluation is not None:
        per_label = evaluation.thresholds
    return Thresholds(
        score=score,
        iou=_USUAL_OVERLAP[layout] if request.overlap is None else request.overlap,
        max_detections=request.max_detections,
        per_label=per_label,
    )


def _golden(
    images: Images, detector: SourceDetector | Detector, thresholds: Thresholds
) -> Sequence[Image]:
    if images.golden:
        return [shrink(read_image(path)) for path in images.golden]
    pictures = (read_image(path) for path in images.golden_candidates)
    return choose(pictures, detector.detect, thresholds.of)


def _calibration(spec: InputSpec, paths: Sequence[Path]) -> Calibration | None:
    if not paths:
        return None
    shape = (1, spec.height, spec.width, 3)
    preprocessor = Preprocessor(spec, TensorInfo(0, "image", shape, np.dtype(np.float32)))

    def pictures() -> Iterator[Array]:
        for path in paths:
            yield preprocessor.prepare(read_image(path))[0]

    lowest, highest = ((level - spec.mean) / spec.std for level in (0, 255))
    return Calibration(pictures, lowest, highest)

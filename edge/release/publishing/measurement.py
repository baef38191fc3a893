"""The trial of a model: converted, measured in each variant, and judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from edge_detector.contract.manifest import InputSpec, Layout, Thresholds, Variant
from edge_detector.inference.detector import Detector
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.convert import Calibration, ConvertedVariant, Converter
from edge.release.conversion.golden import choose, shrink
from edge.release.conversion.inspection import Description, describe
from edge.release.conversion.network_file import Array
from edge.release.datasets.pictures import Image, read_image
from edge.release.errors import ModelFileError
from edge.release.publishing.images import Material
from edge.release.publishing.model import Subject
from edge.release.publishing.request import Request
from edge.release.validation.bench import Bench
from edge.release.validation.candidate import Draft, Origin, draft
from edge.release.validation.evaluate import CURVE_THRESHOLD, Evaluation, clamped_score, evaluate
from edge.release.validation.source import SourceDetector
from edge.release.validation.validation import Proof, evaluate_variant, prove_all

# The score from which a detection counts, where neither the publisher nor labelled images tell.
_USUAL_SCORE: Mapping[Layout, float] = {"points": 0.5, "ssd": 0.6, "yolo_v5": 0.4, "yolo_v8": 0.4}
_USUAL_OVERLAP: Mapping[Layout, float] = {"points": 0.6, "ssd": 0.6, "yolo_v5": 0.5, "yolo_v8": 0.5}


@dataclass(frozen=True, eq=False)
class Converted:
    """The variants in their folders.

    reference: the float32 form that the network itself is read through; None for a ready file.
    """

    drafts: tuple[Draft, ...]
    reference: Draft | None = None
    notes: tuple[str, ...] = ()  # how it is read, and what could not be converted


@dataclass(frozen=True, eq=False)
class Trial:
    """All that was found out."""

    proofs: tuple[Proof, ...]
    source_evaluation: Evaluation | None
    notes: tuple[str, ...] = ()
    before: Variant | None = None  # that was published last, if nothing has changed since


def convert(request: Request, subject: Subject, material: Material, folder: Path) -> Converted:
    """Bring the model into the forms that are tried, each in its folder.

    Raises:
        ModelFileError: it is no detector of a known kind, or the one form that was asked for
            cannot be made.
    """
    pictures = material.some()
    if subject.network is None:
        description = describe(subject.path, subject.labels, pictures, request.reading)
        origin = _origin(subject, material, description)
        thresholds = _thresholds(request, subject, description, None)
        return Converted(
            (draft(folder / "as-is", subject.path, "as-is", origin, description, thresholds),),
            notes=description.notes,
        )
    drafts: dict[ConvertedVariant, Draft] = {}
    with Converter(subject.network) as converter:
        first = _write(folder, "float32", converter.convert("float32"))
        description = describe(first, subject.labels, pictures, request.reading)
        notes = [*description.notes]
        origin = _origin(subject, material, description)
        thresholds = _thresholds(request, subject, description, None)
        calibration = _calibration(description.input, material.calibration)
        reference = draft(folder / "float32", first, "float32", origin, description, thresholds)
        settled = replace(description.reading, settled=True)
        for variant in subject.variants:
            if variant == "float32":
                drafts[variant] = reference
                continue
            if variant == "as-is":
                continue
            try:
                content = converter.convert(variant, calibration)
                file = _write(folder, variant, content)
                known = describe(file, origin.labels, pictures, settled)
            except ModelFileError as error:
                if len(subject.variants) == 1:
                    raise
                notes.append(str(error))
                continue
            drafts[variant] = draft(folder / variant, file, variant, origin, known, thresholds)
    return Converted(tuple(drafts.values()), reference, tuple(notes))


def _origin(subject: Subject, material: Material, description: Description) -> Origin:
    return Origin(
        name=subject.name,
        version=subject.version,
        labels=description.labels or subject.labels,
        source_sha256=subject.digest,
        data_sha256=material.dataset.digest if material.dataset else None,
    )


def looks(converted: Converted, material: Material) -> int:
    """How often `measure` will advance."""
    images = len(material.dataset) if material.dataset else 0
    return images * (len(converted.drafts) + (converted.reference is not None))


def measure(
    request: Request,
    subject: Subject,
    material: Material,
    converted: Converted,
    advance: Callable[[], object] = lambda: None,
) -> Trial:
    """Measure all variants.

    Raises:
        ModelFileError: one does not run.
        DatasetError: a labelled image cannot be read, or no label is known.
    """
    dataset = material.dataset
    source = source_evaluation = None
    if subject.network is not None and converted.reference is not None:
        source = SourceDetector(subject.network, converted.reference, CURVE_THRESHOLD)
        if dataset is not None:
            known = converted.reference.manifest.known_labels
            source_evaluation = evaluate(source.detect, dataset, known, advance)
    evaluations = [
        evaluate_variant(one, dataset, advance) if dataset is not None else None
        for one in converted.drafts
    ]
    first = converted.drafts[0]
    thresholds = _thresholds(
        request, subject, _description(first), source_evaluation or evaluations[0]
    )
    looker: SourceDetector | Detector = source or first.open(CURVE_THRESHOLD)
    bench = Bench(
        golden=_golden(material, looker, thresholds),
        source=source,
        source_evaluation=source_evaluation,
        threads=request.threads,
        seconds=request.seconds,
    )
    if request.pythons:
        bench = bench.beside(request.pythons)
    finished = [one.with_thresholds(thresholds) for one in converted.drafts]
    proofs = prove_all(finished, bench, evaluations)
    notes = (*converted.notes, *(note for proof in proofs for note in proof.notes))
    return Trial(proofs, source_evaluation, notes, subject.before)


def _description(one: Draft) -> Description:
    return Description(one.manifest.input, one.manifest.output)


def _write(folder: Path, variant: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{variant}.tflite"
    file.write_bytes(content)
    return file


def _thresholds(
    request: Request, subject: Subject, description: Description, evaluation: Evaluation | None
) -> Thresholds:
    """What the publisher says, else what its training says, else what labelled images say."""
    layout = description.output.layout
    score = _USUAL_SCORE[layout]
    per_label = {label: clamped_score(told) for label, told in subject.thresholds.items()}
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
    material: Material, looker: SourceDetector | Detector, thresholds: Thresholds
) -> Sequence[Image]:
    if material.golden:
        return [shrink(read_image(path)) for path in material.golden]
    pictures = (read_image(path) for path in material.candidates)
    return choose(pictures, looker.detect, thresholds.of)


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

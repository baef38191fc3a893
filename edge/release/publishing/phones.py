"""The file for phones of a release: made of the variant that was chosen, and proved by MediaPipe.

The variant is measured as ever, and its network in the file is the same to the byte. A file that
MediaPipe does not open, or in which it finds something else than a device, is not published, and
nor is the release: it was asked for with it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge.release.conversion.opened_model import OpenedModel
from edge.release.datasets.pictures import read_image
from edge.release.errors import ModelFileError
from edge.release.phone.model import make_phone_model
from edge.release.phone.proof import Proof, prove
from edge.release.repository.publication import PHONE_FILE
from edge.release.validation.candidate import Candidate, Origin, make_candidate
from edge.release.validation.gate import Decision
from services.storage.files import write_bytes

_FAULTS = 3  # that are told


@dataclass(frozen=True)
class ForPhones:
    """A file that MediaPipe has proved."""

    file: Path
    proof: Proof
    golden: int  # pictures

    def describe(self) -> str:
        """What was proved, in a line."""
        proof = self.proof
        return (
            f"{proof.runtime} finds what a device finds: {proof.agreed} of {proof.agreed} on"
            f" {self.golden} golden pictures, scores differ by at most"
            f" {proof.largest_score_difference:.4f}"
        )


def prove_for_phones(
    chosen: Candidate, decision: Decision, folder: Path, python: Path | None
) -> tuple[Decision, ForPhones | None]:
    """Write the file into the folder of a publishing, if MediaPipe proves it.

    Args:
        chosen: with its golden pictures.
        decision: that chose it.
        folder: of the publishing.
        python: an interpreter with `mediapipe`; None: this one.

    Returns:
        The decision, taken back where there is no such file; and the file.

    Raises:
        NoMediaPipeError: it does not run.
    """
    golden = chosen.manifest.golden
    file = folder / PHONE_FILE
    with tempfile.TemporaryDirectory() as work:
        try:
            made = make_for_phones(chosen, Path(work))
            pictures = [read_image(chosen.folder / each.file) for each in golden]
            proof = prove(made, pictures, python, _step_px(chosen))
        except ModelFileError as error:
            return decision.refuse(f"for phones: {error}"), None
        if not proof.passed:
            faults = proof.faults[:_FAULTS] or ("MediaPipe finds nothing on any golden picture",)
            return decision.refuse(f"for phones: {'; '.join(faults)}"), None
        write_bytes(file, made.model.read_bytes())
    return decision, ForPhones(file, proof, len(golden))


def _step_px(chosen: Candidate) -> float:
    """A step of its quantised answers, whose bytes span the input; 0 where they are real values."""
    outputs = OpenedModel(chosen.model, []).outputs
    side = max(chosen.manifest.input.width, chosen.manifest.input.height)
    return side / 255 if any(info.quantised for info in outputs) else 0.0


def make_for_phones(chosen: Candidate, folder: Path) -> Candidate:
    """The file for phones as a candidate of its own, with a device's view of it.

    folder: where its own folder is made.

    Raises:
        ModelFileError: there can be none of this model.
    """
    content, inspection = make_phone_model(chosen)
    file = folder / PHONE_FILE
    file.write_bytes(content)
    manifest = chosen.manifest
    origin = Origin(
        manifest.name, manifest.version, manifest.labels, manifest.lineage.source_sha256
    )
    variant = manifest.model.variant
    return make_candidate(folder / "made", file, variant, origin, inspection, manifest.thresholds)

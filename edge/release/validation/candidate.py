"""A candidate: one variant of a model, in the folder that a device would get of it.

The folder is the release itself: `manifest.json`, `model.tflite` and the golden pictures. It is
made before anything is measured, so that what is measured is what will be published.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edge_detector.contract.manifest import (
    MANIFEST_FILE,
    Golden,
    Lineage,
    Manifest,
    ModelFile,
    Thresholds,
    Variant,
)
from edge_detector.errors import EdgeError, SchemaError
from edge_detector.inference.detector import Detector

from edge.release.conversion.golden import write_golden
from edge.release.conversion.inspection import Inspection
from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError
from services.modelling.provenance import code_version
from services.storage.files import write_bytes

_NO_GOLDEN = (Golden(file="none.png", sha256="0" * 64, size=1, detections=()),)


@dataclass(frozen=True)
class Origin:
    """What all variants of a model have in common."""

    name: str
    version: str
    labels: tuple[str, ...]
    source_sha256: str
    data_sha256: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A variant in its folder; the manifest becomes complete as things get known."""

    folder: Path
    manifest: Manifest

    @property
    def variant(self) -> Variant:
        return self.manifest.model.variant

    @property
    def model(self) -> Path:
        return self.folder / self.manifest.model.file

    @property
    def files(self) -> dict[str, Path]:
        """All files of the release but the manifest, by name."""
        names = [self.manifest.model.file, *(golden.file for golden in self.manifest.golden)]
        return {name: self.folder / name for name in names}

    @property
    def picture(self) -> Path:
        """The first golden picture."""
        return self.folder / self.manifest.golden[0].file

    def open(self, score_threshold: float | None = None, threads: int = 1) -> Detector:
        """The device's own detector on it; score_threshold: instead of the manifest's.

        Raises:
            ModelFileError: it does not run.
        """
        try:
            return Detector(
                self.model, self.manifest, threads=threads, score_threshold=score_threshold
            )
        except EdgeError as error:
            raise ModelFileError(f"{self.variant}: {error}") from error

    def with_golden(self, pictures: Sequence[Image]) -> "Candidate":
        """With these pictures and what this variant finds in them."""
        return self.having(golden=write_golden(pictures, self.open().detect, self.folder))

    def having(self, **changes: object) -> "Candidate":
        """With other values of the manifest."""
        changed = replace(self, manifest=replace(self.manifest, **changes))  # type: ignore[arg-type]
        changed.write()
        return changed

    def write(self) -> None:
        """Write the manifest into the folder, whole or not at all."""
        write_bytes(self.folder / MANIFEST_FILE, self.manifest.to_json())


def make_candidate(
    folder: Path,
    model: Path,
    variant: Variant,
    origin: Origin,
    inspection: Inspection,
    thresholds: Thresholds,
) -> Candidate:
    """Lay out the folder of a variant.

    Args:
        folder: made anew; what was in it is gone.
        model: the TFLite file, which is copied.

    Raises:
        ModelFileError: a value is none that a device would take: the name, a label.
    """
    content = model.read_bytes()
    try:
        manifest = Manifest(
            name=origin.name,
            version=origin.version,
            model=ModelFile(
                sha256=hashlib.sha256(content).hexdigest(), size=len(content), variant=variant
            ),
            input=inspection.input,
            output=inspection.output,
            labels=origin.labels,
            thresholds=thresholds,
            golden=_NO_GOLDEN,
            measured={},
            lineage=Lineage(
                source_sha256=origin.source_sha256,
                data_sha256=origin.data_sha256,
                code_version=code_version(),
                published_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            ),
        )
    except SchemaError as error:
        raise ModelFileError(str(error)) from error
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    candidate = Candidate(folder, manifest)
    candidate.model.write_bytes(content)
    candidate.write()
    return candidate

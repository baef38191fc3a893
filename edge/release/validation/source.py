"""The network that was converted, read by the device's own code.

It gets the same pictures in the same form as its float32 variant, and its answers are decoded by
the same code: what differs then is the conversion alone.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from edge_detector.contract.manifest import ROLES
from edge_detector.inference.boxes import Detection
from edge_detector.inference.detector import Detector, Prepared, Raw
from edge_detector.inference.runtime import open_interpreter, read_tensors

from edge.release.conversion.network_file import Array, Network
from edge.release.conversion.opened_model import output_names
from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError
from edge.release.validation.candidate import Candidate
from edge.release.validation.evaluate import CURVE_THRESHOLD


class Answering(Protocol):
    """What detects and lets its outputs be seen."""

    def detect(self, frame: Image) -> Sequence[Detection]:
        """What is in a picture, best first."""

    def outputs(self, frame: Image) -> tuple[Array, ...]:
        """The answer to a picture as real values, in the order of the layout's roles."""


class SourceDetector:
    """A network behind the detector of its float32 variant, set to `CURVE_THRESHOLD`."""

    def __init__(self, network: Network, float32: Candidate) -> None:
        """Join the two.

        Raises:
            ModelFileError: the variant does not run, or its outputs are not those of the network.
        """
        self._network = network
        self._detector = float32.open(CURVE_THRESHOLD)
        names = output_names(float32.model)
        output = float32.manifest.output
        tensors = [output.tensors[role] for role in ROLES[output.layout]]
        # A network with one output has no need of names.
        self._names = [names.get(tensor, network.outputs[0]) for tensor in tensors]
        if set(self._names) - set(network.outputs) or len(set(self._names)) < len(tensors):
            raise ModelFileError(
                f"the converted network answers {', '.join(self._names)}, its source"
                f" {', '.join(network.outputs)}"
            )

    def detect(self, frame: Image) -> list[Detection]:
        """What the network finds, best first."""
        prepared = self._detector.prepare(frame)
        return self._detector.read(Raw(self._answer(prepared), prepared.geometry))

    def outputs(self, frame: Image) -> tuple[Array, ...]:
        """What the network answers, in the order of the layout's roles."""
        return self._answer(self._detector.prepare(frame))

    def _answer(self, prepared: Prepared) -> tuple[Array, ...]:
        answer = self._network.answer(prepared.tensor)
        return tuple(answer[name] for name in self._names)


class CandidateDetector:
    """A candidate behind the same interface, set to the same threshold."""

    def __init__(self, candidate: Candidate) -> None:
        """Open it.

        Raises:
            ModelFileError: it does not run.
        """
        self._detector: Detector = candidate.open(CURVE_THRESHOLD)
        by_name = {
            info.name: info for info in read_tensors(open_interpreter(candidate.model)[0])[1]
        }
        output = candidate.manifest.output
        self._infos = [by_name[output.tensors[role]] for role in ROLES[output.layout]]

    def detect(self, frame: Image) -> list[Detection]:
        """What it finds, best first."""
        return self._detector.detect(frame)

    def outputs(self, frame: Image) -> tuple[Array, ...]:
        """What it answers as real values, in the order of the layout's roles."""
        raw = self._detector.infer(self._detector.prepare(frame))
        return tuple(
            info.real(np.asarray(output))
            for info, output in zip(self._infos, raw.outputs, strict=True)
        )

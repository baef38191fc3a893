"""The file for phones: a network that is measured already, with all that a phone needs inside.

MediaPipe Tasks brings a camera's frame to the input's size by stretching it, passes bytes or
(byte - mean) / std, and reads four finished outputs. So the network of a release gets an input of
that kind, the steps after it (`tail`), and TFLite metadata with the labels. The file is a detector
of the layout "ssd" as well: devices run it as any other.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from edge_detector.contract.manifest import ROLES, InputSpec, Manifest, OutputSpec
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.inspection import Inspection
from edge.release.conversion.opened_model import OpenedModel
from edge.release.errors import ModelFileError
from edge.release.phone.graph import Graph
from edge.release.phone.metadata import attach_labels, write_metadata
from edge.release.phone.tail import OPERATOR, OUTPUTS, make_tail
from edge.release.validation.candidate import Candidate

_TENSORS: Mapping[str, str] = {
    role: OPERATOR + (f":{number}" if number else "") for number, role in enumerate(OUTPUTS)
}


def make_phone_model(candidate: Candidate) -> tuple[bytes, Inspection]:
    """The content of the file, and how devices read it.

    Raises:
        ModelFileError: phones cannot read such an input.
    """
    manifest = candidate.manifest
    opened = OpenedModel(candidate.model, [])
    graph = Graph.read(candidate.model.read_bytes())
    spec = _fit_input(graph, opened.input, manifest)
    by_name = {info.name: info for info in opened.outputs}
    roles = {role: by_name[manifest.output.tensors[role]] for role in ROLES[manifest.output.layout]}
    feeds = {role: graph.to_float(graph.find(info.name)) for role, info in roles.items()}
    tail = make_tail(manifest, {role: info.shape for role, info in roles.items()})
    graph.append(tail, feeds)
    graph.answer(OUTPUTS, [_TENSORS[role] for role in OUTPUTS])
    described = replace(manifest, input=spec)
    graph.describe(write_metadata(described, OUTPUTS))
    content = attach_labels(graph.write(), manifest.labels)
    return content, Inspection(spec, OutputSpec(layout="ssd", tensors=_TENSORS))


def _fit_input(graph: Graph, info: TensorInfo, manifest: Manifest) -> InputSpec:
    """Let the graph read what a phone gives; how it is read then."""
    spec = manifest.input
    if info.shape[1:] != (spec.height, spec.width, 3):
        raise ModelFileError(
            f"the model reads {list(info.shape)}, and MediaPipe gives [1, height, width, 3]"
        )
    if spec.colour_order != "rgb":
        raise ModelFileError("MediaPipe gives red, green, blue, and the model reads them reversed")
    if spec.dtype == "float32":
        return spec
    levels = np.arange(256)
    lowest = np.iinfo(info.dtype).min
    exact = (levels - spec.mean) / spec.std / (info.scale or 1.0) + info.zero_point
    if np.abs(exact - lowest - levels).max() <= 1:  # the camera's bytes are the model's
        if spec.dtype == "uint8":
            return spec
        if info.quantised:
            graph.read_instead(
                "image",
                replace(info, dtype=np.dtype(np.uint8), zero_point=info.zero_point - int(lowest)),
            )
            return replace(spec, dtype="uint8")
    if not info.quantised:
        raise ModelFileError(f"the model reads {info.dtype} without a scale; phones give uint8")
    graph.read_instead("image", TensorInfo(0, "image", info.shape, np.dtype(np.float32)))
    return replace(spec, dtype="float32")

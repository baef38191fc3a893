"""TFLite files as graphs that can be joined: what one answers, the next one reads.

The network's own part of a file is kept to the byte: what was measured of it still holds. Only
files with one subgraph, as all converters of detectors write them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from edge_detector.inference.tensors import TensorInfo

from edge.release.errors import ModelFileError

_IDENTIFIER = b"TFL3"
_METADATA = "TFLITE_METADATA"
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int8): schema.TensorType.INT8,
}


class Graph:
    """A file's only subgraph, with what belongs to it; it is changed in place."""

    def __init__(self, model: Any) -> None:
        """model: schema.ModelT."""
        self._model = model
        self._graph = model.subgraphs[0]

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a file's content; metadata and files at its end are left out.

        Raises:
            ModelFileError: it has several subgraphs.
        """
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        if len(model.subgraphs) != 1:
            raise ModelFileError(
                f"the model has {len(model.subgraphs)} subgraphs; phones open files with one"
            )
        model.metadata = [entry for entry in model.metadata or [] if _name(entry) != _METADATA]
        return cls(model)

    def write(self) -> bytes:
        """The graph as the content of a file."""
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    @property
    def outputs(self) -> dict[str, int]:
        """The outputs by the name in the signature, or by the tensor's; values: tensors."""
        for signature in self._model.signatureDefs or []:
            return {_name(entry): int(entry.tensorIndex) for entry in signature.outputs}
        return {_name(self._graph.tensors[each]): int(each) for each in self._graph.outputs}

    def find(self, name: str) -> int:
        """The output whose tensor has this name.

        Raises:
            ModelFileError: there is none.
        """
        for output in self._graph.outputs:
            if _name(self._graph.tensors[output]) == name:
                return int(output)
        raise ModelFileError(f"the model has no output {name!r}")

    def to_float(self, tensor: int) -> int:
        """The same tensor as float32: itself, or what makes real values of it."""
        known = self._graph.tensors[tensor]
        if known.type == schema.TensorType.FLOAT32:
            return tensor
        real = self._add_tensor(f"{_name(known)}/real", list(known.shape), np.dtype(np.float32))
        self._add_operator(schema.BuiltinOperator.DEQUANTIZE, 2, tensor, real)
        return real

    def read_instead(self, name: str, info: TensorInfo) -> None:
        """Let the graph read another type, which is brought to its own.

        info: of the new input; a byte's scale and zero point count.
        """
        old = int(self._graph.inputs[0])
        new = self._add_tensor(name, list(info.shape), info.dtype)
        if info.quantised:
            quantisation = schema.QuantizationParametersT()
            quantisation.scale, quantisation.zeroPoint = [info.scale], [info.zero_point]
            self._graph.tensors[new].quantization = quantisation
        self._add_operator(schema.BuiltinOperator.QUANTIZE, 2, old, new, first=True)
        self._graph.inputs = [new]
        for signature in self._model.signatureDefs or []:
            for entry in signature.inputs:
                entry.tensorIndex = new

    def append(self, tail: "Graph", feeds: Mapping[str, int]) -> None:
        """Let another graph read what this one answers; its outputs become the only ones.

        feeds: which tensor each input of it is, by the name in its signature.
        """
        ours, theirs = self._model, tail._model
        inputs = {
            int(entry.tensorIndex): feeds[_name(entry)] for entry in theirs.signatureDefs[0].inputs
        }
        first_buffer, first_code = len(ours.buffers), len(ours.operatorCodes)
        ours.buffers.extend(theirs.buffers)
        ours.operatorCodes.extend(theirs.operatorCodes)
        place = {-1: -1, **inputs}
        for number, tensor in enumerate(tail._graph.tensors):
            if number not in inputs:
                place[number] = len(self._graph.tensors)
                tensor.buffer += first_buffer
                self._graph.tensors.append(tensor)
        for operator in tail._graph.operators:
            operator.opcodeIndex += first_code
            operator.inputs = [place[int(each)] for each in operator.inputs]
            operator.outputs = [place[int(each)] for each in operator.outputs]
            self._graph.operators.append(operator)
        self._answer({name: place[tensor] for name, tensor in tail.outputs.items()})

    def answer(self, names: Sequence[str], tensors: Sequence[str]) -> None:
        """Put the outputs into this order, and call their tensors so.

        names: in the signature.
        """
        outputs = self.outputs
        for name, called in zip(names, tensors, strict=True):
            self._graph.tensors[outputs[name]].name = called.encode()
        self._answer({name: outputs[name] for name in names})

    def describe(self, content: bytes) -> None:
        """Hold TFLite metadata, instead of what was held before."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self._model.buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name, entry.buffer = _METADATA.encode(), len(self._model.buffers) - 1
        self._model.metadata.append(entry)

    def _answer(self, outputs: Mapping[str, int]) -> None:
        self._graph.outputs = list(outputs.values())
        inputs = [(_name(self._graph.tensors[each]), int(each)) for each in self._graph.inputs]
        for signature in self._model.signatureDefs or []:
            inputs = [(_name(entry), int(entry.tensorIndex)) for entry in signature.inputs]
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        signature.inputs = [_entry(*pair) for pair in inputs]
        # Readers look them up in this order.
        signature.outputs = [_entry(*pair) for pair in sorted(outputs.items())]
        self._model.signatureDefs = [signature]

    def _add_tensor(self, name: str, shape: list[int], dtype: np.dtype[Any]) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), shape, _TYPES[dtype]
        tensor.buffer = 0  # the empty one, of tensors without a value of their own
        tensor.hasRank = True
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _add_operator(
        self, kind: int, version: int, tensor: int, other: int, *, first: bool = False
    ) -> None:
        """From one tensor to another; first: from the other to the one, before all else."""
        code = schema.OperatorCodeT()
        code.deprecatedBuiltinCode = code.builtinCode = kind
        code.version = version
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = ([other], [tensor]) if first else ([tensor], [other])
        self._graph.operators.insert(0 if first else len(self._graph.operators), operator)


def _entry(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), tensor
    return entry


def _name(entry: Any) -> str:
    return entry.name.decode() if isinstance(entry.name, bytes) else str(entry.name)

"""An `Encoder` as an ONNX graph, in float32 or with int8 matrix products.

Inputs: `ids`, int32, shape (texts, tokens), padded on the right; `mask`, float32, shape
(texts, 1, 1, tokens), zero for a token and very negative for padding. Output: `logits`,
float32, shape (texts, classes).

The function is that of the architecture. Three things make it quick on a CPU:

- the last layer is computed for the first token only, the one that the head reads;
- what can be known beforehand is folded into the weights: the scale of attention into the
  query, the bias of the value into the output; the bias of the key cancels in the softmax;
- int8 quantises weights per output channel and activations per token, and multiplies unsigned
  activations by signed weights, the pair that CPUs have an instruction for. One scale for a
  whole batch would save a tenth of the time, but tie each text to its neighbours and let one
  outlier spoil them all.

Without VNNI that instruction (pmaddubsw) adds two products in 16 bits, and 255 * 127 twice does
not fit: sums are cut off, and probabilities were off by 0.56. There the same weights are
stored as unsigned numbers, which ONNX Runtime multiplies in 32 bits: the sums, and the answers,
are those of a CPU with VNNI. Weights or activations of 7 bits would fit as well and take four
fifths of the time, but lose up to 0.063 and 0.29 of a probability.

The graph is meant to run as it stands: ONNX Runtime's own fusion into SkipLayerNormalization
takes seven times as long as the sum and the norm (1.32), BiasGelu twice as long as Gelu.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tasks.sentiment.scoring.encoder import Array, Encoder, Layer, Linear, Norm

OPSET = 17
IR_VERSION = 10  # what ONNX Runtime 1.20 reads
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators
WEIGHT_LEVELS = 127  # of signed int8, each side of zero
ZERO_POINT = 128  # of unsigned int8, for values on both sides of zero
GELU_ZERO_POINT = 32  # gelu reaches from -0.17 to the maximum
GELU_LEAST = 1.2  # a maximum below this would leave -0.17 out of the 32 levels


def build_graph(encoder: Encoder, *, int8: bool, unsigned_weights: bool = False) -> bytes:
    """Serialise the model for `onnxruntime.InferenceSession`.

    unsigned_weights: of int8, for a CPU whose products of unsigned and signed numbers saturate.
    """
    graph = _Int8Graph(unsigned_weights=unsigned_weights) if int8 else _Graph()
    logits = graph.classify(encoder)
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["texts", "tokens"]),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["texts", 1, 1, "tokens"]),
    ]
    output = helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["texts", "classes"])
    return _serialise(graph, inputs, output)


def _serialise(graph: "_Graph", inputs: Sequence[ValueInfoProto], output: ValueInfoProto) -> bytes:
    model = helper.make_model(
        helper.make_graph(graph.nodes, "sentiment", inputs, [output], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
        ir_version=IR_VERSION,
    )
    return bytes(model.SerializeToString())


def build_product(weight: Array) -> bytes:
    """A graph of one matrix product, as int8 has them: `rows`, uint8, times int8 `weight`."""
    width, outputs = weight.shape
    graph = _Graph()
    product = graph.add(
        "MatMulIntegerToFloat",
        "rows",
        graph.constant(weight, np.int8),
        graph.constant(1.0),
        graph.constant(np.ones(outputs)),
        graph.constant(ZERO_POINT, np.uint8),
        graph.constant(np.zeros(outputs), np.int8),
        domain=CONTRIB,
    )
    rows = helper.make_tensor_value_info("rows", TensorProto.UINT8, ["texts", width])
    answer = helper.make_tensor_value_info(product, TensorProto.FLOAT, ["texts", outputs])
    return _serialise(graph, [rows], answer)


@dataclass(frozen=True)
class _Shapes:
    """The size of one attention head, and the names of shape tensors; T is texts x tokens."""

    depth: int
    flat: str  # (T, width)
    cube: str  # (texts, tokens, width)
    heads: str  # (texts, tokens, heads, depth)
    first_heads: str  # (texts, 1, heads, depth)


@dataclass
class _Graph:
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        output = f"t{len(self.nodes)}"
        node = helper.make_node(operator, inputs, [output], domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(values, dtype=dtype, order="C")
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def classify(self, encoder: Encoder) -> str:
        width = encoder.words.shape[1]
        depth = width // encoder.heads
        split = self.integers(encoder.heads, depth)
        shape = self.add("Shape", "ids")
        texts = self.add("Slice", shape, self.integers(0), self.integers(1))
        tokens = self.add("Slice", shape, self.integers(1), self.integers(2))
        shapes = _Shapes(
            depth=depth,
            flat=self.integers(-1, width),
            cube=self.add("Concat", shape, self.integers(width), axis=0),
            heads=self.add("Concat", shape, split, axis=0),
            first_heads=self.add("Concat", texts, self.integers(1), split, axis=0),
        )
        words = self.add("Gather", self.constant(encoder.words), "ids")
        places = self.add("Slice", self.constant(encoder.positions), self.integers(0), tokens)
        embedded = self.norm(self.add("Add", words, places), encoder.norm)
        states = self.add("Reshape", embedded, shapes.flat)
        for layer in encoder.layers[:-1]:
            states = self.layer(layer, states, states, shapes.heads, shapes)
        cube = self.add("Reshape", states, shapes.cube)
        first = self.add("Gather", cube, self.constant(0, np.int64), axis=1)
        first = self.layer(encoder.layers[-1], first, states, shapes.first_heads, shapes)
        dense = self.add(encoder.head_activation, self.affine(first, encoder.dense))
        return self.affine(dense, encoder.classifier)

    def layer(self, layer: Layer, states: str, context: str, heads: str, shapes: _Shapes) -> str:
        """states: what the layer changes, shape (rows, width); context: what it attends to."""
        scale = np.float32(1 / math.sqrt(shapes.depth))
        query = self.product(states, layer.query.weight * scale, layer.query.bias * scale)
        key = self.product(context, layer.key.weight, None)
        value = self.product(context, layer.value.weight, None)
        scores = self.add(
            "MatMul",
            self.by_head(query, heads, (0, 2, 1, 3)),
            self.by_head(key, shapes.heads, (0, 2, 3, 1)),
        )
        attention = self.add("Softmax", self.add("Add", scores, "mask"), axis=-1)
        mixed = self.add("MatMul", attention, self.by_head(value, shapes.heads, (0, 2, 1, 3)))
        mixed = self.add("Transpose", mixed, perm=(0, 2, 1, 3))
        mixed = self.add("Reshape", mixed, shapes.flat)
        out = layer.attention_out
        bias = out.bias + layer.value.bias @ out.weight  # attention sums to one
        change = self.product(mixed, out.weight, bias)
        states = self.norm(self.add("Add", states, change), layer.attention_norm)
        wide = self.product(states, layer.wide.weight, layer.wide.bias)
        wide = self.add("Gelu", wide, domain=CONTRIB)
        change = self.product(wide, layer.narrow.weight, layer.narrow.bias, after_gelu=True)
        return self.norm(self.add("Add", states, change), layer.norm)

    def by_head(self, rows: str, heads: str, order: tuple[int, ...]) -> str:
        return self.add("Transpose", self.add("Reshape", rows, heads), perm=order)

    def norm(self, states: str, norm: Norm) -> str:
        gain, bias = self.constant(norm.gain), self.constant(norm.bias)
        return self.add("LayerNormalization", states, gain, bias, epsilon=norm.epsilon)

    def affine(self, states: str, linear: Linear) -> str:
        return self.add("Gemm", states, self.constant(linear.weight), self.constant(linear.bias))

    def product(
        self, states: str, weight: Array, bias: Array | None, *, after_gelu: bool = False
    ) -> str:
        """states @ weight + bias for states of shape (rows, inputs)."""
        if bias is None:
            return self.add("MatMul", states, self.constant(weight))
        return self.affine(states, Linear(weight, bias))


@dataclass
class _Int8Graph(_Graph):
    unsigned_weights: bool = False
    # states -> (rounded states, scale per row, zero point): query, key and value share them
    rounded: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def product(
        self, states: str, weight: Array, bias: Array | None, *, after_gelu: bool = False
    ) -> str:
        weight_scale = np.maximum(np.abs(weight).max(axis=0) / WEIGHT_LEVELS, 1e-12)
        rounded, scale, zero_point = self.round(states, after_gelu=after_gelu)
        weight_zero = ZERO_POINT if self.unsigned_weights else 0
        dtype = np.uint8 if self.unsigned_weights else np.int8
        product = self.add(
            "MatMulIntegerToFloat",
            rounded,
            self.constant(np.rint(weight / weight_scale) + weight_zero, dtype),
            self.constant(1.0),
            self.constant(weight_scale),
            zero_point,
            self.constant(np.full(weight.shape[1], weight_zero), dtype),
            domain=CONTRIB,
        )
        product = self.add("Mul", product, scale)
        return product if bias is None else self.add("Add", product, self.constant(bias))

    def round(self, states: str, *, after_gelu: bool) -> tuple[str, str, str]:
        """Quantise each row to uint8 by its own scale."""
        if states in self.rounded:
            return self.rounded[states]
        if after_gelu:
            zero_point = GELU_ZERO_POINT
            reach = self.add("ReduceMax", states, axes=(-1,), keepdims=1)
            least = GELU_LEAST
        else:
            zero_point = ZERO_POINT
            reach = self.add("ReduceMax", self.add("Abs", states), axes=(-1,), keepdims=1)
            least = 1e-12
        reach = self.add("Max", reach, self.constant(least))
        scale = self.add("Mul", reach, self.constant(1 / (255 - zero_point)))
        zero = self.constant(zero_point, np.uint8)
        flat_scale = self.add("Reshape", scale, self.integers(-1))
        zeros = self.add("Expand", zero, self.add("Shape", flat_scale))
        rounded = self.add("QuantizeLinear", states, flat_scale, zeros, axis=0)
        self.rounded[states] = rounded, scale, zero
        return self.rounded[states]

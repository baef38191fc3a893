"""The limit of a text model: the CPU's own matrix product in the same type, measured.

No scorer answers more reviews a second than the products that it cannot do without would take at
the rate of large square ones. Those products are counted without padding, and for the last layer
as our graph has it: of what lies behind its keys and values, the first token alone.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tasks.sentiment.scoring.encoder import Encoder, Linear
from tasks.sentiment.scoring.graph import IR_VERSION, OPSET, build_product
from tasks.sentiment.scoring.machine import usable_cores

SIDE = 1024  # of the square matrices: large enough for the full rate, small enough for a cache
SECONDS = 1.0  # as long as others take: what else the machine does meets the limit as it meets them
Product = Callable[[], object]


def operations(encoder: Encoder, tokens: Sequence[int]) -> float:
    """Additions and multiplications in the matrix products of texts of so many tokens each."""
    counts = np.array(tokens, dtype=float)
    every, squares = counts.sum(), np.square(counts).sum()
    width = encoder.words.shape[1]
    total = len(counts) * (_of(encoder.dense) + _of(encoder.classifier))
    for number, layer in enumerate(encoder.layers, 1):
        last = number == len(encoder.layers)
        asking, pairs = (len(counts), every) if last else (every, squares)
        total += every * (_of(layer.key) + _of(layer.value))
        for linear in (layer.query, layer.attention_out, layer.wide, layer.narrow):
            total += asking * _of(linear)
        total += pairs * 4 * width  # queries by keys, then weights by values
    return float(total)


def _of(linear: Linear) -> float:
    """Operations for one token."""
    return 2.0 * linear.weight.size


class MatrixProduct:
    """Large products on all usable cores, one thread on each, as the scorer has its passes.

    float32 and int8 are ONNX Runtime's, bfloat16 torch's.
    """

    def __init__(self, precision: str) -> None:
        opened = {"float32": _float32_product, "int8": _int8_product, "bfloat16": _bfloat16_product}
        self._product = opened[precision]()
        self._cores = usable_cores()
        self._pool = ThreadPoolExecutor(self._cores, thread_name_prefix="product")
        self._product()  # warm

    def operations_per_second(self) -> float:
        """Additions and multiplications, over `SECONDS`."""
        started = time.perf_counter()
        counts = self._pool.map(self._until, [started + SECONDS] * self._cores)
        return 2.0 * SIDE**3 * sum(counts) / (time.perf_counter() - started)

    def _until(self, end: float) -> int:
        """How many products one core computes; at least one."""
        count = 0
        while not count or time.perf_counter() < end:
            self._product()
            count += 1
        return count


def _float32_product() -> Product:
    random = np.random.default_rng(0)
    shape = [SIDE, SIDE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "weight"], ["product"])],
        "product",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(random.random(shape, dtype=np.float32), "weight")],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return _on_onnx(model.SerializeToString(), random.random(shape, dtype=np.float32))


def _int8_product() -> Product:
    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (SIDE, SIDE))
    return _on_onnx(build_product(weight), random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8))


def _on_onnx(graph: bytes, rows: np.ndarray) -> Product:
    """On the thread that asks."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"rows": rows})


def _bfloat16_product() -> Product:
    import torch

    square = torch.rand((SIDE, SIDE), generator=torch.Generator().manual_seed(0)).bfloat16()

    def run() -> torch.Tensor:
        torch.set_num_threads(1)  # of the thread that asks; the pipelines have set it to all cores
        return square @ square

    return run

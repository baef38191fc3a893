"""The limit of a text model: the CPU's own matrix product in the same type, measured.

No scorer answers more reviews a second than the products that it cannot do without would take at
the rate of large square ones. Those products are counted without padding, and for the last layer
as our graph has it: of what lies behind its keys and values, the first token alone.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tasks.sentiment.scoring.encoder import Encoder, Linear
from tasks.sentiment.scoring.machine import usable_cores

SIDE = 1024  # of the square matrices: large enough for the full rate, small enough for a cache
TIMES = 5  # the best of so many counts: a limit is what is reached at an undisturbed moment
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
    """Large products that keep all usable cores busy.

    float32 is NumPy's product, int8 ONNX Runtime's, bfloat16 torch's.
    """

    def __init__(self, precision: str) -> None:
        cores = usable_cores()
        self._operations = 2.0 * SIDE**3
        if precision == "int8":  # a session computes on the thread that asks
            self._operations *= cores
            self._run = _side_by_side(_onnx_product(), cores)
        else:  # these split one product over the cores by themselves
            self._run = _numpy_product() if precision == "float32" else _torch_product(cores)
        self._run()

    def operations_per_second(self) -> float:
        """Additions and multiplications, of the best of some products."""
        seconds = []
        for _ in range(TIMES):
            started = time.perf_counter()
            self._run()
            seconds.append(time.perf_counter() - started)
        return self._operations / min(seconds)


def _side_by_side(product: Product, cores: int) -> Product:
    pool = ThreadPoolExecutor(cores, thread_name_prefix="product")

    def run() -> None:
        for waiting in [pool.submit(product) for _ in range(cores)]:
            waiting.result()

    return run


def _numpy_product() -> Product:
    square = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    return lambda: square @ square


def _onnx_product() -> Product:
    import onnxruntime

    from tasks.sentiment.scoring.graph import build_product

    random = np.random.default_rng(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = build_product(random.integers(-127, 128, (SIDE, SIDE)))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    rows = random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    return lambda: session.run(None, {"rows": rows})


def _torch_product(cores: int) -> Product:
    import torch

    square = torch.rand((SIDE, SIDE), generator=torch.Generator().manual_seed(0)).bfloat16()

    def run() -> torch.Tensor:
        torch.set_num_threads(cores)  # the scorer sets it to one
        return square @ square

    return run

"""What computes logits: ONNX Runtime or torch.

A forward pass takes ids, int32, shape (texts, tokens), and lengths, shape (texts,), and
returns logits, float32, shape (texts, classes). Passes run on one thread each, as many side
by side as there are cores: that scales where splitting one small pass does not.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tasks.sentiment.errors import ModelError, first_line
from tasks.sentiment.scoring.encoder import Encoder, read_encoder
from tasks.sentiment.scoring.model import ModelFolder

PADDING = np.float32(-1e9)  # added to the attention that padding would get
CPU_TOKENS = 512  # a batch whose states stay in a core's cache
GPU_TOKENS = 32_768

# Without one of these there is no GPU, and torch need not be loaded to find out.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


class Forward(Protocol):
    """A model, ready to compute."""

    device: str
    token_budget: int  # tokens of a batch
    passes: int  # how many may run side by side

    def __call__(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray: ...


class OnnxForward:
    """ONNX Runtime on the CPU, float32 or int8."""

    device = "cpu"
    token_budget = CPU_TOKENS

    def __init__(self, encoder: Encoder, *, int8: bool, threads: int) -> None:
        from tasks.sentiment.scoring.graph import build_graph

        unsigned = int8 and products_saturate()
        self._session = _open_session(build_graph(encoder, int8=int8, unsigned_weights=unsigned))
        self.passes = threads

    def __call__(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        padding = np.arange(ids.shape[1]) >= lengths[:, None]
        mask = np.where(padding[:, None, None, :], PADDING, np.float32(0))
        logits: np.ndarray = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return logits


def _open_session(graph: bytes) -> Any:
    """A session that runs a graph as it stands, on the thread that asks."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def products_saturate() -> bool:
    """Whether this CPU gets the largest products of unsigned and signed 8-bit numbers wrong.

    It is tried, not looked up: on one row and on many, which have kernels of their own.
    """
    from tasks.sentiment.scoring.graph import ZERO_POINT, build_product

    inputs, outputs = 256, 64
    weight = np.where(np.arange(inputs * outputs).reshape(inputs, outputs) % 7 < 5, 127, -127)
    session = _open_session(build_product(weight))
    for rows in (1, 2, 64):
        states = np.full((rows, inputs), 255, np.uint8)
        exact = (states.astype(np.int64) - ZERO_POINT) @ weight
        if not np.array_equal(session.run(None, {"rows": states})[0], exact):
            return True
    return False


class TorchForward:
    """torch on a GPU or the CPU, float32 or bfloat16, for any architecture."""

    def __init__(
        self, model: ModelFolder, *, bfloat16: bool, gpu: str | None, threads: int
    ) -> None:
        """Raises: ModelError: the weights do not fill the architecture."""
        import torch

        self._torch, self._name = torch, model.name
        dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._network = _load_network(model.path, model.name, dtype)
        self.device = gpu or "cpu"
        self._network.to(self.device)
        self.token_budget = GPU_TOKENS if gpu else CPU_TOKENS
        hashes = [m for m in self._network.modules() if getattr(m, "hash_seed", 0) is None]
        for layer in hashes:  # Reformer's, which would draw others for each pass
            layer.hash_seed = 0
        self.passes = 1 if gpu or hashes else threads
        if not gpu:
            torch.set_num_threads(1)  # of each pass

    def __call__(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        torch = self._torch
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        try:
            with torch.inference_mode():
                output = self._network(
                    input_ids=torch.from_numpy(ids).to(self.device).long(),
                    attention_mask=torch.from_numpy(mask).to(self.device).long(),
                )
                logits: np.ndarray = output.logits.float().cpu().numpy()
        except Exception as error:  # of any kind: what a network does with texts is its own code
            raise ModelError(
                f"the model {self._name} cannot be computed on texts of {ids.shape[1]} tokens:"
                f" {first_line(error)}"
            ) from error
        return logits


def open_forward(model: ModelFolder, precision: str, threads: int) -> Forward:
    """Open a model on the best device for a precision: "float32", "bfloat16" or "int8".

    Raises: ModelError: the model cannot be computed so.
    """
    gpu = None if precision == "int8" else find_gpu()
    if precision == "int8" or (precision == "float32" and gpu is None):
        encoder = read_encoder(model.path, model.config, model.inputs.first_position)
        if encoder is not None:
            return OnnxForward(encoder, int8=precision == "int8", threads=threads)
        if precision == "int8":
            raise ModelError(
                f"int8 knows BERT, DistilBERT and RoBERTa, and {model.name} is "
                f"{model.config.get('model_type')}: use float32 or bfloat16"
            )
    return TorchForward(model, bfloat16=precision == "bfloat16", gpu=gpu, threads=threads)


def find_gpu() -> str | None:
    """torch's name of the GPU to use, None where there is none."""
    if sys.platform == "linux" and not any(Path(device).exists() for device in _GPU_DEVICES):
        return None
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else None


def _load_network(path: Path, name: str, dtype: Any) -> Any:
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network, loading = AutoModelForSequenceClassification.from_pretrained(
            path,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # of many kinds, depending on what is wrong with the files
        raise ModelError(f"the model {name} cannot be opened: {first_line(error)}") from error
    if loading["missing_keys"]:
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise ModelError(f"the model {name} lacks the weights {missing}")
    return network.eval()

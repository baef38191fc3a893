"""What a SavedModel would do, read from its description before TensorFlow loads it.

Loading a SavedModel runs parts of its graph, and a graph may write files or call Python. So each
operation in it has to be one that only computes, or that holds the network's variables. Those
that save and restore variables are part of every SavedModel: nothing but the saver may reach them.
"""

import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edge.release.errors import ModelFileError
from services.modelling.keras import open_tensorflow

SAVED_MODEL_FILE = "saved_model.pb"
# Operations with an effect or a memory, of which only these are part of networks.
_STATEFUL = re.compile(
    r"VarHandleOp|VariableV?2?|ReadVariableOp|VarIsInitializedOp|IsVariableInitialized"
    r"|Assign(Add|Sub)?(VariableOp)?|ResourceGather(Nd)?|DisableCopyOnRead|DestroyResourceOp"
    r"|StatefulPartitionedCall|If|While|Case|Assert|TensorArray\w*|Stack\w*"
    r"|HashTable(V2)?|MutableHashTable(V2)?|AnonymousHashTable"
    r"|(Truncated|Random|Stateful)\w*(Uniform|Normal)\w*"
)
# What TensorFlow takes for free of effects, and is not.
_DENIED = re.compile(
    r"\w*(File|PyFunc|Dataset|Iterator|Reader|Summary|Debug|Snapshot|Checkpoint|Vocab|CopyHost"
    r"|TPU)\w*"
)
_READS = frozenset({"RestoreV2", "Restore", "RestoreSlice"})
_WRITES = frozenset({"SaveV2", "Save", "SaveSlices", "MergeV2Checkpoints"})
_HARMLESS = frozenset({"ShardedFilename"})  # only joins words
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


def refuse_effects(folder: Path) -> None:
    """Check all operations of a SavedModel without running any.

    Raises:
        ModelFileError: it cannot be read, or does more than to compute; names the operation.
    """
    open_tensorflow()
    messages = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    message = importlib.import_module("google.protobuf.message")
    model = messages.SavedModel()
    try:
        model.ParseFromString((folder / SAVED_MODEL_FILE).read_bytes())
    except (OSError, message.DecodeError) as error:
        raise ModelFileError(f"{folder / SAVED_MODEL_FILE} cannot be read: {error}") from error
    for part in model.meta_graphs:
        graph = _Graph(part.graph_def)
        saver = {_node_of(part.saver_def.restore_op_name)} - {""}
        for operation in sorted(
            graph.unfit()
            | (graph.reached(_entries(part) - saver) & (_READS | _WRITES))
            | (graph.reached(saver) & _WRITES)
        ):
            raise ModelFileError(
                f"{folder} has the operation {operation}, which does more than to compute, and is"
                " not run here; export the network alone, with model.export(folder)"
            )


class _Graph:
    """The operations of a graph and of its functions, and what leads to them."""

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node}
        self._functions = {each.signature.name: each for each in definition.library.function}

    def unfit(self) -> set[str]:
        """All operations that no network needs."""
        bodies = [function.node_def for function in self._functions.values()]
        names = {node.op for nodes in (self._nodes.values(), *bodies) for node in nodes}
        # A function must not be called as an operation is: it could be either that runs.
        functions = {name for name in self._functions if _registered(name) is None}
        return {name for name in names - functions if name in self._functions or not _is_fit(name)}

    def reached(self, roots: Iterable[str]) -> set[str]:
        """The operations that run for these nodes and functions."""
        nodes = functions = frozenset(roots)  # each name is one of the two
        found: set[str] = set()
        seen_nodes: set[str] = set()
        seen_functions: set[str] = set()
        while nodes or functions:
            seen_nodes |= nodes
            seen_functions |= functions
            run = [self._nodes[name] for name in nodes & self._nodes.keys()]
            inputs = {_node_of(entry) for node in run for entry in node.input}
            for name in functions & self._functions.keys():
                run += self._functions[name].node_def
            found |= {node.op for node in run}
            called = found | {name for node in run for name in _called(node)}
            nodes, functions = frozenset(inputs - seen_nodes), frozenset(called - seen_functions)
        return found


def _entries(part: Any) -> set[str]:
    """Nodes and functions that run at loading, or when the network is asked."""
    found = set(part.object_graph_def.concrete_functions)
    for signature in part.signature_def.values():
        for tensor in (*signature.outputs.values(), *signature.inputs.values()):
            sparse = tensor.coo_sparse
            names = (tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name)
            found |= {_node_of(name) for name in names}
            found |= {_node_of(each.name) for each in tensor.composite_tensor.components}
    for name in _INIT_COLLECTIONS:
        if name in part.collection_def:
            found |= {_node_of(entry) for entry in part.collection_def[name].node_list.value}
    return found - {""}


def _called(node: Any) -> Iterator[str]:
    """The functions that a node's attributes name."""
    for value in node.attr.values():
        yield value.func.name
        for function in value.list.func:
            yield function.name


def _node_of(tensor: str) -> str:
    """The node that makes a tensor ("node:0"), or that is only waited for ("^node")."""
    return tensor.removeprefix("^").partition(":")[0]


def _is_fit(operation: str) -> bool:
    if operation in _READS | _WRITES | _HARMLESS:
        return True
    known = _registered(operation)
    if known is None or _DENIED.fullmatch(operation):
        return False
    return not known.is_stateful or _STATEFUL.fullmatch(operation) is not None


def _registered(operation: str) -> Any:
    """How TensorFlow describes an operation; None if it knows none of that name."""
    registry = importlib.import_module("tensorflow.python.framework.op_def_registry")
    return registry.get(operation)

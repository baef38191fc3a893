"""An opened TFLite file: what it says of its ends, and what it answers to pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
from edge_detector.contract.manifest import InputSpec
from edge_detector.errors import ConfigError, ModelError
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.runtime import open_interpreter, read_tensors
from edge_detector.inference.tensors import TensorInfo

from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError

Array = npt.NDArray[Any]


class OpenedModel:
    """A file that reads one picture."""

    def __init__(self, file: Path, pictures: Sequence[Image]) -> None:
        """Open it.

        pictures: that it will be asked about, BGR.

        Raises:
            ModelFileError: it does not open, or reads something else.
        """
        self.file, self.pictures = file, pictures
        self._interpreter = open_file(file)
        inputs, self.outputs = read_tensors(self._interpreter)
        if len(inputs) != 1:
            raise ModelFileError(f"{file} has {len(inputs)} inputs; a detector reads one picture")
        self.input = inputs[0]
        self._known: dict[InputSpec, list[dict[str, Array]]] = {}

    def picture_sides(self) -> tuple[int, int]:
        """Height and width of the picture that it reads, in px.

        Raises:
            ModelFileError: it reads something else than one picture.
        """
        shape = self.input.shape
        if len(shape) == 4 and shape[0] == 1 and shape[3] == 3:
            return shape[1], shape[2]
        if len(shape) == 4 and shape[:2] == (1, 3):
            return shape[2], shape[3]
        raise ModelFileError(
            f"{self.file} reads {list(shape)}; a detector reads one picture, [1, height, width, 3]"
            " or [1, 3, height, width]"
        )

    def describe_outputs(self) -> str:
        """Their names and shapes."""
        return ", ".join(f"{info.name} {list(info.shape)}" for info in self.outputs)

    def signature(self) -> dict[str, TensorInfo]:
        """The outputs by the names that the file's one signature gives them; empty without one."""
        return _read_signature(self._interpreter)

    def answers(self, spec: InputSpec) -> list[dict[str, Array]]:
        """For each picture all outputs as real values, by tensor name.

        Raises:
            ModelFileError: there are no pictures, or it does not run.
        """
        if not self.pictures:
            raise ModelFileError(
                f"{self.file} cannot be understood without pictures; give --golden or --evaluate-on"
            )
        if spec not in self._known:
            preprocessor = Preprocessor(spec, self.input)
            self._known[spec] = [self._answer(preprocessor, picture) for picture in self.pictures]
        return self._known[spec]

    def _answer(self, preprocessor: Preprocessor, picture: Image) -> dict[str, Array]:
        try:
            self._interpreter.set_tensor(self.input.index, preprocessor.prepare(picture)[0])
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"{self.file} does not run: {error}") from error
        return {
            info.name: info.real(self._interpreter.get_tensor(info.index)) for info in self.outputs
        }


def open_file(file: Path) -> Any:
    """An interpreter.

    Raises:
        ModelFileError: the file does not open.
    """
    try:
        return open_interpreter(file)[0]
    except (ConfigError, ModelError) as error:
        raise ModelFileError(f"{file}: {error}") from error


def output_names(model: Path) -> dict[str, str]:
    """The network's own names of a file's outputs, by tensor name; empty without a signature.

    Raises:
        ModelFileError: the file does not open.
    """
    return {info.name: name for name, info in _read_signature(open_file(model)).items()}


def _read_signature(interpreter: Any) -> dict[str, TensorInfo]:
    """The outputs by the names that the file's one signature gives them; empty without one."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    by_name = {info.name: info for info in read_tensors(interpreter)[1]}
    return {
        name: by_name[details["name"]]
        for name, details in runner.get_output_details().items()
        if details["name"] in by_name
    }

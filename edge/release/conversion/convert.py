"""From a trained network to TFLite, in the forms that devices run.

| variant  | weights | inside  | input   | outputs |
|----------|---------|---------|---------|---------|
| float32  | float32 | float32 | float32 | float32 |
| float16  | float16 | float32 | float32 | float32 |
| dynamic  | int8    | mixed   | float32 | float32 |
| int8     | int8    | int8    | uint8   | int8    |

Mixed: products with weights in int8, all else in float32. Only operations that TFLite itself knows
are used; the batch is 1. Signatures are kept, so that outputs can be told apart by the network's
own names.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from edge.release.conversion.network_file import Array, Network
from edge.release.errors import ModelFileError
from services.modelling.keras import first_line, open_tensorflow, quiet

ConvertedVariant = Literal["float32", "float16", "dynamic", "int8"]
VARIANTS: tuple[ConvertedVariant, ...] = get_args(ConvertedVariant)


@dataclass(frozen=True)
class Calibration:
    """The pictures by which int8 finds its ranges.

    pictures: makes them anew each time, as the network reads them: (1, height, width, 3) float32.
    lowest, highest: what a black and a white pixel become. The input's range is made exactly this,
    so that a device may pass the bytes of its camera through.
    """

    pictures: Callable[[], Iterable[Array]]
    lowest: float
    highest: float

    def feed(self) -> Iterator[list[Array]]:
        """As the converter wants them."""
        for picture in self.pictures():
            fed = np.array(picture, np.float32)
            fed[0, 0, 0], fed[0, 0, -1] = self.lowest, self.highest
            yield [fed]


class Converter:
    """Converts a network; a context, for the files that the conversion starts from."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        tensorflow = open_tensorflow()
        with quiet():
            tensorflow.saved_model.save(
                self._network.module, self._folder.name, signatures=self._network.function
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def convert(self, variant: ConvertedVariant, calibration: Calibration | None = None) -> bytes:
        """The content of a TFLite file.

        Args:
            variant: the form wanted.
            calibration: needed for int8 alone.

        Raises:
            ModelFileError: the network has an operation that TFLite does not know, or there are
                no pictures for int8.
        """
        tensorflow = open_tensorflow()
        converter = tensorflow.lite.TFLiteConverter.from_saved_model(self._folder.name)
        _set_up(converter, variant, calibration)
        try:
            with quiet():
                return bytes(converter.convert())
        except Exception as error:  # the converter raises whatever its parts do
            raise ModelFileError(
                f"the network cannot be converted to TFLite ({variant}): {_reason(error)}"
            ) from error


def _reason(error: Exception) -> str:
    """In one line: the converter writes pages about its own insides."""
    unknown = sorted(set(re.findall(r"\btf\.([A-Z]\w+)", str(error))))
    if unknown:
        return f"TFLite does not know {', '.join(unknown[:5])}; build it without, or give a .tflite"
    return first_line(error)


def _set_up(converter: Any, variant: ConvertedVariant, calibration: Calibration | None) -> None:
    tensorflow = open_tensorflow()
    if variant == "float32":
        return
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if variant == "int8":
        if calibration is None:
            raise ModelFileError(
                "int8 needs pictures to find its ranges by; give --evaluate-on, --calibrate-on or"
                " --golden"
            )
        converter.representative_dataset = calibration.feed
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.uint8
        converter.inference_output_type = tensorflow.int8

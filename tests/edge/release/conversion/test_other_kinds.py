"""A network that is no detector, or not a whole one, is refused by its name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.release.conversion.inspection import inspect_model
from edge.release.errors import ModelFileError
from services.modelling.keras import open_tensorflow, quiet
from tests.edge.release.squares import COLOURS, SIDE, SQUARES

ONE = ("person",)
# Nine anchors for each place of five grids, as EfficientDet has them.
GRIDS = (10, 5, 3, 2, 1)
ANCHORS = 9 * sum(side * side for side in GRIDS)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a network whose outputs have these shapes, and follow the picture."""
    tf = open_tensorflow()

    def make(shapes: Sequence[tuple[int, ...]]) -> Path:
        rng = np.random.default_rng(7)

        def answer(image: Any) -> dict[str, Any]:
            mean = tf.reduce_mean(image)
            values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
            return {
                f"output_{number:02}": (tf.nn.softmax if each.ndim == 2 else tf.sigmoid)(
                    each + mean
                )
                for number, each in enumerate(values)
            }

        module = tf.Module()
        spec = tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32)
        with quiet():
            module.answer = tf.function(answer, input_signature=[spec])
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [module.answer.get_concrete_function()], module
            )
            content = bytes(converter.convert())
        file: Path = tmp_path_factory.mktemp("other") / "model.tflite"
        file.write_bytes(content)
        return file

    return make


@pytest.mark.parametrize(
    ("shapes", "labels", "kind"),
    [
        ([(1, 1000)], COLOURS, "is a classifier.*what is shown and not where; give a detector"),
        ([(1, 20, 20, 8)], COLOURS, "heat maps or segmentation.*give a detector"),
        (
            [(1, 20, 20, 2), (1, 20, 20, 2), (1, 20, 20, 2)],
            COLOURS,
            "heat maps or segmentation.*give a detector",
        ),
        (
            [(1, 38, 131), (1, 20, 20, 32)],
            COLOURS,
            "a segmentation network, with masks.*export a network for detection",
        ),
        ([(1, 56, 131)], ONE, "a pose network, which answers with key points; give a detector"),
        ([(1, 30, 57)], ONE, "a pose network"),
        (
            [(1, side, side, 9 * values) for values in (2, 4) for side in GRIDS],
            COLOURS,
            "grids have not been decoded.*EfficientDet.*TFLite_Detection_PostProcess",
        ),
        (
            [(1, ANCHORS, 2), (1, ANCHORS, 4)],
            COLOURS,
            f"answers for {ANCHORS} points.*a head with anchors needs TFLite_Detection_PostProcess",
        ),
        (
            [(1, ANCHORS, 3), (1, ANCHORS, 4)],
            COLOURS,
            f"3 scores for each of {ANCHORS} places.*anchors.*TFLite_Detection_PostProcess",
        ),
    ],
    ids=[
        *("classifier", "heat map", "heat maps of centres", "masks", "key points"),
        *("finished key points", "raw EfficientDet", "its places in a row", "with a background"),
    ],
)
def test_it_is_named_with_what_would_be_right(answering, shapes, labels, kind):
    """Not only that its shapes are none of a detector's."""
    with pytest.raises(ModelFileError, match=f"(?s){kind}"):
        inspect_model(answering(shapes), labels, SQUARES)

"""Exact detectors of red and green cells, in the forms that exporters write: nothing is trained.

The input is 80x80, of 10x10 cells; a cell of one colour is an object as large as the cell. Its
score is how pure the colour is.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.modelling.keras import open_tensorflow, quiet

SIDE, STRIDE = 80, 8
CELLS = SIDE // STRIDE
RED, GREEN = (0, 0, 255), (0, 255, 0)  # BGR
COLOURS = ("red", "green")


def paint_squares(seed: int, count: int = 6) -> NDArray[np.uint8]:
    """A grey picture with so many cells of either colour in turns."""
    frame = np.full((SIDE, SIDE, 3), 40, np.uint8)
    for number, (row, column) in enumerate(places(seed, count)):
        cell = frame[row * STRIDE : (row + 1) * STRIDE, column * STRIDE : (column + 1) * STRIDE]
        cell[:] = (RED, GREEN)[number % 2]
    return frame


def places(seed: int, count: int = 6) -> list[tuple[int, int]]:
    """Row and column of each cell."""
    drawn = np.random.default_rng(seed).permutation(CELLS * CELLS)[:count]
    return [(int(place) // CELLS, int(place) % CELLS) for place in drawn]


SQUARES = [paint_squares(seed) for seed in range(4)]
NOTHING = [np.full((SIDE, SIDE, 3), 40, np.uint8), np.full((SIDE, SIDE, 3), 60, np.uint8)]


def write_squares(folder: Path, count: int = 6) -> Path:
    """Labelled pictures of them, as YOLO has it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(COLOURS))
    for seed in range(count):
        cv2.imwrite(str(folder / f"{seed}.png"), paint_squares(seed))
        lines = [
            f"{number % 2} {(x + 0.5) / CELLS} {(y + 0.5) / CELLS} {1 / CELLS} {1 / CELLS}"
            for number, (y, x) in enumerate(places(seed))
        ]
        (folder / f"{seed}.txt").write_text("\n".join(lines))
    return folder


def write_detector(folder: Path, form: str) -> Path:
    """One of the forms in `build`, as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{form}.tflite"
    file.write_bytes(build(form))
    return file


@lru_cache
def build(form: str) -> bytes:
    """A TFLite file.

    form: v8 (columns first), v8_rows, v8_pixels, v8_logits, v8_corners, v8_one, v5, v5_one,
    v5_wide (with a size beyond the picture where there is no object), v5_exchanged,
    v8_centred (reads -1 to 1), v8_640 (boxes in pixels of a larger input), obb (turned boxes),
    v8_planes (an input of channels first), e2e, e2e_pixels, e2e_one, e2e_numbered, e2e_automl,
    e2e_rising (not sorted), e2e_faint (sure of nothing, in a corner), e2e_to_4, e2e_to_9,
    e2e_to_19, e2e_to_79 (green is that class), ssd, ssd_named, ssd_pixels, ssd_from_1,
    ssd_tf2 (the other order), points_probabilities;
    v8_int8_plain, v8_int8_wide, v8_int8_bytes, e2e_to_4_int8_plain and so on: quantised with that
    range of the input; ssd_int8_lite: as EfficientDet-Lite, uint8 to float32.
    """
    tf = open_tensorflow()
    shape, _, calibration = form.partition("_int8_")
    lowest, highest = {
        "wide": (-2.0, 2.5),
        "bytes": (0.0, 255.0),
        "lite": (-127 / 128, 1.0),
    }.get(calibration, (0.0, 1.0))
    white = 255.0 if calibration == "bytes" else 1.0

    planes = shape.endswith("_planes")
    picture = (1, 3, SIDE, SIDE) if planes else (1, SIDE, SIDE, 3)

    def answer(image: Any) -> Any:
        if planes:
            image = tf.transpose(image, (0, 2, 3, 1))
        centred = shape.startswith("ssd") or shape.endswith("_centred")
        image = (image + 1.0) / 2.0 if centred else image / white
        cells = tf.reshape(tf.nn.avg_pool2d(image, STRIDE, STRIDE, "VALID"), (100, 3))
        red = tf.nn.relu(cells[:, 0:1] - cells[:, 1:2] - cells[:, 2:3])
        green = tf.nn.relu(cells[:, 1:2] - cells[:, 0:1] - cells[:, 2:3])
        return _FORMS[shape](tf, red, green)

    def fed() -> Iterator[list[Any]]:
        for picture in SQUARES:
            values = picture[None, ..., ::-1].astype(np.float32) / np.float32(255 / white)
            if calibration == "lite":
                values = values * np.float32(highest - lowest) + np.float32(lowest)
            values[0, 0, 0], values[0, 0, 1] = lowest, highest
            yield [values]

    module = tf.Module()
    with quiet():
        module.answer = tf.function(answer, input_signature=[tf.TensorSpec(picture, tf.float32)])
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [module.answer.get_concrete_function()], module
        )
        if calibration:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = fed
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            lite = calibration == "lite"
            converter.inference_input_type = tf.uint8 if lite else tf.int8
            converter.inference_output_type = tf.float32 if lite else tf.int8
        return bytes(converter.convert())


def _boxes() -> NDArray[np.float32]:
    """Corners of all cells as shares: x0, y0, x1, y1."""
    row, column = np.divmod(np.arange(CELLS * CELLS), CELLS)
    low = np.stack([column, row], axis=1) / CELLS
    return np.concatenate([low, low + 1 / CELLS], axis=1).astype(np.float32)


def _middles() -> NDArray[np.float32]:
    boxes = _boxes()
    sizes = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] + sizes / 2, sizes], axis=1)


def _v8(tf: Any, *scores: Any, boxes: Any = None, columns_first: bool = True) -> Any:
    table = tf.concat([_middles() if boxes is None else boxes, *scores], axis=1)[None]
    return tf.transpose(table, (0, 2, 1)) if columns_first else table


def _v5(tf: Any, *scores: Any) -> Any:
    # What a class is said to be where there is no object means nothing.
    whole = tf.maximum(tf.add_n(list(scores)), 0.0)
    classes = [score + 0.4 * (1.0 - whole) for score in scores]
    return tf.concat([_middles(), whole, *classes], axis=1)[None]


def _finished(tf: Any, *scores: Any) -> tuple[Any, Any, Any]:
    """The ten best boxes, their scores and classes, each with as many rows."""
    table = tf.concat(scores, axis=1)
    best, places = tf.math.top_k(tf.reduce_max(table, axis=1), 10)
    classes = tf.cast(tf.argmax(table, axis=1, output_type=tf.int32), tf.float32)
    return (
        tf.gather(_boxes(), places),
        0.9 * best[:, None],
        tf.gather(classes, places)[:, None],
    )


def _e2e(
    tf: Any, *scores: Any, numbered: bool = False, scale: float = 1.0, last: float = 1.0
) -> Any:
    boxes, best, classes = _finished(tf, *scores)
    boxes, classes = boxes * scale, classes * last
    if numbered:
        return tf.concat([0.0 * best, boxes, classes, best], axis=1)[None]
    return tf.concat([boxes, best, classes], axis=1)[None]


def _ssd(tf: Any, *scores: Any, scale: float = 1.0, first: float = 0.0) -> Any:
    boxes, best, classes = _finished(tf, *scores)
    turned = tf.gather(boxes, [1, 0, 3, 2], axis=1) * scale
    return {
        "a": turned[None],
        "b": tf.reshape(classes + first, (1, 10)),
        "c": tf.reshape(best, (1, 10)),
        "d": tf.reduce_sum(0.0 * best, axis=0) + 10.0,
    }


def _ssd_tf2(tf: Any, *scores: Any) -> Any:
    found = _ssd(tf, *scores)
    return dict(zip("abcd", (found["c"], found["a"], found["d"], found["b"]), strict=True))


def _obb(tf: Any, *scores: Any) -> Any:
    """As YOLO has them: the angle comes last, in radians."""
    table = tf.concat([_middles(), *scores, 2.0 * scores[0] - 0.5], axis=1)[None]
    return tf.transpose(table, (0, 2, 1))


def _ssd_named(tf: Any, *scores: Any) -> Any:
    found = _ssd(tf, *scores)
    names = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    return dict(zip(names, (found["a"], found["b"], found["c"], found["d"]), strict=True))


def _points(tf: Any, *scores: Any) -> Any:
    half = 0.5 + 0.0 * scores[0]
    return {
        "scores": tf.concat(scores, axis=1)[None],
        "distances": tf.concat([half] * 4, axis=1)[None],
    }


_FORMS: dict[str, Callable[..., Any]] = {
    "v8": _v8,
    "v8_rows": lambda tf, *s: _v8(tf, *s, columns_first=False),
    "v8_pixels": lambda tf, *s: _v8(tf, *s, boxes=_middles() * SIDE),
    "v8_logits": lambda tf, *s: _v8(tf, *(10.0 * score - 5.0 for score in s)),
    "v8_corners": lambda tf, *s: _v8(tf, *s, boxes=_boxes()),
    "v8_one": lambda tf, red, green: _v8(tf, red),
    "v5": _v5,
    "v5_one": lambda tf, red, green: _v5(tf, red),
    "v5_wide": lambda tf, *s: tf.concat(
        [_v5(tf, *s), np.array([[[0.5, 0.5, 2.3, 2.3, 0, 0, 0]]], np.float32)], axis=1
    ),
    "v5_exchanged": lambda tf, *s: tf.transpose(_v5(tf, *s), (0, 2, 1)),
    "v8_planes": _v8,
    "v8_centred": _v8,
    "v8_640": lambda tf, *s: _v8(tf, *s, boxes=_middles() * 640),
    "obb": _obb,
    "e2e": _e2e,
    "e2e_pixels": lambda tf, *s: _e2e(tf, *s, scale=float(SIDE)),
    "e2e_one": lambda tf, red, green: _e2e(tf, red),
    "e2e_numbered": lambda tf, *s: _e2e(tf, *s, numbered=True),
    "e2e_automl": lambda tf, *s: tf.gather(
        _e2e(tf, *s, numbered=True), [0, 2, 1, 4, 3, 6, 5], axis=2
    ),
    "e2e_rising": lambda tf, *s: tf.reverse(_e2e(tf, *s), [1]),
    "e2e_faint": lambda tf, *s: tf.tile(
        _e2e(tf, *s, scale=SIDE / 2) * np.array([1, 1, 1, 1, 0.03, 1], np.float32), (1, 30, 1)
    ),
    "e2e_to_4": lambda tf, *s: _e2e(tf, *s, last=4.0),
    "e2e_to_9": lambda tf, *s: _e2e(tf, *s, last=9.0),
    "e2e_to_19": lambda tf, *s: _e2e(tf, *s, last=19.0),
    "e2e_to_79": lambda tf, *s: _e2e(tf, *s, last=79.0),
    "ssd": _ssd,
    "ssd_named": _ssd_named,
    "ssd_tf2": _ssd_tf2,
    "ssd_pixels": lambda tf, *s: _ssd(tf, *s, scale=float(SIDE)),
    "ssd_from_1": lambda tf, *s: _ssd(tf, *s, first=1.0),
    "points_probabilities": _points,
}

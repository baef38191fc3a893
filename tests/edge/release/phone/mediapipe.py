"""MediaPipe, where a Python has it, and programs in its place.

TRIPTYCH_MEDIAPIPE_PYTHON names a Python that has it, if this one has not.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

_NAMED = os.environ.get("TRIPTYCH_MEDIAPIPE_PYTHON")
PYTHON = Path(_NAMED) if _NAMED else None  # None: this one
with_mediapipe = pytest.mark.skipif(
    PYTHON is None and importlib.util.find_spec("mediapipe") is None,
    reason="no mediapipe here: install the extra phones, or name a Python that has it by"
    " TRIPTYCH_MEDIAPIPE_PYTHON",
)

# Reads the four outputs as an app does; for inputs of bytes, or of bytes / 255.
_READS = """
import json, sys, zipfile
import numpy as np
from edge_detector.inference.runtime import open_interpreter
from pathlib import Path

if sys.argv[2:]:
    interpreter, _ = open_interpreter(Path(sys.argv[2]))
    labels = zipfile.ZipFile(sys.argv[2]).read("labels.txt").decode().splitlines()
    (reads,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for picture in np.load(sys.argv[3]):
        values = picture[None] if reads["dtype"] == np.uint8 else np.float32(picture[None] / 255)
        interpreter.set_tensor(reads["index"], values)
        interpreter.invoke()
        boxes, classes, scores, _ = (interpreter.get_tensor(each["index"]) for each in outputs)
        size = np.tile(picture.shape[:2], 2)
        found.append([
            [labels[int(number)], float(score), *map(int, (x, y, x1 - x, y1 - y))]
            for (y, x, y1, x1), number, score in zip(boxes[0] * size, classes[0], scores[0])
            if score > 0
        ])
    print(json.dumps({"runtime": "mediapipe 0", "found": found}))
"""


def write_program(folder: Path, body: str) -> Path:
    """A program in place of a Python: it gets the runner, and the model and pictures if asked."""
    file = folder / "python"
    file.write_text(f"#!{sys.executable}\n{body}", "utf-8")
    file.chmod(0o755)
    return file


def reading(folder: Path) -> Path:
    """Finds what the file answers."""
    return write_program(folder, _READS)


def finding(folder: Path, found: list[list[tuple[object, ...]]]) -> Path:
    """Finds this, whatever it is shown."""
    answer = json.dumps({"runtime": "mediapipe 0", "found": found})
    return write_program(folder, f"print({answer!r})")


def refusing(folder: Path, reason: str) -> Path:
    """Ends with an error: also when it is only imported."""
    return write_program(folder, f"raise ImportError({reason!r})")

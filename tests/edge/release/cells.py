"""A network that needs no training: it finds cells of pure red, green or blue.

As the device tests' `tiny`, but built from Keras layers, with faults on request; and pictures of
such cells, labelled.
"""

import json
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from edge_detector.contract.manifest import Thresholds
from edge_detector.inference.boxes import Box, Detection

from edge.release.conversion.convert import Calibration, ConvertedVariant, Converter
from edge.release.conversion.inspection import inspect_model
from edge.release.conversion.network_file import Network, open_network
from edge.release.datasets.annotations import Dataset, LabelledImage
from edge.release.validation.candidate import Candidate, Origin, make_candidate
from services.modelling.keras import open_keras, quiet
from tests.edge.device.tiny import LABELS, SIDE, STRIDE, paint

CELLS = SIDE // STRIDE
UNSEEN = "unseen"  # a label of "crude", of which there is nothing


def build_network(fault: str = "") -> Any:
    """A Keras model with our own head.

    fault: "blind" answers the same to everything; "crude" has a class with scores so low that
    eight bits cannot hold the others beside them; "open" leaves the size of its input open.
    """
    keras = open_keras()
    layers = keras.layers
    labels = [*LABELS, UNSEEN] if fault == "crude" else list(LABELS)
    score = layers.Conv2D(len(labels), 1, name="score")
    distance = layers.Conv2D(4, 1, activation="relu", name="distance")
    side = None if fault == "open" else SIDE
    image = layers.Input((side, side, 3), name="image")
    cells = layers.AveragePooling2D(STRIDE)(image)
    network = keras.Model(
        image,
        {
            "scores": layers.Reshape((-1, len(labels)), name="scores")(score(cells)),
            "distances": layers.Reshape((-1, 4), name="distances")(distance(cells)),
        },
    )
    own, other, none = (0.0, 0.0, 5.0) if fault == "blind" else (15.0, -10.0, -10.0)
    weights = np.full((1, 1, 3, len(labels)), other, np.float32)
    weights[0, 0][np.arange(3), np.arange(3)] = own
    bias = np.full(len(labels), none, np.float32)
    if fault == "crude":
        weights[..., -1], bias[-1] = 0, -40_000
    score.set_weights([weights, bias])
    half = 0.0 if fault == "blind" else 0.5
    distance.set_weights([np.full((1, 1, 3, 4), half), np.full(4, 0.5 - half)])
    return network


def save_network(folder: Path, fault: str = "", suffix: str = ".keras") -> Path:
    """The network in a file, with its labels beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = [*LABELS, UNSEEN] if fault == "crude" else LABELS
    (folder / "labels.txt").write_text("\n".join(labels))
    file = folder / f"cells{suffix}"
    network = build_network(fault)
    if suffix:
        network.save(file)
    else:
        with quiet():
            network.export(file)
    return file


@lru_cache
def open_cells(fault: str = "") -> Network:
    """The network as the publisher opens it."""
    with tempfile.TemporaryDirectory() as folder:
        return open_network(save_network(Path(folder), fault), (SIDE, SIDE))


@lru_cache
def converted(variant: ConvertedVariant, fault: str = "") -> bytes:
    """A variant of it; the same bytes for all tests of a process."""
    with Converter(open_cells(fault)) as converter:
        return converter.convert(variant, calibration())


def calibration() -> Calibration:
    """Pictures of cells, as the network reads them."""

    def pictures() -> Iterator[np.ndarray]:
        for seed in range(10):
            frame = paint(*draw_cells(16, seed))
            yield frame[None, ..., ::-1].astype(np.float32) / 255

    return Calibration(pictures, 0.0, 1.0)


def write_variant(folder: Path, variant: ConvertedVariant, fault: str = "") -> Path:
    """A variant in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{variant}.tflite"
    file.write_bytes(converted(variant, fault))
    return file


def candidate_of(folder: Path, variant: ConvertedVariant, fault: str = "") -> Candidate:
    """A variant in the folder that a device would get."""
    labels = (*LABELS, UNSEEN) if fault == "crude" else LABELS
    file = write_variant(folder / "converted", variant, fault)
    return make_candidate(
        folder / variant,
        file,
        variant,
        Origin("cells", "1.0.0", labels, "0" * 64),
        inspect_model(file, labels, []),
        Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={}),
    )


def draw_cells(count: int, seed: int = 0) -> list[tuple[str, int, int]]:
    """Cells in different places: label, row and column."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(CELLS * CELLS)[:count]
    return [
        (LABELS[k % len(LABELS)], int(place) // CELLS, int(place) % CELLS)
        for k, place in enumerate(places)
    ]


def box_of(row: int, column: int) -> tuple[float, float, float, float]:
    x, y = float(column * STRIDE), float(row * STRIDE)
    return x, y, x + STRIDE, y + STRIDE


def write_pictures(folder: Path, count: int = 4, seed: int = 0) -> Path:
    """Pictures without labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02d}.png"), paint(*draw_cells(6, seed + number)))
    return folder


def write_labelled(folder: Path, count: int = 8, seed: int = 0, cells: int = 12) -> Path:
    """Pictures with a COCO file."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        drawn = draw_cells(cells, seed + number)
        name = f"{number:02d}.png"
        cv2.imwrite(str(folder / name), paint(*drawn))
        images.append({"id": number, "file_name": name})
        for label, row, column in drawn:
            x, y, *_ = box_of(row, column)
            annotations.append(
                {
                    "image_id": number,
                    "category_id": LABELS.index(label),
                    "bbox": [x, y, STRIDE, STRIDE],
                }
            )
    categories = [{"id": k, "name": label} for k, label in enumerate(LABELS)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


def labelled(*images: list[tuple[str, tuple[float, float, float, float]]]) -> Dataset:
    """A data set of objects without pictures: label and box of each, image by image."""
    return Dataset(
        LABELS,
        tuple(
            LabelledImage(
                path=Path(f"{number}.png"),
                width=SIDE,
                height=SIDE,
                boxes=np.array([box for _, box in objects], np.float32).reshape(-1, 4),
                class_ids=np.array([LABELS.index(label) for label, _ in objects], np.int64),
                ignored=np.zeros(len(objects), np.bool_),
            )
            for number, objects in enumerate(images)
        ),
        "0" * 64,
    )


def detection(label: str, score: float, box: tuple[float, float, float, float]) -> Detection:
    return Detection(label, LABELS.index(label) if label in LABELS else 0, score, Box(*box))

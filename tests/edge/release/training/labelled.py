"""Tiny labelled images: coloured squares on grey, in COCO form."""

import json
from pathlib import Path

import cv2
import numpy as np

COLOURS = {"red": (40, 40, 220), "blue": (220, 60, 40)}  # BGR


def write_squares(folder: Path, count: int, seed: int = 0, size: int = 64) -> Path:
    """Images with two squares each."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(1, count + 1):
        image = rng.integers(90, 130, (size, size, 3), np.uint8)
        for corner, label in zip(((2, 4), (34, 30)), rng.permutation(2), strict=True):
            x, y = (int(value) for value in corner + rng.integers(0, 6, 2))
            side = int(rng.integers(16, 24))
            image[y : y + side, x : x + side] = list(COLOURS.values())[label]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": [x, y, side, side],
                    "area": side * side,
                    "iscrowd": 0,
                }
            )
        cv2.imwrite(str(folder / f"{number:03d}.png"), image)
        images.append(
            {"id": number, "file_name": f"{number:03d}.png", "width": size, "height": size}
        )
    categories = [{"id": k, "name": name} for k, name in enumerate(COLOURS, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder

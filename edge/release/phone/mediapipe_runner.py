"""What MediaPipe Tasks finds in pictures, as an app would see it without setting any option.

Run as a file, by any Python that has `mediapipe`: it need not be ours, and ours need not have it.
Without arguments it is imported, and no more. Else pictures, (n, height, width, 3) red, green,
blue, are read from a .npy file, and one line of JSON is written: the package's version, and for
each picture label, score, x0, y0, width and height of each detection, in whole pixels.
"""

import json
import sys
from importlib.metadata import version

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(model: str, pictures: str) -> None:
    """model: the file to open; pictures: the .npy file."""
    options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=model))
    with vision.ObjectDetector.create_from_options(options) as detector:
        found = [
            [
                [
                    category.category_name,
                    category.score,
                    detection.bounding_box.origin_x,
                    detection.bounding_box.origin_y,
                    detection.bounding_box.width,
                    detection.bounding_box.height,
                ]
                # Boxes of the same pixels come as one, with a category for each.
                for detection in detector.detect(
                    mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
                ).detections
                for category in detection.categories
            ]
            for picture in map(np.ascontiguousarray, np.load(pictures))
        ]
    print(json.dumps({"runtime": f"mediapipe {version('mediapipe')}", "found": found}))


if __name__ == "__main__" and sys.argv[1:]:
    main(*sys.argv[1:])

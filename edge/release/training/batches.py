"""Batches of augmented pictures, the same for the same seed and step, made ahead in a thread."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np

from edge.release.datasets.annotations import Dataset, LabelledImage
from edge.release.training.augmentation import Augmentation, Sample, augment

_AHEAD = 4  # batches that wait


@dataclass(frozen=True)
class Batch:
    """images: (B, H, W, 3) uint8, RGB; boxes: (B, M, 4) float32, x0, y0, x1, y1 in pixels, filled
    up with zeros; classes: (B, M, C) float32, one-hot, zeros where a box is a filler."""

    images: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Batches:
    """What a training sees, step by step."""

    dataset: Dataset
    height: int
    width: int
    size: int
    augmentation: Augmentation
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.dataset.images) // self.size)

    def at(self, step: int, mosaic: bool) -> Batch:
        """The batch of a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.dataset.images))
        chosen = np.resize(order, (self.steps_per_epoch, self.size))[place]
        rng = np.random.default_rng([self.seed, 1, step])
        return self._stack([self._sample(int(index), mosaic, rng) for index in chosen])

    def _sample(self, index: int, mosaic: bool, rng: np.random.Generator) -> Sample:
        images = self.dataset.images
        chosen = [index]
        if mosaic and rng.random() < self.augmentation.mosaic:
            chosen += [int(other) for other in rng.integers(len(images), size=3)]
        samples = [_read(images[each]) for each in chosen]
        return augment(samples, self.height, self.width, self.augmentation, rng)

    def _stack(self, samples: list[Sample]) -> Batch:
        # Sizes in tens, so that TensorFlow traces few graphs.
        most = max(10, -(-max(len(sample.boxes) for sample in samples) // 10) * 10)
        labels = len(self.dataset.labels)
        boxes = np.zeros((len(samples), most, 4), np.float32)
        classes = np.zeros((len(samples), most, labels), np.float32)
        for row, sample in enumerate(samples):
            count = len(sample.boxes)
            boxes[row, :count] = sample.boxes
            classes[row, np.arange(count), sample.class_ids] = 1.0
        images = np.stack([sample.image[..., ::-1] for sample in samples])
        return Batch(images, boxes, classes)

    @contextmanager
    def ahead(self, steps: range, mosaic_until: int) -> Iterator[Iterator[Batch]]:
        """The batches of some steps, prepared while the one before is learnt from.

        An error while preparing comes out where the batch would have.
        """
        ready: queue.Queue[Batch | Exception] = queue.Queue(_AHEAD)
        over = threading.Event()

        def prepare() -> None:
            for step in steps:
                try:
                    made: Batch | Exception = self.at(step, step < mosaic_until)
                except Exception as error:
                    made = error
                while not over.is_set():
                    with suppress(queue.Full):
                        ready.put(made, timeout=0.2)
                        break
                if over.is_set():
                    return

        def batches() -> Iterator[Batch]:
            for _ in steps:
                made = ready.get()
                if isinstance(made, Exception):
                    raise made
                yield made

        worker = threading.Thread(target=prepare, name="batches", daemon=True)
        worker.start()
        try:
            yield batches()
        finally:
            over.set()
            worker.join()


def _read(image: LabelledImage) -> Sample:
    """The picture and its objects, without those that are neither right nor wrong to find."""
    kept = ~image.ignored
    return Sample(image.read(), image.boxes[kept], image.class_ids[kept])

"""The training itself: seeded, interruptible at any moment, with a running mean of the weights.

The mean of the weights over the last steps is what is kept (Polyak; as detectors commonly do): it
is steadier than the last step's.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.release.training.batches import Batches
from edge.release.training.checkpoint import read_checkpoint, write_checkpoint
from edge.release.training.loss import DetectionLoss
from edge.release.training.network import Shape, build_network
from services.modelling.keras import open_keras, open_tensorflow, repeatable

_WARM_UP_SHARE = 0.03
_LAST_RATE = 0.01  # of the learning rate, at the end of the cosine
_LARGEST_GRADIENT = 10.0
_MEAN_OVER = 0.998  # share of the mean that stays at each step


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    steps: in all; plain_share: of the steps, at the end, without mosaics: devices see none.
    """

    steps: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    plain_share: float = 0.2
    seed: int = 0


class Trainer:
    """Trains a network from random weights, or from where a checkpoint left it."""

    def __init__(self, shape: Shape, recipe: Recipe, batches: Batches, checkpoint: Path) -> None:
        keras = open_keras()
        keras.backend.clear_session()
        self._recipe, self._batches, self._checkpoint = recipe, batches, checkpoint
        with repeatable(recipe.seed):
            self._network = build_network(shape, len(batches.dataset.labels))
            # With the mean of the weights, to be evaluated or saved.
            self.network = keras.models.clone_model(self._network)
        self.network.set_weights(self._network.get_weights())
        self._optimizer = keras.optimizers.AdamW(
            recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            global_clipnorm=_LARGEST_GRADIENT,
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        self._optimizer.build(self._network.trainable_variables)
        self._loss = DetectionLoss(shape.height, shape.width)
        self._learn = open_tensorflow().function(self._learn_eagerly, reduce_retracing=True)
        self.step = 0
        if checkpoint.exists():
            self.step = read_checkpoint(checkpoint, self._state())

    def _state(self) -> list[Any]:
        optimizer = [
            variable
            for variable in self._optimizer.variables
            if variable is not self._optimizer.learning_rate
        ]
        return [*self._network.variables, *optimizer, *self.network.variables]

    def run(self, until: int, advance: Callable[[int, float, float], None]) -> None:
        """Learn up to a step, then write the checkpoint.

        The caller holds a `repeatable` block over all runs: TensorFlow compiles anew in each.

        Args:
            until: number of steps in all at which to stop.
            advance: told after each step its number and the losses of classes and boxes.
        """
        tf = open_tensorflow()
        steps = range(self.step, min(until, self._recipe.steps))
        mosaic_until = round(self._recipe.steps * (1 - self._recipe.plain_share))
        with self._batches.ahead(steps, mosaic_until) as batches:
            for step, batch in zip(steps, batches, strict=True):
                self._optimizer.learning_rate.assign(self._rate(step))
                keep = min(_MEAN_OVER, (1 + step) / (10 + step))
                classes, boxes = self._learn(
                    tf.constant(batch.images),
                    tf.constant(batch.boxes),
                    tf.constant(batch.classes),
                    tf.constant(keep, tf.float32),
                )
                self.step = step + 1
                advance(self.step, float(classes), float(boxes))
        write_checkpoint(self._checkpoint, self.step, self._state())

    def _rate(self, step: int) -> float:
        warm_up = max(1, round(self._recipe.steps * _WARM_UP_SHARE))
        if step < warm_up:
            return self._recipe.learning_rate * (step + 1) / warm_up
        share = (step - warm_up) / max(1, self._recipe.steps - warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        return self._recipe.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * cosine)

    def _learn_eagerly(self, images: Any, boxes: Any, classes: Any, keep: Any) -> tuple[Any, Any]:
        tf = open_tensorflow()
        with tf.GradientTape() as tape:
            outputs = self._network(tf.cast(images, tf.float32) / 255.0, training=True)
            class_loss, box_loss = self._loss(outputs, boxes, classes)
            loss = class_loss + box_loss
        weights = self._network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, weights), weights)
        for mean, variable in zip(self.network.variables, self._network.variables, strict=True):
            mean.assign(keep * mean.value + (1.0 - keep) * variable.value)
        return class_loss, box_loss

"""The network: a single-shot detector in one pass, three scales, no anchors.

A plain convolutional backbone, a feature pyramid that runs down and up again, and at every point
of the three grids (strides 8, 16 and 32 pixels) a logit per class and the four distances to the
sides of the box, in strides (FCOS, arXiv 1904.01355). Ordinary 3x3 convolutions and ReLU on
purpose: in full int8 they are the fastest that CPUs with dot-product instructions have.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.modelling.keras import open_keras

STRIDES = (8, 16, 32)
_PRIOR = 0.01  # probability of any class at a point before anything was learnt (RetinaNet)
_FIRST_DISTANCE = 3.0  # strides; a ReLU that starts at zero would not learn


@dataclass(frozen=True)
class Shape:
    """What a network is built from.

    height, width: of the input in pixels, multiples of 32; channels: of the first layer, all
    others are multiples of it; depths: residual blocks after each halving from the second on.
    """

    height: int = 288
    width: int = 384
    channels: int = 16
    depths: tuple[int, int, int, int] = (1, 2, 1, 1)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 2) as x, y in pixels and strides (N, 1) of all points, stride by stride."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        centres.append((np.stack([x, y], axis=1) + 0.5) * stride)
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32)


def build_network(shape: Shape, classes: int) -> Any:
    """A Keras model: images (B, H, W, 3), RGB in 0..1, to `scores` (B, N, classes), logits, and
    `distances` (B, N, 4): left, top, right, bottom in strides."""
    keras = open_keras()
    layers = keras.layers

    def conv(x: Any, channels: int, kernel: int = 3, stride: int = 1) -> Any:
        x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.97, epsilon=1e-3)(x)
        return layers.ReLU()(x)

    def stage(x: Any, channels: int, depth: int) -> Any:
        x = conv(x, channels, stride=2)
        for _ in range(depth):
            x = layers.Add()([x, conv(conv(x, channels // 2, kernel=1), channels)])
        return x

    c = shape.channels
    image = layers.Input((shape.height, shape.width, 3), name="image")
    x = stage(conv(image, c, stride=2), 2 * c, shape.depths[0])
    backbone = []
    for factor, depth in zip((4, 8, 8), shape.depths[1:], strict=True):
        x = stage(x, factor * c, depth)
        backbone.append(x)
    fine, middle, coarse = (conv(level, 4 * c, kernel=1) for level in backbone)
    up = layers.UpSampling2D
    middle = conv(layers.Add()([middle, up(2)(coarse)]), 4 * c)
    fine = conv(layers.Add()([fine, up(2)(middle)]), 4 * c)
    middle = conv(layers.Add()([middle, conv(fine, 4 * c, stride=2)]), 4 * c)
    coarse = conv(layers.Add()([coarse, conv(middle, 4 * c, stride=2)]), 4 * c)

    scores, distances = [], []
    for level in (fine, middle, coarse):
        score = layers.Conv2D(
            classes, 1, bias_initializer=keras.initializers.Constant(math.log(_PRIOR))
        )(conv(level, 4 * c))
        distance = layers.Conv2D(
            4, 1, activation="relu", bias_initializer=keras.initializers.Constant(_FIRST_DISTANCE)
        )(conv(level, 4 * c))
        scores.append(layers.Reshape((-1, classes))(score))
        distances.append(layers.Reshape((-1, 4))(distance))
    return keras.Model(
        image,
        {
            "scores": layers.Concatenate(axis=1, name="scores")(scores),
            "distances": layers.Concatenate(axis=1, name="distances")(distances),
        },
    )

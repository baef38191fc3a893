"""Whether probabilities mean what they say: temperature and expected calibration error."""

import numpy as np
import torch
from torch.nn import functional


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature that minimises the log loss (Guo et al. 2017, "On Calibration of Modern
    Neural Networks"), searched over [0.2, 5]."""
    temperatures = torch.logspace(np.log10(0.2), np.log10(5), 400)
    losses = torch.stack([functional.cross_entropy(logits / t, labels) for t in temperatures])
    return float(temperatures[losses.argmin()])


def calibration_error(probability: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the decided class (Guo et al. 2017, equation 3).

    probability: of class 1, shape (n,); labels: 0 or 1, shape (n,).
    """
    confidence = np.maximum(probability, 1 - probability)
    correct = (probability >= 0.5) == (labels == 1)
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(correct[bin_of == b].mean() - confidence[bin_of == b].mean()) * (bin_of == b).mean()
        for b in np.unique(bin_of)
    ]
    return float(np.sum(gaps))

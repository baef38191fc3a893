"""The model folder that training leaves: weights, tokenizer, and a card that says what it is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from services.modelling.provenance import code_version
from services.storage.exchange import exchange
from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring.model import folder_digest
from tasks.sentiment.training.network import predict_logits
from tasks.sentiment.training.recipe import Recipe


def package(
    model: Any,
    tokenizer: Tokenizer,
    corpus: pd.DataFrame,
    recipe: Recipe,
    data_digest: str,
    folder: Path,
    announce: Callable[[str], None],
) -> dict[str, Any]:
    """Calibrate, evaluate and save the model; the folder appears whole. Returns the card.

    The temperature is fitted on the validation rows and divided out of the last layer, so that
    the folder gives calibrated probabilities without further steps. Weights are
    saved in float16, and it is these that are evaluated.
    """
    validation = corpus[corpus["role"] == "validation"]
    logits = _logits(model, tokenizer, validation, recipe)
    temperature = fit_temperature(
        logits, torch.from_numpy(validation["label"].to_numpy().copy()).long()
    )
    with torch.no_grad():
        model.classifier.weight /= temperature
        model.classifier.bias /= temperature
    model = model.half().float()
    rows, metrics = _evaluate(model, tokenizer, corpus, recipe)
    for name, figures in metrics.items():
        announce(f"{name}: {figures}")
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    _save(model, tokenizer, recipe.max_tokens, aside)
    card = {
        "name": folder.name,
        "task": "sentiment of English reviews: NEGATIVE or POSITIVE",
        "architecture": "BERT, trained from random weights",
        "weights": sum(p.numel() for p in model.parameters()),
        "reads": f"{recipe.max_tokens} tokens; of longer texts the first quarter and the last"
        " three quarters of that",
        "data": {"digest": data_digest, "rows": rows},
        "recipe": asdict(recipe),
        "temperature": round(temperature, 4),
        "metrics": metrics,
        "digest": folder_digest(aside),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": code_version(),
    }
    (aside / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    exchange(aside, folder)
    shutil.rmtree(aside, ignore_errors=True)
    return card


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


def check_output(folder: Path) -> None:
    """Raises: ModelError: something is there that is no model of ours, and would be replaced."""
    if (folder / "card.json").is_file() or not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ModelError(f"{folder} holds something else that would be replaced: name another")


def _save(model: Any, tokenizer: Tokenizer, max_tokens: int, folder: Path) -> None:
    """Weights in float16, configuration and tokenizer, readable by all."""
    disable_progress_bar()  # type: ignore[no-untyped-call]  # the library shows one for a single file
    model.cpu().half().save_pretrained(folder)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)  # the weights are saved for their owner only


def _logits(
    model: BertForSequenceClassification, tokenizer: Tokenizer, rows: pd.DataFrame, recipe: Recipe
) -> torch.Tensor:
    return predict_logits(model, tokenizer, rows["text"].tolist(), recipe.max_tokens)


def _metrics(logits: torch.Tensor, rows: pd.DataFrame) -> dict[str, float | int]:
    labels = rows["label"].to_numpy()
    probability = logits.double().softmax(1)[:, 1].numpy()
    return {
        "rows": len(rows),
        "accuracy": round(float(((probability >= 0.5) == (labels == 1)).mean()), 4),
        "calibration_error": round(calibration_error(probability, labels), 4),
    }


def _evaluate(
    model: BertForSequenceClassification, tokenizer: Tokenizer, corpus: pd.DataFrame, recipe: Recipe
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float | int]]]:
    """Rows of each data set by role, and the metrics on those that were not trained on."""
    rows: dict[str, dict[str, int]] = {}
    metrics = {}
    for key, part in corpus.groupby(["dataset", "role"]):
        dataset, role = cast(tuple[str, str], key)
        rows.setdefault(dataset, {})[role] = len(part)
        if role != "train":
            name = dataset if role == "report" else f"{dataset} (validation)"
            metrics[name] = _metrics(_logits(model, tokenizer, part, recipe), part)
    return rows, metrics

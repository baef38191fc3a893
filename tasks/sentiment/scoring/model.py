"""Find a model: bundled, a folder in Hugging Face format, or a repository on the hub.

A model is its config.json, its weights as safetensors and its tokenizer. Pickled weights are
never read, since reading them runs code. The digest is of these bytes, so that equal digests
mean equal answers wherever the model came from.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tasks.sentiment.errors import ModelError, first_line
from tasks.sentiment.scoring.architectures import InputRules, input_rules
from tasks.sentiment.scoring.encoder import (
    SHARD_INDEX,
    SINGLE_FILE,
    count_classes,
    weight_files,
)
from tasks.sentiment.scoring.labels import AskedLabels, ClassLabels, class_labels

BUNDLED = Path(__file__).parents[1] / "models"
HUB_EXAMPLE = "distilbert/distilbert-base-uncased-finetuned-sst-2-english"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "*.model")  # without tokenizer.json
OWN_TEXTS = "known_texts.json"  # that a model brings, as `golden` reads them
_HUB_FILES = (
    "config.json",
    SINGLE_FILE,
    SHARD_INDEX,
    "model-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    OWN_TEXTS,
    *_VOCABULARIES,
)
# Packages that only tokenizers ask for which have no fast form (XLM, FlauBERT, BERT of Japanese).
_OF_PYTHON_TOKENIZERS = ("sacremoses", "fugashi", "rhoknp", "sudachipy")
AS_NAMED = AskedLabels()


@dataclass(frozen=True)
class ModelFolder:
    """A model that can be scored with.

    name: the reference as given; digest: sha256 of config, weights, tokenizer, and of the labels
    that were asked for, if any were.
    """

    path: Path
    name: str
    digest: str
    config: Mapping[str, Any]
    labels: ClassLabels
    inputs: InputRules
    tokenizer: Tokenizer


def bundled_models() -> list[str]:
    """Names that `find_model` takes without a network."""
    return sorted(folder.parent.name for folder in BUNDLED.glob("*/config.json"))


def find_same_model(
    reference: str,
    revision: str | None,
    digest: str,
    *,
    cache: Path,
    asked: AskedLabels = AS_NAMED,
) -> ModelFolder:
    """The model of this digest.

    Raises: ModelError: as for find_model, or its files are others by now or on this machine.
    """
    model = find_model(reference, revision, cache=cache, asked=asked)
    if model.digest != digest:
        raise ModelError(
            f"the model {reference} has changed since the run began, or is another one on this"
            f" machine ({model.digest[:12]}, not {digest[:12]}): run again"
        )
    return model


def find_model(
    reference: str,
    revision: str | None = None,
    *,
    cache: Path,
    asked: AskedLabels = AS_NAMED,
) -> ModelFolder:
    """Open a bundled name, a folder or a hub id; hub files are kept under `cache`.

    revision: commit, tag or branch, for hub ids only. asked: labels that the user names.
    Raises: ModelError: there is no such model, or it is not a sentiment model with safetensors
        weights and a tokenizer that belongs to them.
    """
    if reference in bundled_models():
        folder = BUNDLED / reference
    elif reference and Path(reference).expanduser().is_dir():
        folder = Path(reference).expanduser().resolve()
    elif _HUB_ID.fullmatch(reference):
        folder = _download(reference, revision, cache / "hub")
        revision = None
    else:
        raise ModelError(f"there is no model folder {reference}; {_what_is_right()}")
    if revision is not None:
        raise ModelError(f"{reference} has no revisions: only models of the hub have them")
    return _open(folder, reference, asked, _stamp(folder))


def folder_digest(folder: Path) -> str:
    """The sha256 over names and bytes of config, weights and tokenizer, in that order."""
    tokenizer = [folder / "tokenizer.json"]
    if not tokenizer[0].is_file():
        tokenizer = _vocabularies(folder)
    digest = hashlib.sha256()
    for file in (folder / "config.json", *weight_files(folder), *tokenizer):
        with file.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256")
        digest.update(file.name.encode() + b"\0" + content.digest())
    return digest.hexdigest()


def _vocabularies(folder: Path) -> list[Path]:
    return sorted(file for pattern in _VOCABULARIES for file in folder.glob(pattern))


def _what_is_right() -> str:
    names = ", ".join(bundled_models()) or "none"
    return f"bundled: {names}; else a folder in Hugging Face format or a hub id, {HUB_EXAMPLE}"


@lru_cache(maxsize=16)
def _download(reference: str, revision: str | None, cache: Path) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        folder = huggingface_hub.snapshot_download(
            reference, revision=revision, cache_dir=cache, allow_patterns=list(_HUB_FILES)
        )
    except RevisionNotFoundError as error:
        raise ModelError(f"the model {reference} has no revision {revision}") from error
    except (RepositoryNotFoundError, ValueError) as error:
        raise ModelError(f"the hub has no model {reference}; {_what_is_right()}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"the model {reference} is neither bundled nor a folder, and the hub cannot be "
            f"reached; {_what_is_right()}"
        ) from error
    return Path(folder)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes when a file of the folder does."""
    stats = ((file.name, file.stat()) for file in sorted(folder.iterdir()) if file.is_file())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@lru_cache(maxsize=16)
def _open(
    folder: Path, name: str, asked: AskedLabels, stamp: tuple[tuple[str, int, int], ...]
) -> ModelFolder:
    config = _read_json(folder, "config.json", name)
    _check_architecture(config, name)
    _check_weights(folder, name)
    labels = class_labels(config, count_classes(folder), asked, name)
    tokenizer = _read_tokenizer(folder, name)
    _check_vocabulary(tokenizer, config, name)
    settings = {}
    if (folder / "tokenizer_config.json").is_file():
        settings = _read_json(folder, "tokenizer_config.json", name)
    digest = folder_digest(folder)
    if asked:  # other labels are other answers
        digest = hashlib.sha256(f"{digest} {asked.positive} {asked.neutral}".encode()).hexdigest()
    return ModelFolder(
        path=folder,
        name=name,
        digest=digest,
        config=config,
        labels=labels,
        inputs=input_rules(config, settings),
        tokenizer=tokenizer,
    )


def _check_vocabulary(tokenizer: Tokenizer, config: Mapping[str, Any], name: str) -> None:
    known = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    weights = config.get("vocab_size") or known
    if known > int(weights):
        raise ModelError(
            f"the model {name} has weights for {weights} tokens and a tokenizer of"
            f" {known}: they do not belong together"
        )


def _read_json(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / file).read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"the model {name} has no {file}") from None
    except ValueError as error:
        raise ModelError(f"{file} of the model {name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{file} of the model {name} is not a JSON object")
    return content


def _check_architecture(config: Mapping[str, Any], name: str) -> None:
    architectures = config.get("architectures") or []
    if not any(a.endswith("ForSequenceClassification") for a in architectures):
        found = ", ".join(architectures) or "nothing"
        raise ModelError(
            f"the model {name} does not classify texts: its config.json names {found}, "
            "not a …ForSequenceClassification"
        )


def _check_weights(folder: Path, name: str) -> None:
    missing = [file.name for file in weight_files(folder) if not file.is_file()]
    if missing:
        raise ModelError(f"the model {name} lacks {', '.join(missing)}")
    if not weight_files(folder):
        raise ModelError(
            f"the model {name} has no weights as safetensors; pickled ones "
            "(pytorch_model.bin) are never read, since that would run code: convert them, or "
            "choose a revision that has model.safetensors"
        )


def _read_tokenizer(folder: Path, name: str) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file() and not _vocabularies(folder):  # transformers would invent an empty one
        raise ModelError(f"the model {name} has no tokenizer.json")
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        from transformers import AutoTokenizer

        found = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # of many kinds, depending on what is wrong with the files
        reason = first_line(error)
        if any(package in reason for package in _OF_PYTHON_TOKENIZERS):
            raise ModelError(_python_only(name, "which needs further packages")) from error
        raise ModelError(f"the model {name} has no usable tokenizer: {reason}") from error
    tokenizer = getattr(found, "backend_tokenizer", None)
    if not isinstance(tokenizer, Tokenizer):
        raise ModelError(_python_only(name, type(found).__name__))
    return tokenizer


def _python_only(name: str, what: str) -> str:
    """There is nothing to convert: what has a fast form is given it by transformers."""
    return (
        f"the model {name} has no tokenizer.json, and transformers cuts its texts with code in"
        f" Python ({what}), of which none can be made: choose a model that has a tokenizer.json"
    )

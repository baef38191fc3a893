"""The command that runs a night again, with all that it was asked for."""

import shlex
from collections.abc import Mapping
from typing import Any

_OTHER_NAMES = {"group_column": "report_by"}
_DEFAULTS = {"encoding": "utf-8", "precision": "auto", "rows_per_part": 2_000}
_NOT_ASKED = ("source", "model_digest")  # the first word; what the model was


def night_command(request: Mapping[str, Any], source: str, run_date: object) -> str:
    """What to type.

    request: as the manifest of a published night has it; source: the name in all results.
    """
    words = ["triptych", "score-sentiment", "--source", str(request.get("source") or "SOURCE")]
    for name, value in request.items():
        is_default = value is None or value is False or value == _DEFAULTS.get(name, [])
        if name in _NOT_ASKED or is_default:
            continue
        option = f"--{_OTHER_NAMES.get(name, name).replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            told = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"{option}={told}"] if told.startswith("-") else [option, told]
    return shlex.join([*words, "--source-name", source, "--run-date", str(run_date)])

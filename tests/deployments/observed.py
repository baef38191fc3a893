"""What deployments/observe asks for, and the programs that it is for, where they are."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OBSERVE = ROOT / "deployments" / "observe"
DASHBOARD = OBSERVE / "grafana" / "dashboards" / "triptych.json"
# One series, or a choice of a metric's, and a number: its left side can be asked for by itself.
COMPARISON = re.compile(r"(?P<left>[a-z_:0-9]+(\{[^{}]*\})?) [<>] [0-9.]+")
_NAME = re.compile(r"[a-z_:][a-z0-9_:]*")
_STRING = re.compile(r'"[^"]*"')
_LABELS = re.compile(r"\{[^{}]*\}|\b(?:by|on|without|ignoring) *\([^()]*\)")
_FUNCTION = re.compile(r"\b[a-z_]+(?= *\()")
_WORDS = frozenset({"or", "and", "unless", "by", "on", "m", "h", "e"})


def program(name: str) -> str | None:
    """Where a program of Debian's packages prometheus and prometheus-alertmanager is, if it is."""
    return shutil.which(name) or shutil.which(name, path="/usr/bin")


def read_rules() -> list[dict[str, Any]]:
    """All rules, in order."""
    content = yaml.safe_load((OBSERVE / "rules.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def read_alerts() -> dict[str, dict[str, Any]]:
    """The alerts by their names."""
    return {rule["alert"]: rule for rule in read_rules() if "alert" in rule}


def read_records() -> dict[str, str]:
    """What is recorded, and the expression of each."""
    return {rule["record"]: rule["expr"] for rule in read_rules() if "record" in rule}


def read_panels() -> list[dict[str, Any]]:
    """The dashboard's panels but for the titles of its rows."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in panels if panel["type"] != "row"]


def panel_queries() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of the dashboard."""
    for panel in read_panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    bare = _LABELS.sub(" ", _STRING.sub('""', expression))
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    bare = _FUNCTION.sub(" ", bare)
    return {name for name in _NAME.findall(bare) if name not in _WORDS}

"""The structure of the code, from its imports: `python -m tests.architecture` draws it.

A drawing has boxes, each a folder or module, in rows. Boxes of one row do not import one another,
and import only what lies in rows below. `DRAWINGS` says which rows there have to be.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEVICE = ROOT / "edge" / "device"
TOPS = {"flows": ROOT, "tasks": ROOT, "services": ROOT, "edge": ROOT, "edge_detector": DEVICE}
Imports = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Drawing:
    """The boxes of a package, or of the whole project, from top to bottom."""

    package: str  # "" is the project
    rows: Sequence[str]

    def boxes(self) -> Mapping[str, int]:
        """The full name of each box, and its row."""
        prefix = f"{self.package}." if self.package else ""
        return {prefix + name: row for row, names in enumerate(self.rows) for name in names.split()}


DRAWINGS = (
    Drawing(
        "",
        (
            "flows",
            "tasks",
            "tasks.operations tasks.comparison",
            "tasks.orchestration",
            "tasks.sentiment services.fraud edge.release edge.fleet",
            "tasks.settings services.storage services.reporting services.modelling edge_detector",
        ),
    ),
    Drawing(
        "tasks.sentiment",
        ("report service", "training run", "sql scoring", "reading", "text excerpt", "errors"),
    ),
    Drawing(
        "services.fraud",
        (
            "service demo",
            "worker",
            "traced",
            "http supervisor",
            "audit registration night champion",
            "training",
            "scoring",
            "state log metrics model_storage",
            "simulator",
            "transactions",
            "metrics_folder settings",
            "errors",
        ),
    ),
    Drawing(
        "edge.release",
        (
            "publishing",
            "training phone",
            "validation clip",
            "conversion",
            "repository datasets synthetic",
            "exclusive",
            "errors naming",
        ),
    ),
    Drawing(
        "edge_detector",
        (
            "__main__",
            "cli",
            "outputs",
            "loop updates",
            "inference capture telemetry slots",
            "contract system",
            "errors",
        ),
    ),
)


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the project that is no test, by its full name."""
    found = {}
    for top, base in TOPS.items():
        for file in sorted((base / top).rglob("*.py")):
            if (base is ROOT and file.is_relative_to(DEVICE)) or "build" in file.parts:
                continue
            name = ".".join(file.relative_to(base).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


@cache
def imported(file: Path, source: str) -> tuple[str, ...]:
    """The full names of all that a file imports, anywhere in it."""
    package = file.relative_to(ROOT).parent.parts
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*above, *filter(None, [node.module])))
            found += (f"{origin}.{alias.name}" for alias in node.names)
    return tuple(found)


@cache
def imports() -> Imports:
    """For every module, the modules of the project that it imports."""
    known = modules()
    found = {}
    for name, file in known.items():
        asked = imported(file, file.read_text("utf-8"))
        owners = {one if one in known else one.rpartition(".")[0] for one in asked}
        found[name] = frozenset(owners & known.keys() - {name})
    return found


def arrows(drawing: Drawing, graph: Imports) -> Imports:
    """Which boxes of a drawing import which."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module, targets in graph.items():
        origin = _box(module, drawing)
        ends = {_box(target, drawing) for target in targets} - {"", origin}
        if origin and ends:
            found[origin] |= ends
    return {origin: frozenset(ends) for origin, ends in found.items()}


def climbing(drawing: Drawing, graph: Imports) -> list[str]:
    """The arrows of a drawing that do not run down."""
    row = drawing.boxes()
    return [
        f"{origin} → {end}"
        for origin, ends in sorted(arrows(drawing, graph).items())
        for end in sorted(ends)
        if row[end] <= row[origin]
    ]


def homeless(drawing: Drawing) -> list[str]:
    """Modules of the drawing's package that lie in no box."""
    inside = (name for name in modules() if name.startswith(f"{drawing.package}."))
    return [name for name in inside if not _box(name, drawing)]


def circles(graph: Imports) -> list[list[str]]:
    """Groups of modules that import one another, directly or by others."""
    reached = {name: reachable(name, graph) for name in graph}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached.get(other, ())))
        for name in graph
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups)]


def draw(drawing: Drawing, graph: Imports) -> str:
    """The drawing as text: a line per box, with the boxes that it imports."""
    found, boxes = arrows(drawing, graph), drawing.boxes()
    lines, last = [drawing.package or "triptych"], 0
    for name, row in boxes.items():
        ends = [_short(end, drawing) for end in boxes if end in found.get(name, ())]
        box = f"  [ {_short(name, drawing)} ]".ljust(27)
        lines += [""] * (row - last) + [box + ("──▶ " + ", ".join(ends) if ends else "")]
        last = row
    return "\n".join(line.rstrip() for line in lines)


def draw_all() -> str:
    """All drawings, one below the other."""
    return "\n\n".join(draw(drawing, imports()) for drawing in DRAWINGS) + "\n"


def reachable(start: str, graph: Imports) -> set[str]:
    """All that a module imports, directly or through others."""
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph.get(name, ()))
    return seen


def _box(module: str, drawing: Drawing) -> str:
    """The box that a module lies in: the one with the longest name; empty if there is none."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    boxes = drawing.boxes()
    return next((name for name in names if name in boxes), "")


def _short(box: str, drawing: Drawing) -> str:
    return box.removeprefix(f"{drawing.package}.") if drawing.package else box


if __name__ == "__main__":
    sys.stdout.write(draw_all())

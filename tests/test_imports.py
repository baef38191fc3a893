"""The house rules: who may import whom, what starts light, and what lies where."""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.__main__ import PROGRAM
from tests.architecture import (
    DRAWINGS,
    ROOT,
    Drawing,
    circles,
    climbing,
    draw_all,
    homeless,
    imported,
    imports,
    modules,
)

TOP_LEVEL = {
    *("pyproject.toml", "README.md", "Makefile", "constraints.txt", "docker-compose.yml"),
    *("LICENSE", "flows", "tasks", "services", "edge", "deployments", "tests"),
}
HEAVY = (
    *("torch", "transformers", "onnxruntime", "tensorflow", "keras", "ai_edge_litert"),
    *("bentoml", "matplotlib", "cv2", "tuf", "pycocotools"),
)
SHARED = ("services.storage", "services.reporting", "services.modelling")


@dataclass(frozen=True)
class Rule:
    """Modules that match a glob never import these packages, but for the exceptions.

    but: packages below a forbidden one that are allowed; doors: file names to which the rule
    does not apply.
    """

    modules: str
    never: tuple[str, ...]
    but: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()


RULES = (
    Rule(
        "flows/**/*.py",
        never=(
            *("pandas", "numpy", "pyarrow", "sqlalchemy", "psycopg"),
            *("torch", "transformers", "tensorflow", "keras", "bentoml"),
            *("services", "edge", "edge_detector"),
            *("tasks.settings", "tasks.sentiment", "tasks.comparison"),  # task modules lead there
        ),
    ),
    Rule("tasks/*.py", never=("flows", "tests", "bentoml", "tensorflow")),
    Rule(
        "tasks/sentiment/**/*.py",
        never=("prefect", "prefect_dask", "flows", "services", "edge", "edge_detector", "tasks"),
        but=("tasks.sentiment", *SHARED),
    ),
    Rule(
        "tasks/comparison/**/*.py",
        never=("prefect", "flows", "tasks.operations"),
    ),
    Rule("services/**/*.py", never=("prefect", "flows", "tasks", "edge", "edge_detector")),
    *(
        Rule(f"{shared.replace('.', '/')}/**/*.py", never=("services",), but=SHARED)
        for shared in SHARED
    ),
    Rule("services/fraud/**/*.py", never=("bentoml",), doors=("service.py", "store.py")),
    Rule("tasks/sentiment/**/*.py", never=("bentoml",), doors=("service.py",)),
    Rule(
        "tasks/comparison/**/*.py",
        never=("prefect", "bentoml", "flows", "tasks"),
        but=("tasks.comparison", "tasks.sentiment", "tasks.orchestration"),
    ),
    Rule("services/**/*.py", never=("tensorflow", "keras"), doors=("keras.py",)),
    Rule(
        "edge/release/**/*.py",
        never=("prefect", "flows", "tasks", "services"),
        but=SHARED,
    ),
    Rule("edge/release/**/*.py", never=("tensorflow", "keras")),
    Rule(
        "edge/release/**/*.py",
        never=("edge_detector", "edge.fleet"),
        but=("edge_detector.contract", "edge_detector.inference", "edge_detector.errors"),
        doors=("benchmark.py",),  # it runs the device's package where that is installed alone
    ),
    Rule(
        "edge/fleet/**/*.py",
        never=("edge_detector",),
        but=("edge_detector.contract", "edge_detector.errors"),
    ),
    Rule(
        "edge/fleet/**/*.py",
        never=("prefect", "flows", "tasks", "services", "tensorflow", "edge.release"),
        but=SHARED,
    ),
    Rule(
        "edge/device/**/*.py",
        never=("prefect", "flows", "tasks", "services", "edge", "tensorflow", "torch", "pydantic"),
    ),
    *(Rule(f"{top}/**/*.py", never=("tests",)) for top in ("flows", "tasks", "services", "edge")),
)
MOST_MODULES = 14  # in a folder
MOST_LINES = 300  # in a module
MOST_IN_A_FUNCTION = 50
FLOWS = sorted(f"flows.{file.stem}" for file in ROOT.glob("flows/*.py") if file.stem[0] != "_")
VERBS = [verb for group in PROGRAM.groups.values() for verb in group]


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def broken(rule: Rule, file: Path, source: str) -> list[str]:
    names = imported(file, source)
    return [name for name in names if within(name, rule.never) and not within(name, rule.but)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.modules} {rule.never[0]}")
def test_module_imports_only_what_its_place_allows(rule):
    """Imports point inward: flows, task modules, panels; panels know neither Prefect nor others."""
    files = [file for file in sorted(ROOT.glob(rule.modules)) if file.name not in rule.doors]
    assert files  # a folder that has moved is still watched
    faults = {
        str(file.relative_to(ROOT)): names
        for file in files
        if (names := broken(rule, file, file.read_text("utf-8")))
    }
    assert faults == {}


def test_rules_see_every_form_of_import():
    """An import in a function, of a part of a package, under another name, or relative."""
    rule = Rule("", never=("prefect", "tasks"), but=("tasks.sentiment",))
    file = ROOT / "tasks" / "sentiment" / "fictitious.py"
    source = (
        "import prefect.runtime as runtime\n"
        "def late():\n    from prefect import task\n"
        "from tasks import settings\n"
        "from .. import policies\n"
        "from . import text\n"
        "from tasks.sentiment.errors import SentimentError\n"
        "import prefectural\n"
    )
    assert broken(rule, file, source) == [
        "prefect.runtime",
        "tasks.settings",
        "tasks.policies",
        "prefect.task",
    ]


def test_modules_do_not_import_one_another_in_a_circle():
    """Whoever reads a module reads what it imports first, and gets to the end."""
    assert circles(imports()) == []


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.package or "all")
def test_imports_run_down_the_drawing(drawing):
    """A folder imports from folders below it: what a reader learns once holds everywhere."""
    assert climbing(drawing, imports()) == []


@pytest.mark.parametrize("drawing", DRAWINGS[1:], ids=lambda drawing: drawing.package)
def test_module_lies_in_a_folder_of_the_drawing(drawing):
    """A new folder is drawn before it is filled, and a module in a wrong one is seen."""
    assert homeless(drawing) == []


def test_drawing_sees_an_arrow_that_climbs_and_a_circle():
    """The checks above can fail."""
    drawing = Drawing("house", ("roof", "wall door", "floor"))
    graph = {
        "house.roof.tiles": frozenset({"house.wall.stone"}),
        "house.wall.stone": frozenset({"house.floor", "house.door"}),
        "house.door": frozenset({"house.floor"}),
        "house.floor": frozenset({"house.roof.tiles"}),
    }
    assert climbing(drawing, graph) == ["house.floor → house.roof", "house.wall → house.door"]
    assert circles(graph) == [["house.door", "house.floor", "house.roof.tiles", "house.wall.stone"]]


def test_guide_shows_the_drawing():
    """`.github/CONTRIBUTING.md` holds what `python -m tests.architecture` prints."""
    guide = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    assert f"```\n{draw_all()}```\n" in guide


def test_folders_modules_and_functions_are_short_enough_to_be_read_at_one_go():
    folders = Counter(file.parent for file in modules().values() if file.name != "__init__.py")
    long = [
        f"{folder}: {count} modules" for folder, count in folders.items() if count > MOST_MODULES
    ]
    for name, file in modules().items():
        source = file.read_text("utf-8")
        if (lines := source.count("\n")) > MOST_LINES:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_IN_A_FUNCTION:
                    long.append(f"{name}.{node.name}: {lines} lines")
    assert long == []


# What each of some lists [MODULE, ARGUMENT…] prints, as `python -m` would, and which modules it has
# loaded by then. Each runs in a fork of this process.
ANSWERS = """
import json, os, runpy, sys
for line in json.load(sys.stdin):
    reader, writer = os.pipe()
    if not os.fork():
        os.dup2(writer, 1)
        sys.argv[1:] = line[1:]
        try:
            runpy.run_module(line[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            assert end.code == 0, end.code
        print("loaded:", *sys.modules, flush=True)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        print(json.dumps(pipe.read()), flush=True)  # else forks would print it too
    assert os.wait()[1] == 0, line
"""


def answers_and_loaded(
    lines: Sequence[Sequence[str]], home: Path, loaded_before: str = ""
) -> list[tuple[str, set[str]]]:
    """For each of these lines what it prints, and the modules that it has loaded by then, those
    included that the process before it has loaded for all."""
    before = f"import {loaded_before}\n" if loaded_before else ""
    process = subprocess.run(
        [sys.executable, "-c", before + ANSWERS],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    found = []
    for line in process.stdout.splitlines():
        answer, _, loaded = json.loads(line).rpartition("loaded: ")
        found.append((answer, set(loaded.split())))
    return found


def test_help_of_a_flow_or_verb_loads_no_framework(tmp_path):
    """`--help` answers from the parameters alone, on standard output, with status 0; a verb is
    called by its name."""
    verbs = [verb.name for verb in VERBS if verb.module not in FLOWS]
    lines = [[flow, "--help"] for flow in FLOWS] + [["flows", verb, "--help"] for verb in verbs]
    assert FLOWS and verbs
    found = answers_and_loaded(lines, tmp_path, "tasks.orchestration.command_line, prefect.main")
    for line, (answer, loaded) in zip(lines, found, strict=True):
        assert f"usage: python -m {' '.join(line[:-1])}" in answer
        assert not set(HEAVY) & loaded, line


def test_command_shows_its_help_without_loading_any_flow(tmp_path):
    """It fits on a screen, and answers at once."""
    ((answer, loaded),) = answers_and_loaded([["flows"]], tmp_path)
    assert len(answer.splitlines()) <= 30
    assert max(map(len, answer.splitlines())) <= 80
    assert not {"prefect", "pydantic", *HEAVY} & loaded


def test_packages_run_nothing_when_they_are_imported():
    """Every `__init__.py` is empty, but for the device's, which is a package of its own."""
    packages = [file for top in TOP_LEVEL for file in ROOT.glob(f"{top}/**/__init__.py")]
    full = [file for file in packages if file.stat().st_size and "edge_detector" not in file.parts]
    assert packages and full == []


def test_tree_has_the_agreed_folders_alone():
    """Top-level names are fixed: whatever is new goes into one of them."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Git checkout")
    tops = {Path(name).parts[0] for name in listed.split("\0") if name}
    assert {top for top in tops if not top.startswith(".")} <= TOP_LEVEL

"""The tests of what has changed: `python -m tests.changed` prints the files to run.

What has changed is what Git sees beside the last commit that the upstream branch has; without one,
beside the last commit. The tests of a module are those that import it, or a module that does.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.architecture import ROOT, imported, imports, modules


def changed_files() -> list[str]:
    """Paths of changed and of new files, relative to the root."""
    upstream = _git("rev-parse", "--verify", "-q", "@{upstream}").strip() or "HEAD"
    listed = _git("diff", "--name-only", upstream) + _git(
        "ls-files", "--others", "--exclude-standard"
    )
    return sorted(set(listed.splitlines()))


def tests_of(changed: Iterable[str]) -> list[str]:
    """The test files that have changed, and those that a change may concern."""
    names = {file.relative_to(ROOT).as_posix(): name for name, file in modules().items()}
    helpers = {path: path.removesuffix(".py").replace("/", ".") for path in changed}
    asked = {names.get(path, helpers[path]) for path in changed if path.endswith(".py")}
    asked |= {name for name, targets in imports().items() if asked & targets}
    return [
        path
        for file in sorted(ROOT.glob("tests/**/test_*.py"))
        if (path := file.relative_to(ROOT).as_posix()) in helpers or asked & _imported_by(file)
    ]


def _imported_by(test: Path) -> set[str]:
    """The modules that a test imports, and the packages of the names that it imports from them."""
    found = set(imported(test, test.read_text("utf-8")))
    return found | {name.rpartition(".")[0] for name in found}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.stdout.write("\n".join(["tests/test_imports.py", *tests_of(changed_files())]) + "\n")

"""Python and the installed packages, against the ranges that the project declares."""

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from tasks.operations.doctor.check import Check, absent, fault, ok

DISTRIBUTIONS = ("triptych", "edge-detector")
OLDEST = (3, 11)
_NOT_OF_USERS = ("dev", "bench")
Versions = Callable[[str], str]


def check_python(running: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Whether it is new enough."""
    found = ".".join(str(part) for part in running)
    if running[:2] >= OLDEST:
        return ok("python", f"{found}, {platform.machine()}")
    return fault(
        "python",
        f"{found} is older than {OLDEST[0]}.{OLDEST[1]}",
        "nothing of this project runs with it as it should",
        "install a newer one, then make install PYTHON=python3.12",
    )


def check_packages(installed: Versions = version) -> Iterator[Check]:
    """Every package that is needed; of extras, those that are installed as a whole."""
    for distribution in DISTRIBUTIONS:
        try:
            needed = [Requirement(line) for line in requires(distribution) or ()]
        except PackageNotFoundError:
            yield _not_installed(distribution)
        else:
            yield from _check_ranges(distribution, needed, installed)


def _not_installed(distribution: str) -> Check:
    if distribution != DISTRIBUTIONS[0]:
        told = f"{distribution} is not installed: pip install -e 'edge/device[litert]'"
        return absent("packages", told)
    return fault(
        "packages",
        f"{distribution} is not installed for {sys.executable}",
        "its packages are whatever happens to be there",
        "make install, then .venv/bin/triptych doctor",
    )


def _check_ranges(
    distribution: str, needed: Sequence[Requirement], installed: Versions
) -> Iterator[Check]:
    base = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [why for one in base if (why := _wrong(one, installed))]
    whole, others = [], []
    for extra in _extras(needed):
        own = [one for one in needed if one not in base and _is_of(one, extra)]
        if lacking := [one.name for one in own if _version(one, installed) is None]:
            others.append(f"{extra} (lacks {', '.join(lacking[:3])})")
        else:
            whole.append(extra)
            wrong += [why for one in own if (why := _wrong(one, installed))]
    for told, cure in dict.fromkeys(wrong):
        meaning = f"{distribution} was not made for it, and may fail where it is used"
        yield fault("packages", told, meaning, cure)
    if not wrong:
        with_extras = f" with {', '.join(whole)}" if whole else ""
        yield ok("packages", f"{distribution} {version(distribution)}{with_extras}")
    if others:
        yield absent("packages", f"extras of {distribution} not installed: {', '.join(others)}")


def _extras(needed: Sequence[Requirement]) -> list[str]:
    """Those that a user may want, in their order."""
    found: dict[str, None] = {}
    for one in needed:
        for word in str(one.marker or "").replace("'", '"').split('extra == "')[1:]:
            found[word.partition('"')[0]] = None
    return [extra for extra in found if extra not in _NOT_OF_USERS]


def _is_of(one: Requirement, extra: str) -> bool:
    return one.marker is not None and one.marker.evaluate({"extra": extra})


def _version(one: Requirement, installed: Versions) -> str | None:
    try:
        return installed(one.name)
    except PackageNotFoundError:
        return None


def _wrong(one: Requirement, installed: Versions) -> tuple[str, str] | None:
    """What is wrong with an installed package, and what to type."""
    cure = f"pip install '{one.name}{one.specifier}'"
    found = _version(one, installed)
    if found is None:
        return f"{one.name} is missing", cure
    if not one.specifier.contains(found, prereleases=True):
        return f"{one.name} {found} is not {one.specifier}", cure
    return None

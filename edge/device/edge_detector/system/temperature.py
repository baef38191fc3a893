"""How hot the device's processor is, where Linux says so."""

from collections.abc import Iterable
from pathlib import Path

_SYSTEM = Path("/sys/class")
# Names that boards give to the sensor of the processor itself, the surest first.
_PROCESSOR = ("cpu", "x86_pkg_temp", "coretemp", "k10temp", "soc", "core", "pkg")
_LOWEST_C, _HIGHEST_C = -60.0, 200.0  # beyond, a sensor is missing or broken


def read_temperature(system: Path = _SYSTEM) -> float | None:
    """The processor's temperature in °C; of other sensors the hottest; None if none can be read.

    system: the folder with `thermal` and `hwmon`.
    """
    found = [
        *_read(system.glob("thermal/thermal_zone*/temp"), "type"),
        *_read(system.glob("hwmon/hwmon*/temp*_input"), "name"),
    ]
    for wanted in _PROCESSOR:
        processor = [celsius for name, celsius in found if wanted in name]
        if processor:
            return max(processor)
    return max((celsius for _, celsius in found), default=None)


def _read(files: Iterable[Path], beside: str) -> list[tuple[str, float]]:
    """Names and temperatures of sensors; those that do not answer are left out."""
    found = []
    for file in files:
        try:
            celsius = int(file.read_text("ascii")) / 1000
            name = file.with_name(beside).read_text("utf-8", "replace").strip().lower()
        except (OSError, ValueError):
            continue
        if _LOWEST_C < celsius < _HIGHEST_C:
            found.append((name, round(celsius, 1)))
    return found

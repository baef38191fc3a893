"""Energy, where the processor counts it: Intel's RAPL, as Linux shows it."""

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
ABSENT = "energy: this machine has no counter (no RAPL in /sys/class/powercap)"
LOCKED = "energy: the counter can be read by root alone (/sys/class/powercap/*/energy_uj)"


@dataclass(frozen=True)
class EnergyCounters:
    """Counters of whole processors, by folder: their values and where they start again, in μJ."""

    values: dict[Path, int]
    ends: dict[Path, int]

    def joules_until(self, later: "EnergyCounters") -> float:
        """What was used between two readings, neither further apart than a turn of a counter."""
        total = 0
        for folder, value in later.values.items():
            used = value - self.values.get(folder, value)
            total += used if used >= 0 else used + self.ends[folder]
        return total / 1e6


def read_energy(powercap: Path = POWERCAP) -> EnergyCounters | str:
    """The counters now; or why there are none, in a line."""
    packages = [
        folder
        for folder in sorted(powercap.glob("intel-rapl:*"))
        if folder.name.count(":") == 1 and (folder / "energy_uj").exists()
    ]
    if not packages:
        return ABSENT
    try:
        values = {folder: int((folder / "energy_uj").read_text()) for folder in packages}
        ends = {folder: int((folder / "max_energy_range_uj").read_text()) for folder in packages}
    except (OSError, ValueError):
        return LOCKED
    return EnergyCounters(values, ends)

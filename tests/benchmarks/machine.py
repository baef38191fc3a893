"""The machine on which figures were measured, as far as they depend on it."""

import os
import platform
import subprocess
from pathlib import Path

# What the kernels of the three panels choose by.
FEATURES = (
    *("avx", "avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp"),
)


def describe_machine() -> dict[str, object]:
    """CPU, its features that matter, and the cores that this process may use."""
    about = _cpuinfo()
    listed = about.get("flags") or about.get("Features") or ""
    return {
        "cpu": about.get("model name") or _asked_of_macos() or platform.machine(),
        "features": [name for name in FEATURES if name in listed.split()],
        "cores": _usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    """The first processor's entries; empty where the system has no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    entries: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            entries.setdefault(name.strip(), value.strip())
    return entries


def _asked_of_macos() -> str | None:
    try:
        found = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True
        )
    except OSError:
        return None
    return found.stdout.strip() or None

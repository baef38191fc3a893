"""What this machine has to score with, as far as the operating system says."""

import os
import platform
from pathlib import Path

_INTERESTING_FLAGS = {
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16"),  # ARM's
}


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_cpu() -> str:
    """Name and instruction sets of the CPU; virtual machines often tell a family's name only."""
    info = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    if info.exists():
        for line in info.read_text("utf-8", "replace").split("\n\n")[0].splitlines():
            name, _, value = line.partition(":")
            fields[name.strip()] = value.strip()
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    name = fields.get("model name") or f"{platform.machine()} {platform.processor()}".strip()
    return " ".join([name, *sorted(_INTERESTING_FLAGS.intersection(flags))])
